package fuzz_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sidecart/tests/invariants"
	"sidecart/tests/platform"
)

// afterwards checks the platform that all requests have left: it is healthy, its lists can be read to their end, an
// export can be imported again without a change, and the invariants hold.
func (f *fuzzer) afterwards(t *testing.T) {
	t.Helper()
	w := f.workers[0]
	for _, o := range f.operations {
		if o.method != "GET" || !hasParameter(o, "cursor") {
			continue
		}
		for _, sort := range sorts(o) {
			f.pages(w, o, sort)
		}
	}
	f.roundTrip(w)
	health := &request{op: &operation{method: "GET", path: "/health/ready"}, method: "GET", path: "/health/ready", as: w.anonymous}
	res, err := send(f.host, health)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("the platform is not healthy: %d %s %v", status(res), res.body, err)
	}
	d, err := invariants.Open(t.Context(), running.Secret)
	must(t, err)
	defer d.Close() //nolint:errcheck // only read
	platform.Eventually(t, 2*time.Minute, func() error {
		results, err := d.Check(t.Context(), 0)
		if err != nil {
			return err
		}
		return invariants.Wrong(results)
	})
}

func hasParameter(o *operation, name string) bool {
	for _, p := range o.Parameters {
		if p.Name == name {
			return true
		}
	}
	return false
}

func sorts(o *operation) []string {
	if o.ID == "listProducts" {
		prices := []string{"sort=price", "sort=-price"}
		if hasParameter(o, "currency") {
			prices = []string{"sort=price&currency=USD", "sort=-price&currency=USD"}
		}
		return append(prices, "sort=name", "sort=newest", "q=a&sort=relevance", "facets=true")
	}
	return []string{""}
}

// pages reads a list to its end.
func (f *fuzzer) pages(w *worker, o *operation, query string) {
	r, err := f.make(w, 0, target{op: o, in: "request"}, nil)
	if err != nil {
		f.add(&request{op: o, as: w.admin}, problem{"cannot be prepared", err.Error()})
		return
	}
	r.as = w.admin
	cursor := ""
	for range 200 {
		r.query = []string{"limit=100"}
		if query != "" {
			r.query = append(r.query, query)
		}
		if cursor != "" {
			r.query = append(r.query, "cursor="+url.QueryEscape(cursor))
		}
		res, err := send(f.host, r)
		problems := f.check(r, res, err)
		if err == nil && res.StatusCode != http.StatusOK && len(problems) == 0 {
			problems = append(problems, problem{"cannot be read", fmt.Sprintf("%d %.300s", res.StatusCode, res.body)})
		}
		for _, p := range problems {
			p.kind = "list " + query + ": " + p.kind
			f.add(r, p)
		}
		if err != nil || len(problems) > 0 {
			return
		}
		body, _ := decode(res.body)
		next, ok := member(body, "next_cursor").(string)
		if !ok {
			return
		}
		cursor = next
	}
}

// roundTrip imports what was exported: nothing changes.
func (f *fuzzer) roundTrip(w *worker) {
	for format, media := range map[string]string{"csv": csvType, "jsonl": linesType} {
		before, versions, problems := f.exported(w, format)
		again := f.fixed(w, "importProducts", "", media, before)
		res, err := send(f.host, again)
		problems = append(problems, f.check(again, res, err)...)
		again.body = "" // it is long
		body, _ := decode(res.body)
		if unchanged := member(body, "unchanged"); unchanged == nil || unchanged != member(body, "rows") {
			_, now, _ := f.exported(w, format)
			problems = append(problems, problem{"a round trip as " + format + " changes products",
				fmt.Sprintf("%.500s\n  %s", res.body, changed(versions, now))})
		}
		for _, p := range problems {
			f.add(again, p)
		}
	}
}

// exported returns the file of all products, and its lines by SKU as JSON lines have them.
func (f *fuzzer) exported(w *worker, format string) (file string, bySKU map[string]string, problems []problem) {
	bySKU = map[string]string{}
	for _, as := range []string{"jsonl", format} {
		export := f.fixed(w, "exportProducts", "format="+as, "", "")
		res, err := send(f.host, export)
		problems = append(problems, f.check(export, res, err)...)
		file = res.body
		if as == "jsonl" {
			for line := range strings.Lines(file) {
				row, _ := decode(line)
				bySKU[fmt.Sprint(member(row, "sku"))] = line
			}
		}
	}
	return file, bySKU, problems
}

// changed shows the first lines that are not the same.
func changed(before, after map[string]string) string {
	var lines []string
	for _, sku := range slices.Sorted(maps.Keys(before)) {
		if before[sku] != after[sku] {
			lines = append(lines, fmt.Sprintf("%.300q became %.300q", before[sku], after[sku]))
		}
	}
	return strings.Join(lines[:min(3, len(lines))], "\n  ")
}

func (f *fuzzer) fixed(w *worker, id, query, media, body string) *request {
	for _, o := range f.operations {
		if o.ID == id {
			r := &request{op: o, as: w.admin, method: o.method, path: o.path, media: media, body: body, hasBody: media != ""}
			if query != "" {
				r.query = []string{query}
			}
			return r
		}
	}
	return nil
}
