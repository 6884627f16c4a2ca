// Package style checks conventions of this repository that no linter knows.
package style

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sidecart/tools/daprgen/source"
)

// goFile is a file of Go, parsed.
type goFile struct {
	path string
	text string
	fset *token.FileSet
	*ast.File
}

func (f goFile) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.path, f.fset.Position(n.Pos()).Line)
}

func (f goFile) test() bool { return strings.HasSuffix(f.path, "_test.go") }

func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	for _, file := range source.Files(t) {
		if !strings.HasSuffix(file, ".go") {
			continue
		}
		text, fset := source.Read(t, file), token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(parsed) {
			continue
		}
		files = append(files, goFile{file, text, fset, parsed})
	}
	if len(files) < 50 {
		t.Fatalf("only %d Go files were found", len(files))
	}
	return files
}

var statement = regexp.MustCompile(`(?is)\b(select\s.+\sfrom|insert\s+into|update\s+\w+\s+set|delete\s+from)\s`)

// storeFile is store.go, and store_refunds.go where one file would be too long.
var storeFile = regexp.MustCompile(`^store(_[a-z]+)?\.go$`)

// mayHaveSQL reports whether a file may have SQL.
func mayHaveSQL(file string) bool {
	return storeFile.MatchString(path.Base(file)) || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "kit/event/") ||
		strings.HasPrefix(file, "kit/postgres/") || strings.HasPrefix(file, "kit/kittest/") ||
		strings.HasPrefix(file, "stack/internal/database/") || strings.HasPrefix(file, "tests/")
}

func TestSQLIsInStores(t *testing.T) {
	found := 0
	for _, f := range goFiles(t) {
		ast.Inspect(f.File, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING || !statement.MatchString(literal.Value) {
				return true
			}
			found++
			if !mayHaveSQL(f.path) {
				t.Errorf("%s: SQL outside a store.go: %.60s", f.at(literal), literal.Value)
			}
			if literal.Value[0] != '`' && strings.HasPrefix(f.path, "apps/") {
				t.Errorf("%s: SQL is written in backquotes", f.at(literal))
			}
			return true
		})
	}
	if found < 10 {
		t.Errorf("only %d statements were found: this test no longer sees them", found)
	}
}

// processes are packages whose domain is a process with other packages.
var processes = map[string]string{
	"apps/orders/internal/fulfilment": "a durable workflow is its domain, and Dapr's engine runs it",
}

// TestDomainFilesAreAlone: <concept>/<concept>.go has types and rules, and imports no web framework, database or
// sidecar.
func TestDomainFilesAreAlone(t *testing.T) {
	found := 0
	for _, f := range goFiles(t) {
		concept := path.Base(path.Dir(f.path))
		if !strings.HasPrefix(f.path, "apps/") || path.Base(f.path) != concept+".go" || strings.HasPrefix(f.path, "apps/gateway/") ||
			processes[path.Dir(f.path)] != "" {
			continue
		}
		found++
		for _, i := range f.Imports {
			for _, forbidden := range []string{"gofiber/fiber", "jackc/pgx", "dapr/", "kit/sidecar", "kit/event", "kit/postgres"} {
				if strings.Contains(i.Path.Value, forbidden) {
					t.Errorf("%s imports %s", f.at(i), i.Path.Value)
				}
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d domain files were found", found)
	}
}

var (
	vaguePackage = regexp.MustCompile(`^(utils?|common|helpers?|misc|shared|base|types|models?|managers?|lib)$`)
	vagueType    = regexp.MustCompile(`(Util|Utils|Helper|Helpers|Manager|Impl|DTO|Repository|Model)$`)
)

func TestNames(t *testing.T) {
	for _, f := range goFiles(t) {
		if vaguePackage.MatchString(f.Name.Name) {
			t.Errorf("%s: package %s has a vague name", f.path, f.Name.Name)
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if typ, ok := n.(*ast.TypeSpec); ok && vagueType.MatchString(typ.Name.Name) {
				t.Errorf("%s: type %s has a vague name", f.at(typ), typ.Name.Name)
			}
			return true
		})
	}
}

func TestPackagesHaveComments(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range goFiles(t) {
		dir := path.Dir(f.path)
		words := len(strings.Fields(f.Doc.Text()))
		documented[dir] = documented[dir] || words > 5
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no package comment", dir)
		}
	}
}

