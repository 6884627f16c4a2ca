package fuzz_test

import (
	"maps"
	"slices"
	"strings"
)

// extras are values of single fields, by the last part of the name.
var extras = map[string][]value{
	"email": plain(either, "User@Example.COM", "a@b", "a@b.c", "@example.com", "a@", "a b@example.com", `"a b"@example.com`, "a@[127.0.0.1]", "a+b@example.com", "ü@example.com",
		"a@münchen.example", "a@xn--mnchen-3ya.example", "a@example.com\r\nBcc: b@example.com", "a@example.com,b@example.com", "<a@example.com>", "a@example.com.", "a..b@example.com",
		strings.Repeat("a", 65)+"@example.com", "a@"+strings.Repeat("b", 250)+".com", "a@exam\u200bple.com", "ａ@example.com"),
	"username": plain(either, "USER", "user name", "ﬀ", "раураl", "user\u200bname", "a@b.example", "...", "-a-", "admin", "root\u0301", "用户名字"),
	"full_name": plain(either, "Win 500 EUR now http://evil.example/x", "www.evil.example", "evil.example", "O'Brien-Smith, Jr.", "X Æ A-12", "Ng", "李", "{{.Link}}",
		"Ada\r\nSubject: x", "=?utf-8?q?x?="),
	"password":            plain(either, strings.Repeat("a", 72)+"b", strings.Repeat("é", 36)+"x", "pass word", "correct horse battery\u0301", " leading and trailing ", "12345678"),
	"currency":            plain(either, "USD", "usd", "EUR", "JPY", "BHD", "XXX", "XAU", "ZZZ", "US", "U$D", "ＵＳＤ"),
	"country":             plain(either, "US", "us", "USA", "United States", "DE", "AE", "HK", "PA", "GB", "UK", "EL", "XK", "ZZ", "AQ", "Deutschland", "ＵＳ", "IE"),
	"language":            plain(either, "en", "EN", "de", "de-DE", "en_US", "simple", "tlh", "x-klingon", "english"),
	"time_zone":           plain(either, "Europe/Berlin", "europe/berlin", "EUROPE/BERLIN", "Local", "UTC", "Z", "UTC+5", "GMT", "Etc/GMT+12", "America/Argentina/ComodRivadavia", "../../etc/passwd", "/etc/localtime", "posix/UTC", "Europe/", "Factory", "EST5EDT"),
	"phone":               plain(either, "+491701234567", "+49 170 1234567", "00491701234567", "+0", "+", "+999999999999999", "+1234567890123456", "+٤٩١٧٠", "tel:+491701234567", ""),
	"from":                append(plain(either, "22:00", "7:00", "07:00:00", "24:00", "23:60", "-1:00", "２２:００", "22.00", "22:00 ", "T22:00"), times...),
	"until":               plain(either, "07:00", "00:00", "7:00", "07:00:00", "24:00", "23:60", "２２:００", "07:00Z"),
	"endpoint":            plain(either, "https://fcm.googleapis.com/x", "https://fcm.googleapis.com:444/x", "https://fcm.googleapis.com@evil.example/x", "https://evil.example/fcm.googleapis.com", "http://fcm.googleapis.com/x", "https://127.0.0.1/x", "https://[::1]/x", "https://fcm.googleapis.com%2f@evil.example/", "HTTPS://FCM.GOOGLEAPIS.COM/x", "https://x.push.services.mozilla.com/ü", "https://fcm.googleapis.com/\r\nx"),
	"slug":                plain(either, "a-slug", "A-Slug", "straße", "красный", "红色", "a b", "a--b", "-a", "a-", "a/b", "a.b", "..", "1", "", "a_b", "é", "e\u0301"),
	"sku":                 plain(either, "abc-1", "ABC-1", " abc-1", "a b", "a/b", "ａｂｃ", "straße", "é", "e\u0301", "a\u200bb", "=1+1"),
	"name":                plain(either, "Wi-Fi Router", "Straße", "København", "Łódź", "Ελληνικά", "Кириллица", "红色运动鞋", "赤いスニーカー", "!!!", "---", "...", "👍", "1", "A & B", "a  b"),
	"attr":                plain(either, "red", "1e-99999", "0e-99999", "1e400", "2.0", "1E+2", "true", "null", "NaN", "-0"),
	"q":                   plain(either, "lamp", "wifi", "运动鞋", "スニーカー", "ไฟ", "-lamp", `"lamp`, "a:*", "!", "&", "()", "lamp or", "<->", strings.Repeat("a ", 120), strings.Repeat("'", 50), "Äpfel", "a\u0301"),
	"brand":               plain(either, "TechBrand", "techbrand", "TECHBRAND", "Straße", "STRASSE", "é", "e\u0301", "%", "_"),
	"sort":                plain(either, "name", "price", "-price", "newest", "relevance", "-name", "PRICE", "price,name", "id", "price;drop"),
	"status":              plain(either, "paid", "PAID", "stauts", "paid,shipped", "pending "),
	"size":                plain(either, "original", "thumbnail", "0", "-1", "99999", "small"),
	"format":              plain(either, "csv", "jsonl", "ndjson", "CSV", "xml", ""),
	"token":               plain(either, "x", "eyJhbGciOiJub25lIn0.e30.", strings.Repeat("a", 200), strings.Repeat("a", 1001), "..", "a.b", "AAAA", "%"),
	"quantity":            wholeNumbers,
	"initial_quantity":    wholeNumbers,
	"low_stock_threshold": wholeNumbers,
	"delta":               wholeNumbers,
	"position":            wholeNumbers,
	"price": {
		{kind: "1E+2 as a price", text: "1E+2", json: "1E+2", want: accepted},
		{kind: "5.0 as a price", text: "5.0", json: "5.0", want: accepted},
		{kind: "5.000 in USD", text: "5.000", json: "5.000", want: refused},
		{kind: "1e-3 in USD", text: "1e-3", json: "1e-3", want: refused},
		{kind: "a price as text", json: `"5.00"`, want: refused},
	},
	"body":  templates,
	"title": templates,
	"html":  templates,
	"Idempotency-Key": plain(either, "a", strings.Repeat("k", 255), strings.Repeat("k", 256), strings.Repeat("k", 5000), "key with spaces", "\"quoted\"", "ключ", "\xe9", "a,b", "\x7f", "a\tb",
		"😀", " "),
	"If-Match": plain(either, "*", `"1"`, `W/"1"`, `"x"`, `1`, `""`, `"1", "2"`, `"99999999999999999999"`, `"-1"`, `"1`, `é`, "\xe9", `"1",`, `*, "1"`, strings.Repeat(`"1", `, 500)+`"1"`),
	"Last-Event-ID": plain(either, "0", "-1", "999999999", "1", "9223372036854775807", "9223372036854775808", "x", "é", "\xe9", "1-1", "1e3", strings.Repeat("1", 60), strings.Repeat("1", 61),
		"0192f0c1-2d3e-7abc-8def-0123456789ab", "18446744073709551616-0", "$", "*"),
	"Payment-Signature": signatures,
	"Stripe-Signature":  signatures,
	"provider":          plain(either, "stripe", "STRIPE", "simulated", "paypal", ".."),
	"kind":              plain(either, "orders.shipped", "ORDERS.SHIPPED", "low", "digest", "orders.*", "broadcast", "x"),
	"channel":           plain(either, "email", "sms", "push", "in_app", "EMAIL", "fax"),
}

