package topology

import (
	"regexp"
	"strings"
	"testing"

	"sidecart/tools/daprgen/source"
)

var (
	testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]+)`")
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z][A-Za-z0-9]+)\(`)
)

// TestDocumentsNameExistingTests: each test that a document names as evidence exists.
func TestDocumentsNameExistingTests(t *testing.T) {
	there := map[string]bool{}
	for _, file := range source.Files(t) {
		if strings.HasSuffix(file, "_test.go") {
			for _, name := range testFunc.FindAllStringSubmatch(source.Read(t, file), -1) {
				there[name[1]] = true
			}
		}
	}
	found := 0
	for _, file := range source.Files(t) {
		if !strings.HasSuffix(file, ".md") {
			continue
		}
		for _, name := range testName.FindAllStringSubmatch(source.Read(t, file), -1) {
			found++
			if !there[name[1]] {
				t.Errorf("%s names %s, and there is no such test", file, name[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d names were found: this test no longer sees them", found)
	}
}
