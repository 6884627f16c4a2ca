package fuzz_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decode reads JSON with numbers as they are written.
func decode(text string) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	return value, d.Decode(&value)
}

// stored compares what an accepted request sent with its response, and with what a later GET says.
func (f *fuzzer) stored(w *worker, r *request, res response) []problem {
	shown, ok := shows[r.op.ID]
	if !ok || res.StatusCode >= 300 || r.method != r.op.method {
		return nil
	}
	if refusedRow(r, res) || r.hasBody && r.body == "" {
		return nil
	}
	sent, err := sentFields(r)
	if err != nil {
		return []problem{{"accepted what is no JSON", err.Error()}}
	}
	body, err := decode(res.body)
	if err != nil && res.body != "" {
		return []problem{{"a response that is no JSON", fmt.Sprintf("%.200s", res.body)}}
	}
	if r.op.ID == "importProducts" {
		return f.imported(w, r, sent, body)
	}
	all := f.differences(r, sent, body, "the response")
	if path := shown.read(r, body); path != "" {
		all = append(all, f.readBack(w, r, sent, body, path)...)
	}
	return all
}

// readBack compares with a later GET. Public reads may be a second old.
func (f *fuzzer) readBack(w *worker, r *request, sent map[string]any, body any, path string) (all []problem) {
	read := &request{op: r.op, as: w.admin, method: http.MethodGet, path: path}
	if strings.HasPrefix(path, "/api/v1/users/me") || shows[r.op.ID].own {
		read.as = r.as
	}
	path, query, ok := strings.Cut(path, "?")
	if ok {
		read.path, read.query = path, []string{query}
	}
	for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(300 * time.Millisecond) {
		res, err := send(f.host, read)
		if err != nil || res.StatusCode != http.StatusOK {
			return []problem{{"cannot be read", fmt.Sprintf("GET %s: %d %.200s %v", path, status(res), res.body, err)}}
		}
		value, err := decode(res.body)
		if err != nil {
			return []problem{{"a response that is no JSON", err.Error()}}
		}
		if find := shows[r.op.ID].find; find != nil {
			value = find(r, value, body)
		}
		if all = f.differences(r, sent, value, "GET "+path); len(all) == 0 || time.Now().After(deadline) {
			return all
		}
	}
}

func status(res response) int {
	if res.Response == nil {
		return 0
	}
	return res.StatusCode
}

// textColumns are the columns of a CSV file whose cells are no JSON.
var textColumns = []string{"sku", "name", "description", "slug", "currency", "brand", "language"}

// formulas are cells from which an import of CSV takes an apostrophe off, which keeps a spreadsheet from running them.
var formulas = regexp.MustCompile(`^'('*[=+@\t\r\n＝＋－＠-])`)

// sentFields are the fields of a request's body by name.
func sentFields(r *request) (map[string]any, error) {
	if r.media == jsonType || r.media == linesType {
		value, err := decode(strings.TrimPrefix(r.body, "\ufeff")) // a file may begin with it
		object, _ := value.(map[string]any)
		return object, err
	}
	sent := map[string]any{}
	for _, cell := range r.cells {
		value, err := decode(cell.value)
		if _, text := value.(string); r.media != csvType || text || err != nil || slices.Contains(textColumns, cell.name) {
			value = cell.value
		}
		if text, ok := value.(string); ok && r.media == csvType {
			value = formulas.ReplaceAllString(text, "$1")
		}
		if r.media != csvType || cell.value != "" {
			sent[cell.name] = value
		}
	}
	return sent, nil
}

// differences compares fields that were sent with an object.
func (f *fuzzer) differences(r *request, sent map[string]any, got any, where string) (all []problem) {
	shown := shows[r.op.ID]
	for name, value := range sent {
		place, moved := shown.places[name]
		switch {
		case moved && place == "":
			continue // never shown
		case !moved:
			place = name
		}
		found, ok := lookup(got, place)
		if !ok {
			if where != "the response" && value != nil && !normal(name, value, nil) {
				all = append(all, problem{"lost: " + name, fmt.Sprintf("%s has no %s; sent %.100q", where, place, fmt.Sprint(value))})
			}
			continue
		}
		if why := differs(name, value, found); why != "" {
			all = append(all, problem{"changed: " + why, where + ": " + why + " " + excerpt(value, found)})
		}
	}
	return all
}

// excerpt shows two values from shortly before they differ.
func excerpt(sent, got any) string {
	a, b := fmt.Sprint(sent), fmt.Sprint(got)
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	at = max(0, at-20)
	return fmt.Sprintf("is %.60q, sent %.60q", b[min(at, len(b)):], a[at:])
}

// lookup finds a place like "items[0].quantity" or "refunds[-1].reason".
func lookup(value any, place string) (any, bool) {
	for _, part := range strings.Split(place, ".") {
		name, index, list := strings.Cut(strings.TrimSuffix(part, "]"), "[")
		object, _ := value.(map[string]any)
		member, ok := object[name]
		if !ok {
			return nil, false
		}
		value = member
		if list {
			n, _ := strconv.Atoi(index)
			items, _ := value.([]any)
			if n < 0 {
				n += len(items)
			}
			if n < 0 || n >= len(items) {
				return nil, false
			}
			value = items[n]
		}
	}
	return value, true
}

// differs says where a value differs from the one sent, but for the documented normalisations. Numbers are compared by
// value, and null leaves a field as it is.
func differs(name string, sent, got any) string {
	if normal(name, sent, got) {
		return ""
	}
	switch s := sent.(type) {
	case nil:
		if name == "parent_id" && got != nil {
			return name
		}
		return ""
	case map[string]any:
		object, _ := got.(map[string]any)
		for member, value := range s {
			found, ok := object[member]
			if !ok {
				return name + "." + shorten(member) + " (lost)"
			}
			if why := differs(name+"."+member, value, found); why != "" {
				return why
			}
		}
		return ""
	case []any:
		items, _ := got.([]any)
		if len(items) != len(s) {
			return name + " (its length)"
		}
		for i := range s {
			if why := differs(fmt.Sprintf("%s[%d]", name, i), s[i], items[i]); why != "" {
				return why
			}
		}
		return ""
	case json.Number:
		if n, ok := got.(json.Number); ok && sameNumber(string(s), string(n)) {
			return ""
		}
		return name
	}
	if sent != got {
		return name
	}
	return ""
}

// isZero reports whether a number has no digit but 0 before its exponent.
func isZero(number string) bool {
	mantissa, _, _ := strings.Cut(strings.ToLower(number), "e")
	return strings.Trim(mantissa, "-0.") == ""
}

// sameNumber compares numbers by value. Those with huge exponents are compared as they are written.
func sameNumber(a, b string) bool {
	if a == b || isZero(a) && isZero(b) {
		return true
	}
	if slices.ContainsFunc([]string{a, b}, func(s string) bool {
		_, exponent, _ := strings.Cut(strings.ToLower(s), "e")
		return len(strings.TrimLeft(exponent, "+-0")) > 4
	}) {
		return false
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}
