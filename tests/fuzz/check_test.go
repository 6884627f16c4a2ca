package fuzz_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"sidecart/kit/fault"
	"sidecart/kit/kittest/contract"
)

// problem is something wrong with a response. Problems of one kind are shown once for each part of an operation.
type problem struct{ kind, detail string }

// check lists what is wrong with a response, whatever was sent.
func (f *fuzzer) check(r *request, res response, err error) (all []problem) {
	if err != nil {
		return []problem{{"no whole response", err.Error()}}
	}
	wrong := func(kind, format string, args ...any) {
		all = append(all, problem{kind, fmt.Sprintf(format, args...)})
	}
	status := res.StatusCode
	if status >= 500 {
		wrong(fmt.Sprint(status), "%.300s", res.body)
		return all
	}
	if status >= 400 && r.method != http.MethodHead {
		all = append(all, checkProblem(res)...)
	}
	if allow := res.Header.Get("Allow"); status == http.StatusMethodNotAllowed && strings.Contains(allow, r.method) {
		wrong("405 of a method in Allow", "Allow: %s", allow)
	}
	if strings.Contains(res.Header.Get("Content-Type"), "json") && !utf8.ValidString(res.body) {
		wrong("a response that is no UTF-8", "%.300q", res.body)
	}
	if unexpected := f.expected(r, res); len(unexpected) > 0 {
		return append(all, unexpected...) // of which the document would say the same
	}
	if request := r.parsed(f.host); request != nil && !r.undocumented && r.method != http.MethodHead && r.method != http.MethodOptions {
		err := f.contract.Check(contract.Exchange{Request: request, RequestBody: []byte(r.body), Response: res.Response, ResponseBody: []byte(res.body)})
		if err != nil && (!errors.Is(err, contract.ErrUndocumented) || status < 400) && !isInternationalAddress(err) {
			wrong("differs from the document", "%.400s", err)
		}
	}
	return all
}

// isInternationalAddress reports whether a request differs from the document only by an address of RFC 6531, which is
// accepted: the format email has ASCII only.
func isInternationalAddress(err error) bool {
	text := err.Error()
	return strings.Contains(text, "is not valid email: ") && strings.Contains(text, "invalid character")
}

func checkProblem(res response) (all []problem) {
	if media := res.Header.Get("Content-Type"); media != fault.ContentType {
		return []problem{{"no problem+json", fmt.Sprintf("%d with %q: %.200q", res.StatusCode, media, res.body)}}
	}
	var p fault.Problem
	err := json.Unmarshal([]byte(res.body), &p)
	switch {
	case err != nil || p.Status != res.StatusCode || p.Code == "":
		return []problem{{"a broken problem+json", fmt.Sprintf("%d: %.200s", res.StatusCode, res.body)}}
	case res.StatusCode == http.StatusUnprocessableEntity && len(p.Errors) == 0:
		return []problem{{"422 without a field", fmt.Sprintf("%.200s", res.body)}}
	}
	return nil
}

// expected compares a response with what the hostile values require.
func (f *fuzzer) expected(r *request, res response) (all []problem) {
	status, ok := res.StatusCode, res.StatusCode < 400 && !refusedRow(r, res)
	for _, c := range r.changes {
		switch {
		case c.value.want == refused && ok:
			all = append(all, problem{"accepted: " + c.value.kind, fmt.Sprintf("%d %.200s", status, res.body)})
		case c.value.want == accepted && len(r.changes) == 1 && !f.asUsual(r.op, status):
			all = append(all, problem{"refused: " + c.value.kind, fmt.Sprintf("%d %.200s", status, res.body)})
		}
	}
	if len(r.changes) != 1 || status != http.StatusUnprocessableEntity || r.changes[0].target.in == "request" || r.changes[0].target.in == "path" {
		return all
	}
	var p fault.Problem
	if json.Unmarshal([]byte(res.body), &p) == nil && len(p.Errors) > 0 && !names(p, r.changes[0].target.name) {
		all = append(all, problem{"422 names another field", fmt.Sprintf("%.200v", p.Errors)})
	}
	return all
}

// asUsual reports whether the status is that of a valid request.
func (f *fuzzer) asUsual(o *operation, status int) bool {
	usual := f.usual[o.ID]
	return status == usual || usual < 400 && status < 400
}

// related are fields whose validity depends on another one, which is then named.
var related = map[string]string{
	"currency": "price", "price": "currency", "new_password": "token", "from": "to", "to": "from", "min_price": "max_price",
	"max_price": "min_price", "sort": "cursor", "q": "sort",
}

// names reports whether the errors name a field, a member of it, or what it belongs to.
func names(p fault.Problem, field string) bool {
	if other := related[field]; other != "" && p.Errors[other] != "" {
		return true
	}
	first := strings.FieldsFunc(field, func(ch rune) bool { return ch == '.' || ch == '[' })[0]
	for name := range p.Errors {
		if strings.HasPrefix(name, first) || strings.HasPrefix(first, name) {
			return true
		}
	}
	return false
}

// refusedRow reports whether the report of an import has errors: its status is 200 all the same.
func refusedRow(r *request, res response) bool {
	body, _ := decode(res.body)
	failed := member(body, "failed")
	return r.op.ID == "importProducts" && failed != nil && failed != json.Number("0")
}
