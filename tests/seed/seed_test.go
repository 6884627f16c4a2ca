package main

import (
	"bytes"
	"encoding/csv"
	"image/jpeg"
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
	one, other := draw("SEED-0001"), draw("SEED-0002")
	if !bytes.Equal(one, draw("SEED-0001")) || bytes.Equal(one, other) {
		t.Error("pictures do not belong to their names")
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(one)); err != nil || c.Width != 480 {
		t.Errorf("%+v, %v", c, err)
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
