package invariants_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"sidecart/tools/daprgen/source"
)

var crashPoint = regexp.MustCompile(`crash\.At\("([^"]+)"\)`)

// pointsInCode are all crash points of the code.
func pointsInCode(t *testing.T) (points []string) {
	t.Helper()
	for _, file := range source.Files(t) {
		if !strings.HasSuffix(file, ".go") || strings.HasPrefix(file, "tests/") {
			continue
		}
		for _, match := range crashPoint.FindAllStringSubmatch(source.Read(t, file), -1) {
			points = append(points, match[1])
		}
	}
	slices.Sort(points)
	points = slices.Compact(points)
	if len(points) < 20 {
		t.Fatalf("only %q were found", points)
	}
	return points
}
