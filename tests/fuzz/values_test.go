package fuzz_test

import (
	"fmt"
	"strings"
)

// want is what the platform must do with a value, besides what it must do with every request.
type want int

const (
	either   want = iota // accept and store it as it is, or refuse it
	refused              // 4xx
	accepted             // as if it were the usual value
)

// value is a hostile value.
type value struct {
	kind string // names it in reports
	text string // in paths, queries, headers, forms and cells
	json string // in JSON; empty for the text as a string
	want want
}

func (v value) asJSON() string {
	if v.json != "" {
		return v.json
	}
	return quote(v.text)
}

// quote is a JSON string of a text's bytes, also of those that are no UTF-8.
func quote(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for i := range len(text) {
		switch ch := text[i]; {
		case ch == '"' || ch == '\\':
			out.WriteByte('\\')
			out.WriteByte(ch)
		case ch < 0x20:
			fmt.Fprintf(&out, `\u%04x`, ch)
		default:
			out.WriteByte(ch)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// texts are values of every text. What is refused cannot be stored in any column.
var texts = []value{
	{kind: "a byte that is no UTF-8", text: "Caf\xe9", want: refused},
	{kind: "an overlong slash", text: "a\xc0\xafb", want: refused},
	{kind: "a surrogate in UTF-8", text: "a\xed\xa0\x80b", want: refused},
	{kind: "half a character at the end", text: "a\xf0\x9f\x98", want: refused},
	{kind: "beyond Unicode", text: "a\xf4\x90\x80\x80b", want: refused},
	{kind: "NUL", text: "a\x00b", want: refused},
	{kind: "the text \\u0000", text: `a\u0000b`},
	{kind: "control characters", text: "a\x01\x02\x08\x0b\x0c\x1b[31mb\x7f"},
	{kind: "C1 controls", text: "a\u0080\u0085\u009fb"},
	{kind: "line ends", text: "line 1\r\nline 2\rline 3\nline 4"},
	{kind: "line and paragraph separators", text: "a\u2028b\u2029c"},
	{kind: "a header injected", text: "x\r\nSet-Cookie: a=b\r\n\r\n<html>"},
	{kind: "spaces around", text: "  x  "},
	{kind: "a tab and no-break spaces around", text: "\t\u00a0x\u00a0\u3000"},
	{kind: "U+FFFD itself", text: "a\ufffdb"},
	{kind: "noncharacters", text: "a\ufffe\uffff\U0001ffffb"},
	{kind: "private use", text: "a\ue000\U0010fffdb"},
	{kind: "a BOM in the middle", text: "a\ufeffb"},
	{kind: "a BOM before", text: "\ufeffab"},
	{kind: "right to left", text: "שלום \u202eevil\u202c \u2066x\u2069 العربية"},
	{kind: "right-to-left marks", text: "\u200fa\u200eb\u061c"},
	{kind: "composed", text: "é Å ñ 가"},
	{kind: "decomposed", text: "e\u0301 A\u030a n\u0303 \u1100\u1161"},
	{kind: "compatibility characters", text: "ﬁ Å Ω ① ㎏ ｆｕｌｌ ² ½"},
	{kind: "case that changes length", text: "ß ẞ İ ı ŉ ǰ ΐ ﬀ"},
	{kind: "combining marks stacked", text: "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034d"},
	{kind: "emoji joined", text: "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪 ☠️"},
	{kind: "Han, kana, hangul, Thai", text: "红色运动鞋 赤いスニーカー 빨간 운동화 รองเท้าสีแดง"},
	{kind: "beyond the basic plane", text: "𝒜𝓑 𠜎 𐍈"},
	{kind: "zero-width joiner and non-joiner", text: "a\u200db\u200cc\u2060d"},
	{kind: "soft hyphen", text: "co\u00adoperate"},
	{kind: "tags", text: "a\U000e0041\U000e007fb"},
	{kind: "variation selectors", text: "a\ufe0f\U000e0100b"},
	{kind: "digits of other scripts", text: "１２３ ١٢٣ १२३"},
	{kind: "SQL", text: `'; drop table orders; -- " \' $1 ?`},
	{kind: "LIKE", text: `100%_\%`},
	{kind: "tsquery", text: `a & b | ! ( ' :* <-> \`},
	{kind: "a regular expression", text: `(a+)+$ [[:alpha:] \d{1,}`},
	{kind: "HTML", text: `</script><img src=x onerror=alert(1)>&amp;&#0;"'`},
	{kind: "a template", text: `{{.Name}} {{range}} ${x} #{x} <%= x %>`},
	{kind: "a template that never ends", text: `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`},
	{kind: "a format", text: `%s%n%x%!(EXTRA) %%`},
	{kind: "percent-encoding", text: `%00%0a%e9%2e%2e%2f%zz%`},
	{kind: "a path", text: `../../../../etc/passwd`},
	{kind: "a URL", text: `http://169.254.169.254/latest/?a=b#c`},
	{kind: "JSON", text: `{"a":[1,null]}`},
	{kind: "CSV", text: "a,\"b\"\n'c;d\te"},
	{kind: "a formula =", text: `=1+1`},
	{kind: "a formula +", text: `+1`},
	{kind: "a formula -", text: `-1`},
	{kind: "a formula @", text: `@SUM(A1)`},
	{kind: "an apostrophe before a formula", text: `'=1+1`},
	{kind: "null in letters", text: `null`},
	{kind: "true in letters", text: `true`},
	{kind: "a number in letters", text: `007.10e1`},
	{kind: "backslashes", text: `\ \\ \" \n`},
	{kind: "one character", text: `x`},
	{kind: "200 characters", text: strings.Repeat("é", 200)},
	{kind: "10,000 characters", text: strings.Repeat("long ", 2000)},
	{kind: "10,000 emoji", text: strings.Repeat("👍", 10_000)},
	{kind: "one word of 3,000", text: strings.Repeat("x", 3000)},
}

// blanks are texts with nothing visible in them.
var blanks = []value{
	{kind: "empty", text: ""},
	{kind: "a space", text: " "},
	{kind: "white space", text: "\t\r\n \u00a0\u1680\u2003\u202f\u205f\u3000"},
	{kind: "zero-width spaces", text: "\u200b\u200b"},
	{kind: "word joiner and BOM", text: "\u2060\ufeff"},
	{kind: "Hangul filler", text: "\u3164"},
	{kind: "half-width Hangul filler", text: "\uffa0\u115f\u1160"},
	{kind: "soft hyphen alone", text: "\u00ad"},
	{kind: "braille blank", text: "\u2800"},
	{kind: "Mongolian vowel separator", text: "\u180e"},
	{kind: "bidi controls alone", text: "\u202e\u202c\u2066\u2069\u200f"},
	{kind: "variation selector alone", text: "\ufe0f"},
	{kind: "combining grapheme joiner alone", text: "\u034f"},
	{kind: "tags alone", text: "\U000e0020\U000e007f"},
	{kind: "controls alone", text: "\x01\x7f\u0085"},
}

// jsonTexts are texts that only JSON can write.
var jsonTexts = []value{
	{kind: "a lone surrogate", json: `"a\ud800b"`, want: refused},
	{kind: "a lone low surrogate", json: `"a\udfffb"`, want: refused},
	{kind: "surrogates in the wrong order", json: `"\ude00\ud83d"`, want: refused},
	{kind: "a surrogate at the end", json: `"a\ud83d"`, want: refused},
	{kind: "an escaped pair", json: `"\ud83d\ude00"`, text: "😀"},
	{kind: "escapes", json: `"\u0041\/\b\f\n\r\t\\\""`},
	{kind: "an escaped NUL", json: `"a\u0000b"`, want: refused},
	{kind: "a raw line end", json: "\"a\nb\"", want: refused},
	{kind: "an unknown escape", json: `"a\xb"`, want: refused},
	{kind: "half an escape", json: `"\u12"`, want: refused},
}

// numbers are values of every number.
var numbers = []value{
	raw("1e-99999"), raw("0e-99999"), raw("1e99999"), raw("1e400"), raw("-1e400"), raw("1e308"), raw("5e-324"), raw("1E+2"), raw("1e2"),
	raw("2.0"), raw("2e0"), raw("20e-1"), raw("5.000"), raw("0.5"), raw("0.001"), raw("1.005"), raw("0.30000000000000004"), raw("-0"), raw("-0.0"),
	raw("0"), raw("0.00"), raw("-1"), raw("1"), raw("2"), raw("1000"), raw("1001"), raw("2147483647"), raw("2147483648"), raw("-2147483649"),
	raw("4294967296"), raw("9007199254740993"), raw("9223372036854775807"), raw("9223372036854775808"), raw("-9223372036854775808"),
	raw("-9223372036854775809"), raw("18446744073709551616"), raw("99999999999999999999999999999999.99"), raw("999999999999.99"),
	raw("123456789012345678901234567890"), raw("0.1234567890123456789012345678901234567890"),
	{kind: "5,000 digits", text: strings.Repeat("9", 5000), json: strings.Repeat("9", 5000)},
	{kind: "5,000 decimals", text: "1." + strings.Repeat("3", 5000), json: "1." + strings.Repeat("3", 5000)},
	{kind: "an exponent of 30 digits", text: "1e" + strings.Repeat("9", 30), json: "1e" + strings.Repeat("9", 30)},
	invalid("NaN"), invalid("Infinity"), invalid("-Infinity"), invalid("01"), invalid("+1"), invalid(".5"), invalid("5."), invalid("0x10"),
	invalid("1_000"), invalid("1e"), invalid("--1"), invalid("1,5"), invalid("１"),
}

// raw is a number.
func raw(text string) value { return value{kind: text, text: text, json: text} }

// invalid is a number that JSON cannot write. In other places it may be read as one.
func invalid(text string) value { return value{kind: text, text: text, json: text, want: refused} }
