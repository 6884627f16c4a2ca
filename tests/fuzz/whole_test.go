package fuzz_test

import (
	"strings"
)

// whole is a hostile change of a request as a whole.
type whole struct {
	kind  string
	want  want
	fits  func(r *request) bool // nil for all requests
	apply func(r *request)
}

func withHeader(name, value string) func(*request) {
	return func(r *request) { r.headers = append(r.headers, header{name, value}) }
}

func withBody(body string) func(*request) {
	return func(r *request) { r.body, r.hasBody = body, true }
}

func withMedia(media string) func(*request) { return func(r *request) { r.media = media } }

func withQuery(query string) func(*request) {
	return func(r *request) { r.query = append(r.query, query) }
}

func withMethod(method string) func(*request) { return func(r *request) { r.method = method } }

func hasBody(r *request) bool   { return r.hasBody }
func hasNoBody(r *request) bool { return !r.hasBody && r.method != "GET" }
func isJSON(r *request) bool    { return r.hasBody && r.media == jsonType }
func isFile(r *request) bool    { return r.hasBody && (r.media == csvType || r.media == linesType) }
func isCSV(r *request) bool     { return r.hasBody && r.media == csvType }
func isForm(r *request) bool    { return r.hasBody && r.media == formType }
func isParts(r *request) bool {
	return r.hasBody && strings.HasPrefix(r.media, multipartType)
}
func needsBody(r *request) bool { return isJSON(r) && r.op.Body.Required }
func hasQuotes(r *request) bool { return isJSON(r) && strings.Contains(r.body, `"`) }
func isGet(r *request) bool     { return r.method == "GET" }

// pairs has the same parameter twice in a query that has it already.
func pairs(r *request) bool { return r.op.takes("query") }