// wholeNumbers are integers for JSON Schema, however they are written.
var wholeNumbers = []value{
	{kind: "2.0 as a whole number", text: "2.0", json: "2.0", want: accepted}, {kind: "2e0 as a whole number", text: "2e0", json: "2e0", want: accepted},
	{kind: "20e-1 as a whole number", text: "20e-1", json: "20e-1", want: accepted}, {kind: "2.5 as a whole number", text: "2.5", json: "2.5", want: refused},
	{kind: "a whole number as text", json: `"2"`, want: refused},
}

var templates = plain(either, "{{", "}}", "{{.}}", "{{.Nothing}}", "{{.Number", "{{range .Goods}}{{end}}", "{{define \"a\"}}{{template \"a\" .}}{{end}}{{template \"a\" .}}", "{{template \"x\"}}",
	"{{printf \"%1000000000d\" 1}}", "{{printf \"%s\" .}}", "{{.Number | html}}", "{{js .Number}}", "{{index .Number 99}}", "{{slice .Number 5 2}}", "{{call .Number}}", "{{if .Number}}", "{{/* x */}}",
	"{{`x`}}", "{{len .}}", "{{with $x := .Number}}{{$x}}{{end}}", "{{break}}", "{{block \"b\" .}}x{{end}}", "<a href=\"{{.Link}}\">x</a>", "<script>{{.Number}}</script>", "<a href='javascript:{{.Link}}'>",
	"<b>unclosed {{.Number}}", "<a href={{.Link}} {{.Number}}>", "<!-- {{.Number}} -->", strings.Repeat("{{.Number}}", 1500), strings.Repeat("{{if .Number}}", 900)+strings.Repeat("{{end}}", 900))

