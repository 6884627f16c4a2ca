package main

import (
	"slices"
	"testing"
)

func TestFuzzTargetsAreFound(t *testing.T) {
	c, err := parse([]string{"fuzz"})
	if err != nil {
		t.Fatal(err)
	}
	targets, err := checker{command: c, ctx: t.Context()}.fuzzTargets()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []fuzzTarget{{"kit/web", "FuzzDecode"}, {"apps/gateway/internal/edge", "FuzzHostname"}} {
		if !slices.Contains(targets, want) {
			t.Errorf("%s is not among %v", want, targets)
		}
	}
	slices.SortFunc(targets, func(a, b fuzzTarget) int { return slices.Compare([]string{a.String()}, []string{b.String()}) })
	if len(slices.Compact(targets)) != len(targets) {
		t.Errorf("a target is found twice: %v", targets)
	}
}
