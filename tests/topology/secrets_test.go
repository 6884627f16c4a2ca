package topology

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"sidecart/tools/daprgen/access"
	"sidecart/tools/daprgen/source"
)

var secretReference = regexp.MustCompile(`(?s)secretKeyRef:\s+name: (\S+)\s+key: (\S+)`)

// secretsRead are the names that the code and the components read from secret stores.
func secretsRead(t *testing.T) (names []string) {
	t.Helper()
	for _, call := range source.Calls(t, access.ReadsSecret) {
		name := call.Text(1)
		if call.Package.PkgPath == access.ServicePath {
			continue // OpenDatabase, whose callers name it
		}
		if name == "" {
			t.Errorf("%s: it cannot be seen which secret is read here", call.At())
		}
		names = append(names, name)
	}
	for _, file := range source.Files(t) {
		if !strings.HasPrefix(file, "components/") || !isYAML(file) {
			continue
		}
		for _, found := range secretReference.FindAllStringSubmatch(source.Read(t, file), -1) {
			names = append(names, found[1])
			if found[1] != found[2] {
				t.Errorf("%s: secret %s has the key %s; here they are the same word", file, found[1], found[2])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestSecrets: the stack and podinit create all secrets that services read.
func TestSecrets(t *testing.T) {
	names := secretsRead(t)
	if len(names) < 5 {
		t.Fatalf("only the secrets %v were found", names)
	}
	made := source.Read(t, "stack/internal/secret/secret.go")
	for _, name := range names {
		if !strings.Contains(made, `"`+name) && !strings.HasSuffix(name, "-database-url") { // one for each app that needs it
			t.Errorf("stack/internal/secret does not create the secret %s", name)
		}
	}
}