// wholes are all such changes. A header that only describes the client never decides whether an operation works.
var wholes = append(headers(), []whole{
	{"an unknown parameter", refused, isAPI, withQuery("max_prise=5")},
	{"an unknown parameter without a value", refused, isAPI, withQuery("x")},
	{"a tracking parameter", either, isGet, withQuery("utm_source=news&gclid=x&fbclid=y")},
	{"a parameter of broken percent-encoding", refused, isAPI, withQuery("limit=%zz")},
	{"an unknown parameter of broken percent-encoding", refused, isAPI, withQuery("x=%")},
	{"a parameter name that is no UTF-8", refused, isAPI, withQuery("caf%e9=1")},
	{"limit twice", refused, isAPI, withQuery("limit=5&limit=50")},
	{"cursor twice", refused, isAPI, withQuery("cursor=&cursor=x")},
	{"a parameter twice", refused, pairs, twice},
	{"a parameter in capitals", refused, isAPI, withQuery("LIMIT=5")},
	{"a parameter as a list", refused, isAPI, withQuery("limit[]=5")},
	{"an empty query", either, nil, withQuery("")},
	{"ampersands", either, nil, withQuery("&&&")},
	{"a very long query", refused, isAPI, withQuery("x=" + strings.Repeat("a", 9000))},
	{"a body where none is read", refused, hasNoBody, func(r *request) { withBody(`{"reason_":"x"}`)(r); r.media = jsonType }},
	{"a broken body where none is read", refused, hasNoBody, func(r *request) { withBody(`{`)(r); r.media = jsonType }},
	{"a list as a body where none is read", refused, hasNoBody, func(r *request) { withBody(`[1]`)(r); r.media = jsonType }},
	{"a form where none is read", refused, hasNoBody, func(r *request) { withBody(`a=b`)(r); r.media = formType }},
	{"text where none is read", refused, hasNoBody, func(r *request) { withBody("hello")(r); r.media = "text/plain" }},
	{"an empty object where no body is read", either, hasNoBody, func(r *request) { withBody(`{}`)(r); r.media = jsonType }},
	{"a body with GET", either, isGet, func(r *request) { withBody(`{`)(r); r.media = jsonType }},
	{"an empty body", refused, needsBody, withBody("")},
	{"white space as a body", refused, isJSON, withBody(" \n")},
	{"null as a body", refused, isJSON, withBody("null")},
	{"a list as a body", refused, isJSON, withBody("[]")},
	{"an empty list in a list", refused, isJSON, withBody("[[]]")},
	{"a string as a body", refused, isJSON, withBody(`"x"`)},
	{"half a body", refused, isJSON, func(r *request) { r.body = r.body[:len(r.body)-1] }},
	{"data after the body", refused, isJSON, func(r *request) { r.body += "{}" }},
	{"a BOM before the body", refused, isJSON, func(r *request) { r.body = "\ufeff" + r.body }},
	{"an unknown field", refused, isJSON, func(r *request) { r.body = strings.Replace(r.body, "{", `{"unknown_field":1,`, 1) }},
	{"an unknown field that is no UTF-8", refused, isJSON, func(r *request) { r.body = strings.Replace(r.body, "{", "{\"caf\xe9\":1,", 1) }},
	{"an empty name", refused, isJSON, func(r *request) { r.body = strings.Replace(r.body, "{", `{"":1,`, 1) }},
	{"all fields twice", refused, isJSON, func(r *request) { r.body = strings.TrimSuffix(r.body, "}") + "," + strings.TrimPrefix(r.body, "{") }},
	{"a comma at the end", refused, isJSON, func(r *request) { r.body = strings.TrimSuffix(r.body, "}") + ",}" }},
	{"a comment", refused, isJSON, func(r *request) { r.body = "/* x */" + r.body }},
	{"single quotes", refused, hasQuotes, func(r *request) { r.body = strings.ReplaceAll(r.body, `"`, `'`) }},
	{"UTF-16", refused, isJSON, func(r *request) { r.body = strings.Join(strings.Split(r.body, ""), "\x00") + "\x00" }},
	{"names in capitals", refused, hasQuotes, func(r *request) { r.body = strings.ToUpper(r.body) }},
	{"white space in the body", accepted, isJSON, func(r *request) { r.body = "\r\n\t " + strings.Replace(r.body, "{", "{\n\n", 1) + " \n" }},
	{"deep nesting", refused, isJSON, withBody(strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000))},
	{"open brackets", refused, isJSON, withBody(strings.Repeat("[", 100_000))},
	{"2 MB", refused, isJSON, func(r *request) { r.body = strings.Replace(r.body, "{", `{"x":"`+strings.Repeat("x", 2<<20)+`",`, 1) }},
	{"no content type", either, hasBody, withMedia("")},
	{"another content type", refused, hasBody, withMedia("application/xml")},
	{"text as content type", refused, isJSON, withMedia("text/plain")},
	{"a form's content type for JSON", refused, isJSON, withMedia(formType)},
	{"a content type in capitals", accepted, isJSON, withMedia("Application/JSON")},
	{"charset utf-8", accepted, isJSON, withMedia("application/json; charset=utf-8")},
	{"charset UTF-8 in quotes", accepted, isJSON, withMedia(`application/json;charset="UTF-8"`)},
	{"charset utf-16", refused, isJSON, withMedia("application/json; charset=utf-16")},
	{"charset latin-1", refused, isJSON, withMedia("application/json; charset=iso-8859-1")},
	{"a broken content type", either, hasBody, withMedia("application/json;;;=")},
	{"a content type that is no UTF-8", either, hasBody, withMedia("application/json; x=\xe9")},
	{"gzip that is none", refused, hasBody, withHeader("Content-Encoding", "gzip")},
	{"an unknown content encoding", refused, hasBody, withHeader("Content-Encoding", "rot13")},
	{"identity", accepted, hasBody, withHeader("Content-Encoding", "identity")},
	{"an unknown charset", refused, isFile, func(r *request) { r.media += "; charset=klingon" }},
	{"a row of CSV too short", either, isCSV, func(r *request) { r.body += "x\n" }},
	{"a quote that is never closed", either, isCSV, func(r *request) { r.body += "\"x\nx,x\nx,x\n" }},
	{"a column twice", refused, isCSV, func(r *request) { r.body = "sku,name,name\nx,y,z\n" }},
	{"an unknown column", refused, isCSV, func(r *request) { r.body = "sku,nam\nx,y\n" }},
	{"no rows", either, isFile, withBody("")},
	{"a file of NUL", either, isFile, withBody(strings.Repeat("\x00", 1000))},
	{"a BOM before the file", either, isFile, func(r *request) { r.body = "\xef\xbb\xbf" + r.body }},
	{"line ends of an old Mac", either, isFile, func(r *request) { r.body = strings.ReplaceAll(r.body, "\n", "\r") }},
	{"an unknown field in a form", refused, isForm, func(r *request) { r.body += "&unknown=1" }},
	{"a field twice in a form", refused, isForm, func(r *request) { r.body += "&" + r.body }},
	{"broken percent-encoding in a form", refused, isForm, func(r *request) { r.body += "&a=%zz" }},
	{"a form that is no UTF-8", refused, isForm, func(r *request) { r.body += "%e9" }},
	{"no boundary", refused, isParts, withMedia(multipartType)},
	{"another boundary", refused, isParts, withMedia(multipartType + "; boundary=other")},
	{"parts without an end", refused, isParts, func(r *request) { r.body = r.body[:len(r.body)-30] }},
	{"an empty multipart body", refused, isParts, withBody("")},
	{"parts twice", refused, isParts, func(r *request) {
		end := strings.LastIndex(r.body, "--sidecart-fuzz-boundary--")
		r.body = r.body[:end] + r.body
	}},
	{"HEAD", either, isGet, withMethod("HEAD")},
	{"OPTIONS", either, nil, withMethod("OPTIONS")},
	{"an unknown method", refused, nil, withMethod("PURGE")},
	{"a method in small letters", refused, nil, func(r *request) { r.method = strings.ToLower(r.method) }},
	{"TRACE", refused, nil, withMethod("TRACE")},
	{"a slash at the end", either, nil, func(r *request) { r.path += "/" }},
	{"a double slash", refused, nil, func(r *request) { r.path = "/" + r.path }},
	{"a path in capitals", either, nil, func(r *request) { r.path = strings.ToUpper(r.path) }},
	{"a dot segment", refused, nil, func(r *request) { r.path = strings.Replace(r.path, "/", "/./", 1) }},
	{"an encoded slash", refused, isAPI, func(r *request) { r.path = strings.Replace(r.path, "/api/", "/api%2f", 1) }},
	{"an encoded letter", either, isAPI, func(r *request) { r.path = strings.Replace(r.path, "/api/", "/ap%69/", 1) }},
	{"anonymous", either, nil, func(r *request) { r.as = &account{} }},
	{"a token that is none", refused, needsToken, func(r *request) { r.as = &account{name: "x", token: "x.y.z"} }},
	{"a token that is no ASCII", refused, needsToken, func(r *request) { r.as = &account{name: "x", token: "é\xe9"} }},
	{"a long token", refused, needsToken, func(r *request) { r.as = &account{name: "x", token: strings.Repeat("a", 9000)} }},
}...)