var signatures = plain(either, "t=1,v1=00", "t=,v1=", "t=9223372036854775808,v1=00", "t=-1,v1="+strings.Repeat("0", 64), "v1=00", "t=1", "t=1,t=2,v1=00,v1=11", strings.Repeat("v1=00,", 2000)+"t=1", "é", "\xe9", "=", ",,,",
	"t=1e9,v1=zz", "t=1700000000 , v1 = 00")

// files are bodies of a picture's part.
var files = plain(either, "", "x", "GIF89a", "\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "\xff\xd8\xff\xe1\x00\x08Exif\x00\x00", "RIFF\x00\x00\x00\x00WEBPVP8 ", "RIFF\xff\xff\xff\xffWEBPVP8X\x0a\x00\x00\x00",
	"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "BM", "\x00\x00\x00\x18ftypheic", "%PDF-1.4",
	"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x86\xa0\x00\x01\x86\xa0\x08\x06\x00\x00\x00", strings.Repeat("\x89PNG\r\n\x1a\n", 1000))

// known is a value that other fields take: fields with the same last name.
func known(name string) []value {
	name = strings.TrimSuffix(name, ".*")
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = name[i+1:]
	}
	switch name {
	case "new_password", "current_password":
		name = "password"
	case "file":
		return files
	}
	return extras[name]
}

// values are the hostile values of a target.
func (d *document) values(t target) (all []value) {
	if t.in == "request" {
		return nil // see wholes
	}
	s := d.resolve(t.schema)
	kind := d.kind(s)
	all = append(all, known(t.name)...)
	switch {
	case t.name == "cursor":
		return append(all, append(cursors(), texts...)...)
	case t.in == "path" && s.Format == "uuid":
		return append(append(all, uuids...), d.names()...)
	case t.in == "path" && kind == "integer":
		return append(append(all, ids...), d.names()...)
	case s.Format == "uuid":
		all = append(append(all, uuids...), texts...)
	case s.Format == "date" || s.Format == "date-time":
		all = append(append(all, times...), texts...)
	case kind == "integer" || kind == "number":
		all = append(append(all, numbers...), texts[:8]...)
	case kind == "map" && t.in != "body":
		all = append(append(all, texts...), numbers...)
	case kind == "string":
		all = append(all, texts...)
	case kind == "any":
		all = append(append(all, texts...), numbers...)
	case kind == "boolean":
		all = append(all, plain(either, "true", "TRUE", "1", "yes", "t", "0", "False", "null", "２")...)
	}
	if kind == "string" || kind == "any" || t.in != "body" {
		all = append(all, d.blanks(t, s)...)
	}
	if t.in == "body" && (t.media == jsonType || t.media == linesType) {
		all = append(all, wrongTypes(kind)...)
		all = append(all, jsonTexts...)
	}
	if kind == "map" && t.in == "body" {
		all = append(all, mapValues...)
	}
	if t.media == csvType { // a cell has no quotes of JSON
		all = slices.DeleteFunc(all, func(v value) bool { return v.text == "" && strings.HasPrefix(v.json, `"`) })
	}
	if t.in == "header" { // it would be several headers
		all = slices.DeleteFunc(all, func(v value) bool { return strings.ContainsAny(v.text, "\r\n\x00") })
	}
	for i, v := range all {
		if t.name == "Last-Event-ID" { // any text that is no id is the end
			all[i].want = either
		}
		if t.in != "body" && v.json != "" && v.json == v.text { // what JSON cannot write, others can
			all[i].want = either
		}
	}
	return all
}

// names are the fixed parts of all paths.
func (d *document) names() []value {
	found := map[string]bool{}
	for _, o := range d.operations {
		for _, part := range strings.Split(o.path, "/") {
			if part != "" && part[0] != '{' {
				found[part] = true
			}
		}
	}
	return plain(either, slices.Sorted(maps.Keys(found))...)
}

// blanks are refused where a text must not be blank.
func (d *document) blanks(t target, s *schema) (all []value) {
	must := t.in == "body" && t.required && s.MinLength > 0 && d.kind(s) == "string" && !strings.Contains(t.name, "password")
	for _, b := range blanks {
		if must {
			b.want = refused
		}
		all = append(all, b)
	}
	return all
}
