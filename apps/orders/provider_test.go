package main

import (
	"slices"
	"testing"
)

func TestSplitKeys(t *testing.T) {
	for text, want := range map[string][]string{
		"whsec_a": {"whsec_a"}, "whsec_a,whsec_b": {"whsec_a", "whsec_b"}, " whsec_a , whsec_b\n": {"whsec_a", "whsec_b"},
		"": nil, "whsec_a,": nil, ",whsec_a": nil, "whsec_a,,whsec_b": nil, " \n": nil,
	} {
		keys, err := splitKeys(text)
		if !slices.Equal(keys, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %q, %v", text, keys, err)
		}
	}
}