func isAPI(r *request) bool      { return strings.HasPrefix(r.path, "/api/") }
func needsToken(r *request) bool { return r.as.token != "" }

func twice(r *request) {
	for _, p := range r.op.Parameters {
		if p.In == "query" && p.Name != "attr" {
			r.query = append(r.query, p.Name+"=1", p.Name+"=1")
			return
		}
	}
	r.query = append(r.query, "limit=1", "limit=1")
}

// headers are headers that describe a client or its connection.
func headers() (all []whole) {
	add := func(want want, name string, values ...string) {
		for _, v := range values {
			all = append(all, whole{kind: name + " " + shorten(v), want: want, apply: withHeader(name, v)})
		}
	}
	add(accepted, "User-Agent", "Магазин/1.0", "caf\xe9", "", strings.Repeat("a", 3000), "a\tb", "() { :; }; echo", "\"", "%00", "{{.Name}}", "👍", "\xff\xfe", "a\ud7ffb")
	add(accepted, "Accept-Language", "d\xe9", "ü", "*", "", "de;q=2", "xx-klingon;q=-1,,,;;", "zh-Hant-TW", strings.Repeat("de,", 1000))
	add(accepted, "Referer", "http://é.example/\xe9", "x", "")
	add(accepted, "Cookie", "a=\xe9", "session=é; b", ";;;", strings.Repeat("a=b; ", 300))
	add(accepted, "X-Request-Id", "é", "\xe9", strings.Repeat("x", 2000), "a b", "", "<script>")
	add(accepted, "Traceparent", "x", "00-00000000000000000000000000000000-0000000000000000-00", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "é",
		"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01", "\xe9")
	add(accepted, "Tracestate", "é=\xe9", strings.Repeat("a=b,", 600), "=,=")
	add(accepted, "Baggage", "user=\xe9", "a=%zz", "é")
	add(accepted, "X-Forwarded-For", "203.0.113.7:51234", "[2001:db8::1]:443", "\"203.0.113.9\"", "é", "\xe9", "unknown", ",,,", strings.Repeat("1.2.3.4, ", 500))
	add(accepted, "Forwarded", "for=\"[2001:db8::1]:443\"", "for=_hidden;by=é", "\xe9")
	add(accepted, "X-Forwarded-Proto", "gopher", "é")
	add(accepted, "X-Forwarded-Host", "evil.example", "é")
	add(accepted, "X-Real-Ip", "é", "1")
	add(accepted, "Priority", "u=\xe9")
	add(accepted, "Sec-Ch-Ua", "\"é\";v=\"1\"")
	add(accepted, "X-Made-Up", "é", "\xe9", "日本", strings.Repeat("x", 2000))
	add(accepted, "Via", "1.1 é")
	add(accepted, "From", "ü@example.com")
	add(accepted, "Origin", "null", "http://evil.example", "é", "\xe9")
	add(accepted, "Accept-Charset", "klingon")
	add(accepted, "Dapr-App-Id", "orders", "é")
	add(accepted, "Grpc-Metadata-X", "é")
	add(either, "Accept", "application/xml", "é", "", "*/*;q=0", "text/html")
	add(either, "Accept-Encoding", "br;q=1.5", "é", "gzip;q=0, *;q=0", "identity;q=0", "zstd", "gzip, br")
	add(either, "If-None-Match", "*", "é", "\xe9", `"1"`, `W/"1`, strings.Repeat(`"a",`, 500))
	add(either, "If-Modified-Since", "x", "Mon, 01 Jan 0000 00:00:00 GMT", "é")
	add(either, "Range", "bytes=0-0", "bytes=9-1", "bytes=-99999999999999999999", "é", "bytes="+strings.Repeat("0-1,", 500)+"0-1")
	add(either, "If-Range", "x", "\xe9")
	add(either, "Expect", "200-maybe")
	add(either, "Upgrade", "websocket", "h2c")
	add(either, "Transfer-Encoding", "identity")
	add(either, "Bad\xe9Name", "x")
	add(either, "Bad Name", "x")
	add(either, "X-Ctl", "a\x01b", "a\x7fb", "a\x00b")
	add(either, "Idempotency-Key", "key-\xe9", "k", "")
	add(either, "Last-Event-ID", "999999999", "\xe9")
	return all
}
