package main

import (
	"bytes"
	"encoding/csv"
	"image/jpeg"
	"reflect"
	"strings"
	"testing"
)

// TestTheSameEachTime: what is made is enough, differs, and does not depend on when.
func TestTheSameEachTime(t *testing.T) {
	text, again := file(), file()
	if text != again {
		t.Error("two files differ")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) < 1001 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	shelves, skus := map[string]bool{}, map[string]bool{}
	for _, row := range rows[1:] {
		shelves[row[4]], skus[row[0]] = true, true
	}
	if len(shelves)+len(branches) < 30 || len(skus) != len(rows)-1 {
		t.Errorf("%d shelves, %d SKUs", len(shelves), len(skus))
	}
	many := 0
	for _, yes := range plentiful() {
		if yes {
			many++
		}
	}
	if many < len(skus)/2 {
		t.Errorf("of %d products there is enough", many)
	}
	one, other := draw("SEED-0001"), draw("SEED-0002")
	if !bytes.Equal(one, draw("SEED-0001")) || bytes.Equal(one, other) {
		t.Error("pictures do not belong to their names")
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(one)); err != nil || c.Width != 480 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestFates: months of orders of every kind, one after the other, each with steps that are over.
func TestFates(t *testing.T) {
	all := fates(howMany)
	if !reflect.DeepEqual(all, fates(howMany)) {
		t.Error("they are not the same each time")
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
	for status, least := range map[string]int{"paid": 1, "shipped": 1, "delivered": 120, "cancelled": 5, "refunded": 5, "partially_refunded": 5} {
		if ends[status] < least {
			t.Errorf("%d orders are %s, want at least %d: %v", ends[status], status, least, ends)
		}
	}
}

func TestSlugsAreOfOneShelf(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range branches {
		names := []string{b.name}
		for _, s := range b.shelves {
			names = append(names, s.name)
		}
		for _, name := range names {
			if slugOf(name) == "" || seen[slugOf(name)] {
				t.Errorf("%s is there twice", name)
			}
			seen[slugOf(name)] = true
		}
	}
}