// sleepers are tests that wait for a state that cannot be observed.
var sleepers = map[string]string{
	"stack/internal/proc/supervisor_test.go": "a shell does not say when it has set its trap",
}

// TestTestsDoNotSleep allows sleeping only in loops, which poll, and in fakes of a slow service.
func TestTestsDoNotSleep(t *testing.T) {
	for _, f := range goFiles(t) {
		if !f.test() && (!strings.HasPrefix(f.path, "tests/") || f.Name.Name == "main") { // tests/demo and tests/bench are programs
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ForStmt:
				return false
			case *ast.FuncLit:
				if isFake(n) {
					return false
				}
			}
			if call, ok := n.(*ast.CallExpr); ok && selector(call.Fun) == "time.Sleep" && sleepers[f.path] == "" {
				t.Errorf("%s: a test that sleeps is slow or wrong; poll with a deadline (kittest.Eventually)", f.at(call))
			}
			return true
		})
	}
}

func isFake(f *ast.FuncLit) bool {
	for _, p := range f.Type.Params.List {
		if star, ok := p.Type.(*ast.StarExpr); ok && selector(star.X) == "http.Request" {
			return true
		}
	}
	return false
}

func selector(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			return x.Name + "." + s.Sel.Name
		}
	}
	return ""
}

// secretWord is a key or a name that a log must not have. Words that only speak of such things are in mayBeLogged.
var (
	secretWord  = regexp.MustCompile(`(?i)passw|secret|card_?number|\bpan\b|\bcvc|\bcvv|bearer|authorization|api_?key|_token|token$`)
	mayBeLogged = []string{"traceparent"}
)

func TestLogsKeepSecrets(t *testing.T) {
	found := 0
	for _, f := range goFiles(t) {
		if f.test() || strings.HasPrefix(f.path, "tests/") {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !strings.HasPrefix(selector(call.Fun), "slog.") && !strings.HasPrefix(selector(call.Fun), "log.") {
				return true
			}
			found++
			for _, argument := range call.Args {
				ast.Inspect(argument, func(n ast.Node) bool {
					if word := logWord(n); secretWord.MatchString(word) && !slices.Contains(mayBeLogged, word) {
						t.Errorf("%s: %q in a log", f.at(call), word)
					}
					return true
				})
			}
			return true
		})
	}
	if found < 5 {
		t.Errorf("only %d log calls were found", found)
	}
}

func logWord(n ast.Node) string {
	switch n := n.(type) {
	case *ast.BasicLit:
		if n.Kind == token.STRING && !strings.Contains(n.Value, " ") { // a key, not a sentence
			text, _ := strconv.Unquote(n.Value)
			return text
		}
	case *ast.Ident:
		return n.Name
	}
	return ""
}

var (
	requirement  = regexp.MustCompile(`(?m)^(?:require )?\s*([\w.-]+\.[\w.-]+/\S+) v\S+$`)
	internalDeps = []string{"sidecart/kit", "sidecart/stack"}
)

// TestDependenciesHaveReasons: each direct dependency has a line in docs/decisions.md, and the lines are all of use.
func TestDependenciesHaveReasons(t *testing.T) {
	_, table, ok := strings.Cut(source.Read(t, "docs/decisions.md"), "\n## Dependencies\n")
	if !ok {
		t.Fatal("docs/decisions.md has no section Dependencies")
	}
	reasons := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]{10,} \\|").FindAllStringSubmatch(table, -1) {
		reasons[row[1]] = false
	}
	for _, file := range source.Files(t) {
		if path.Base(file) != "go.mod" || strings.HasPrefix(file, "tools/") && file != "tools/daprgen/go.mod" && file != "tools/deploygen/go.mod" {
			continue
		}
		for _, line := range requirement.FindAllStringSubmatch(source.Read(t, file), -1) {
			if slices.Contains(internalDeps, line[1]) {
				continue
			}
			if _, ok := reasons[line[1]]; !ok {
				t.Errorf("%s requires %s, and docs/decisions.md does not say why", file, line[1])
			}
			reasons[line[1]] = true
		}
	}
	for name, used := range reasons {
		if !used {
			t.Errorf("docs/decisions.md gives a reason for %s, which no go.mod requires", name)
		}
	}
}
