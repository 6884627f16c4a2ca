package fuzz_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
)

// normalisation is a documented difference between what was sent and what is shown, with its reason.
type normalisation struct {
	fields []string // last parts of names
	why    string
	same   func(sent, got any) bool
}

// normalisations are all differences that the platform may make.
var normalisations = []normalisation{
	{[]string{"currency", "slug", "language", "role"}, "an empty text is the default", func(sent, _ any) bool { return sent == "" }},
	{[]string{"tracking_number"}, "an empty text is not shown", func(sent, got any) bool { return sent == "" && got == nil }},
	{[]string{"reason"}, "an empty reason is the default one", func(sent, _ any) bool { return sent == "" }},
	{[]string{"items"}, "lines of one product are one line of an order", sameItems},
}

// sameItems compares how many of each product were ordered.
func sameItems(sent, got any) bool {
	count := func(value any) map[string]int64 {
		quantities := map[string]int64{}
		list, _ := value.([]any)
		for _, item := range list {
			id, _ := new(big.Rat).SetString(fmt.Sprint(member(item, "product_id")))
			n, _ := new(big.Rat).SetString(fmt.Sprint(member(item, "quantity")))
			if id != nil && n != nil && n.IsInt() {
				quantities[id.RatString()] += n.Num().Int64()
			}
		}
		return quantities
	}
	return maps.Equal(count(sent), count(got))
}

func normal(name string, sent, got any) bool {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = name[i+1:]
	}
	for _, n := range normalisations {
		for _, field := range n.fields {
			if field == name && n.same(sent, got) {
				return true
			}
		}
	}
	return false
}

// imported compares the row of an import with the product.
func (f *fuzzer) imported(w *worker, r *request, sent map[string]any, body any) (all []problem) {
	count := func(name string) int64 { n, _ := member(body, name).(json.Number); i, _ := n.Int64(); return i }
	if count("rows") != count("created")+count("updated")+count("unchanged")+count("failed") {
		all = append(all, problem{"rows that are not counted", ""})
	}
	for _, item := range items(body, "errors") {
		if member(item, "code") == "invalid" && len(members(item, "errors")) == 0 {
			all = append(all, problem{"a row error without a field", fmt.Sprint(item)})
		}
	}
	if count("created") != 1 || count("rows") != 1 {
		for _, c := range r.changes {
			if c.value.want == accepted {
				all = append(all, problem{"refused: " + c.value.kind, ""})
			}
		}
		return all
	}
	if r.touches("category_id") {
		return all // which is how it is found
	}
	path := fmt.Sprintf("/api/v1/products?category_id=%d&sort=newest&limit=1", w.category)
	return append(all, f.readBack(w, r, sent, body, path)...)
}
