package main

import (
	"bytes"
	"encoding/csv"
	"image/jpeg"
	"reflect"
	"strings"
	"testing"
)

// TestDataIsReproducible: it is enough, varied, and the same in each run.
func TestDataIsReproducible(t *testing.T) {
	text, again := file(), file()
	if text != again {
		t.Error("two files differ")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) < 1001 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	categories, skus := map[string]bool{}, map[string]bool{}
	for _, row := range rows[1:] {
		categories[row[4]], skus[row[0]] = true, true
	}
	if len(categories)+len(departments) < 30 || len(skus) != len(rows)-1 {
		t.Errorf("%d categories, %d SKUs", len(categories), len(skus))
	}
	many := 0
	for _, yes := range plentiful() {
		if yes {
			many++
		}
	}
	if many < len(skus)/2 {
		t.Errorf("%d products have enough stock", many)
	}
	one, other := draw("SEED-0001"), draw("SEED-0002")
	if !bytes.Equal(one, draw("SEED-0001")) || bytes.Equal(one, other) {
		t.Error("pictures do not depend on their names alone")
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(one)); err != nil || c.Width != 480 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestPlans: months of orders of every kind, in order, with steps in the past.
func TestPlans(t *testing.T) {
	all := plans(orderCount)
	if !reflect.DeepEqual(all, plans(orderCount)) {
		t.Error("they differ between runs")
	}
	ends, before := map[string]int{}, span+1
	for i, f := range all {
		if f.ago >= before || f.ago < 0 {
			t.Errorf("order %d was placed %s ago, the one before it %s", i, f.ago, before)
		}
		before = f.ago
		for n, s := range f.steps {
			if n > 0 && (s.after >= f.ago || s.after <= f.steps[n-1].after) {
				t.Errorf("order %d of %s ago is %s after %s", i, f.ago, s.status, s.after)
			}
		}
		ends[f.steps[len(f.steps)-1].status]++
	}
	for status, want := range map[string]int{
		"paid": 1, "shipped": 1, "delivered": 120, "cancelled": 5, "refunded": 5, "partially_refunded": 5,
	} {
		if ends[status] < want {
			t.Errorf("%d orders are %s, want at least %d: %v", ends[status], status, want, ends)
		}
	}
}

func TestSlugsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range departments {
		names := []string{b.name}
		for _, s := range b.categories {
			names = append(names, s.name)
		}
		for _, name := range names {
			if slug(name) == "" || seen[slug(name)] {
				t.Errorf("%s exists twice", name)
			}
			seen[slug(name)] = true
		}
	}
}
