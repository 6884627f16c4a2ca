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

// TestSecrets: `make run` and the composition create all secrets that services read.
func TestSecrets(t *testing.T) {
	names := secretsRead(t)
	if len(names) < 5 {
		t.Fatalf("only the secrets %v were found", names)
	}
	for maker, databases := range map[string]*regexp.Regexp{
		"stack/internal/secret/secret.go": regexp.MustCompile(`Databases = \[\]string\{(.*)\}`),
		"docker-compose.yml":              regexp.MustCompile(`for name in (.*); do`),
	} {
		text := source.Read(t, maker)
		list := databases.FindStringSubmatch(text)
		if list == nil {
			t.Fatalf("%s: no list of databases", maker)
		}
		owners := strings.FieldsFunc(list[1], func(r rune) bool { return strings.ContainsRune(`", `, r) })
		for _, name := range names {
			owner, ofDatabase := strings.CutSuffix(name, "-database-url")
			if made := strings.Contains(text, `"`+name) || ofDatabase && slices.Contains(owners, owner); !made {
				t.Errorf("%s does not create the secret %s", maker, name)
			}
		}
	}
}
