package fuzz_test

import (
	"encoding/base64"
	"strings"
)

// plain are values without another form in JSON.
func plain(want want, texts ...string) (all []value) {
	for _, text := range texts {
		all = append(all, value{kind: shorten(text), text: text, want: want})
	}
	return all
}

func shorten(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}

// wrongTypes are JSON values of other types than the field's, by what the field takes.
func wrongTypes(kind string) (all []value) {
	for _, v := range []struct{ kind, json string }{
		{"string", `"text"`}, {"string", `""`}, {"string", `"1"`}, {"number", `1`}, {"number", `1.5`}, {"boolean", `true`}, {"array", `[]`}, {"array", `[1]`},
		{"array", `[null]`}, {"array", `["a","b"]`}, {"object", `{}`}, {"object", `{"a":1}`}, {"object", `{"":{}}`},
		{"deep", strings.Repeat("[", 2000) + strings.Repeat("]", 2000)},
		{"deep", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)},
	} {
		same := v.kind == kind || kind == "integer" && v.json == "1" || kind == "map" && v.json == "{}" || kind == "any" && v.kind != "array" && v.kind != "object" && v.kind != "deep"
		unsure := kind == "map" && v.kind == "object" || kind == "array" && v.kind == "array" || kind == "object" && v.kind == "object"
		switch {
		case same || unsure:
			all = append(all, value{kind: shorten(v.json), json: v.json})
		default:
			all = append(all, value{kind: "as type " + shorten(v.json), json: v.json, want: refused})
		}
	}
	return append(all, value{kind: "null", json: "null"}, value{kind: "NUL as JSON", json: "\x00", want: refused},
		value{kind: "nothing", json: " "}, value{kind: "a word", json: "undefined", want: refused})
}

// maps are values of objects with free names.
var mapValues = []value{
	{kind: "a name twice", json: `{"color":"red","color":"blue"}`, want: refused},
	{kind: "a name twice in two spellings", json: `{"color":"red","c\u006flor":"blue"}`, want: refused},
	{kind: "a null member", json: `{"color":null}`, want: refused},
	{kind: "a name with NUL", json: `{"a\u0000b":"x"}`, want: refused},
	{kind: "a name that is no UTF-8", json: "{\"caf\xe9\":\"x\"}", want: refused},
	{kind: "a name with a lone surrogate", json: `{"a\ud800":"x"}`, want: refused},
	{kind: "an empty name", json: `{"":"x"}`},
	{kind: "a blank name", json: `{"\u200b":"x"}`},
	{kind: "names that differ by form", json: "{\"\u00e9\":\"x\",\"e\u0301\":\"y\"}"},
	{kind: "names that differ by case", json: `{"Color":"x","color":"y"}`},
	{kind: "a name with dots", json: `{"a.b.c":"x","a[0]":"y"}`},
	{kind: "a long name", json: `{"` + strings.Repeat("n", 10_000) + `":"x"}`},
	{kind: "prototype names", json: `{"__proto__":"x","constructor":"y"}`},
	{kind: "a nested map", json: `{"color":{"a":"x","a":"y"}}`, want: refused},
	{kind: "a nested list", json: `{"color":["red"]}`, want: refused},
	{kind: "1,000 names", json: "{" + strings.TrimSuffix(manyNames(1000), ",") + "}"},
	{kind: "an empty object", json: `{}`},
}

func manyNames(n int) string {
	var out strings.Builder
	for i := range n {
		out.WriteString(`"k` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + `":"v",`)
	}
	return out.String()
}

// ids are values of ids that are numbers, in paths. A path takes them as they are: the percent-encoding is part of
// them.
var ids = plain(either, "0", "-1", "+1", "01", "1.0", "1e0", "0x1", "1_0", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
	"99999999999999999999999999", "%31", "%EF%BC%91", "1%00", "1%20", "%201", "1%0a", "1%2f2", "1%2F..%2F2", "..", ".", "%2e%2e", "1;a=b", "1,2", "1%", "%zz", "%e9",
	"%ed%a0%80", "1%23", "1%3fa=b", "null", "NaN", "*", "1\\2", "{id}", "%7Bid%7D", "' or 1=1", "caf\u00e9", "\xe9", strings.Repeat("9", 2000), "%25%30%30", "1:1", "@", "~")

