package topology

import (
	"go/constant"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sidecart/tools/daprgen/source"
)

var variableRow = regexp.MustCompile("(?m)^\\| `([A-Z][A-Z0-9_]+)` \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$")

// variable is a row of the table in docs/operations.md.
type variable struct{ reader, fallback string }

func documented(t *testing.T) map[string]variable {
	t.Helper()
	table := map[string]variable{}
	for _, row := range variableRow.FindAllStringSubmatch(source.Read(t, "docs/operations.md"), -1) {
		if _, twice := table[row[1]]; twice {
			t.Errorf("docs/operations.md has %s twice", row[1])
		}
		table[row[1]] = variable{row[2], row[3]}
	}
	return table
}

// reading is one place where the code reads a variable.
type reading struct{ at, reader, fallback string }

// readsAnyVariable are packages that read variables whose names their callers have, or are settings of services.
var readsAnyVariable = map[string]bool{
	"sidecart/kit/config": true, "sidecart/stack/internal/settings": true, "sidecart/stack/podinit": true,
}

// readings finds every variable that the code reads by a name the compiler knows: through config.Env or the os package.
func readings(t *testing.T) map[string][]reading {
	t.Helper()
	found := map[string][]reading{}
	for _, call := range source.Calls(t, func(name string) bool {
		return regexp.MustCompile(`^\(\*sidecart/kit/config\.Env\)\.(String|OneOf|Int|Bool|Duration)$|^os\.(Getenv|LookupEnv)$|^\(sidecart/stack/internal/settings\.Settings\)\.(Get|Lookup)$`).MatchString(name)
	}) {
		name := call.Text(0)
		if !regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`).MatchString(name) {
			if !readsAnyVariable[call.Package.PkgPath] {
				t.Errorf("%s: it cannot be seen which variable is read here", call.At())
			}
			continue
		}
		r := reading{at: call.At(), reader: "every service"}
		switch {
		case source.Service(call.Package) != "":
			r.reader = source.Service(call.Package)
		case call.Package.PkgPath == "sidecart/stack/podinit":
			r.reader = "" // it checks settings of services, too
		case strings.HasPrefix(call.Package.PkgPath, "sidecart/stack"):
			r.reader = "stack"
		case strings.HasPrefix(call.Package.PkgPath, "sidecart/kit/kittest"):
			r.reader = "tests"
		}
		if v := call.Constant(1); v != nil {
			r.fallback = fallbackText(call.Name, v)
		}
		found[name] = append(found[name], r)
	}
	return found
}

func fallbackText(method string, v constant.Value) string {
	if v.Kind() == constant.String {
		return constant.StringVal(v)
	}
	if v.Kind() == constant.Bool {
		return v.String()
	}
	if n, exact := constant.Int64Val(v); exact && method == "Duration" {
		text := time.Duration(n).String() // 15m0s, 24h0m0s
		for _, unit := range []string{"m0s", "h0m"} {
			if short, ok := strings.CutSuffix(text, unit); ok {
				text = short + unit[:1]
			}
		}
		return text
	}
	return v.ExactString()
}

// TestEnvironment: each variable that is read is in the table of docs/operations.md with its reader and default,
// and the table has no others.
func TestEnvironment(t *testing.T) {
	table, read := documented(t), readings(t)
	for _, name := range slices.Sorted(maps.Keys(read)) {
		row, ok := table[name]
		if !ok {
			t.Errorf("%s is read (%s) and not in docs/operations.md", name, read[name][0].at)
			continue
		}
		for _, r := range read[name] {
			if !strings.Contains(row.reader, r.reader) && !strings.Contains(row.reader, "every service") {
				t.Errorf("%s is read by %s (%s); docs/operations.md has %s", name, r.reader, r.at, row.reader)
			}
			if r.fallback != "" && !strings.Contains(row.fallback, "`"+r.fallback+"`") {
				t.Errorf("%s has the default %s (%s); docs/operations.md has %s", name, r.fallback, r.at, row.fallback)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if len(read[name]) == 0 && !strings.Contains(table[name].reader, "sidecar") {
			t.Errorf("docs/operations.md has %s, which nothing reads", name)
		}
	}
}

// TestEnvironmentOfTemplates: what dapr.yaml and compose set is in the table as well.
func TestEnvironmentOfTemplates(t *testing.T) {
	table := documented(t)
	p := compose(t, "docker-compose.yml")
	for _, a := range apps(t) {
		given := slices.Collect(maps.Keys(a.Env))
		given = slices.AppendSeq(given, maps.Keys(service(t, p, a.ID).Environment))
		for _, name := range given {
			if _, ok := table[name]; !ok {
				t.Errorf("%s is given %s, which is not in docs/operations.md", a.ID, name)
			}
		}
	}
}