// uuids are values of ids that are UUIDs.
var uuids = plain(either, "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "0192F0C1-2D3E-7ABC-8DEF-0123456789AB",
	"{0192f0c1-2d3e-7abc-8def-0123456789ab}", "%7B0192f0c1-2d3e-7abc-8def-0123456789ab%7D", "urn:uuid:0192f0c1-2d3e-7abc-8def-0123456789ab",
	"0192f0c12d3e7abc8def0123456789ab", "0192f0c1-2d3e-7abc-8def-0123456789a", "0192f0c1-2d3e-7abc-8def-0123456789abc", "0192f0c1-2d3e-7abc-8def-0123456789ag",
	"0192f0c1-2d3e-7abc-8def-0123456789ab%20", "0192f0c1-2d3e-7abc-8def-0123456789ab%00", "%30192f0c1-2d3e-7abc-8def-0123456789ab", "1", "me", "null", "..", "%2e%2e",
	"%e9", "%", "'", strings.Repeat("0", 3000))

// times are values of dates and times.
var times = plain(either, "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "294276-12-31", "294277-01-01", "-0001-01-01", "+2026-01-01", "2026-02-30", "2024-02-29",
	"2023-02-29", "1900-02-29", "2026-6-1", "20260601", "2026-W01", "2026-152", "2026-06", "2026", "now", "today", "infinity", "-infinity", "epoch", "1700000000", "0", "-1",
	"2026-06-01T00:00:00Z", "2026-06-01T00:00:00z", "2026-06-01t00:00:00Z", "2026-06-01 00:00:00Z", "2026-06-01T00:00:00", "2026-06-01T00:00Z", "2026-12-31T23:59:60Z",
	"2016-12-31T23:59:60Z", "2026-06-01T24:00:00Z", "2026-06-01T00:00:00+14:00", "2026-06-01T00:00:00+15:59", "2026-06-01T00:00:00+24:00", "2026-06-01T00:00:00-00:00",
	"2026-06-01T00:00:00.123456789Z", "2026-06-01T00:00:00."+strings.Repeat("1", 400)+"Z", "0000-01-01T00:00:00Z", "0000-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z",
	"9999-12-31T23:59:59-14:00", "294277-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-06-01T00:00:00+01:60", "２０２６-06-01", "2026-06-01\x00", "2026-06-01T00:00:00Z ")

// cursors are cursors that no list returned.
func cursors() []value {
	all := plain(refused, "x", "!!", "NA", "AA==", "null", "W10", "IiI", "bnVsbA", "MTIz", "%00", "%e9", strings.Repeat("A", 10_000))
	for _, text := range []string{
		`{}`, `{"a":1}`, `[]`, `null`, `0`, `-1`, `""`, `"\u0000"`, `1e999999`, `{"s":"name","i":1,"n":"\u0000"}`, `{"s":"name","i":1}`, `{"s":"price","i":1}`,
		`{"s":"price","i":1,"p":"1e-99999"}`, `{"s":"price","i":1,"p":1e400}`, `{"s":"relevance","i":1,"r":9999999999}`, `{"s":"relevance","i":1,"r":-1}`,
		`{"s":"newest","i":-1}`, `{"s":"newest","i":9223372036854775808}`, `{"s":"newest","t":"294277-01-01T00:00:00Z","i":1}`, `{"s":"x","i":1}`,
		`{"s":"name","i":1,"n":"a","n":"b"}`, `{"S":"name","I":1,"N":"a"}`, `"0192f0c1-2d3e-7abc-8def-0123456789ab"`, `9223372036854775807`, `9223372036854775808`,
		`{"At":"294277-01-01T00:00:00Z","ID":"0192f0c1-2d3e-7abc-8def-0123456789ab"}`, `{"at":"x"}`, `{"Name":"\u0000","ID":1}`,
	} {
		all = append(all, value{kind: "a made cursor " + shorten(text), text: base64.RawURLEncoding.EncodeToString([]byte(text)), want: refused},
			value{kind: "a made cursor, padded, " + shorten(text), text: base64.StdEncoding.EncodeToString([]byte(text + " ")), want: refused})
	}
	return all
}
