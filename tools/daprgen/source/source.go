// Package source reads the repository: its files, and its Go code with types.
package source

import (
	"context"
	"go/ast"
	"go/constant"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/tools/go/packages"
)

// T receives errors: a test, or the generator. Fatalf does not return.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Root is the folder of the repository.
func Root(t T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("%v", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
	t.Fatalf("no go.work above the working folder")
	return ""
}

// Files are the paths of all files that git tracks or would track, from the root, with slashes, without deleted ones.
func Files(t T) []string {
	t.Helper()
	root := Root(t)
	args := []string{"ls-files", "-z", "--cached", "--others", "--exclude-standard"}
	cmd := exec.CommandContext(context.Background(), "git", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	var files []string
	for path := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		if _, err := os.Stat(filepath.Join(root, path)); err == nil {
			files = append(files, path)
		}
	}
	return files
}

// Read is the text of a file, by its path from the root.
func Read(t T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(t), filepath.FromSlash(path)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(text)
}

var load = sync.OnceValues(func() ([]*packages.Package, error) {
	root, err := exec.CommandContext(context.Background(), "go", "env", "GOWORK").Output()
	if err != nil {
		return nil, err
	}
	return packages.Load(&packages.Config{
		Dir: filepath.Dir(strings.TrimSpace(string(root))),
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes |
			packages.NeedTypesInfo | packages.NeedImports | packages.NeedModule,
	}, "sidecart/kit/...", "sidecart/apps/...", "sidecart/stack/...")
})

// Packages are the packages of kit, the services and the stack, with syntax and types, without tests. A package that
// does not compile is fatal.
func Packages(t T) []*packages.Package {
	t.Helper()
	all, err := load()
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, p := range all {
		for _, e := range p.Errors {
			t.Fatalf("%s does not compile: %v", p.PkgPath, e)
		}
	}
	if len(all) == 0 {
		t.Fatalf("no packages were found")
	}
	return all
}

// Service is the app of a package, or empty: that of sidecart/apps/orders/internal/order is orders.
func Service(p *packages.Package) string {
	rest, ok := strings.CutPrefix(p.PkgPath, "sidecart/apps/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// Call is one call of a function or method in the code.
type Call struct {
	Package *packages.Package
	Expr    *ast.CallExpr
	Name    string      // of the function
	Func    *types.Func // nil for a conversion or a function value
}

// Calls finds the calls of functions and methods that want accepts, by their full names, for example
// "sidecart/kit/event.On" or "(*sidecart/kit/config.Env).Int".
func Calls(t T, want func(fullName string) bool) []Call {
	t.Helper()
	var calls []Call
	for _, p := range Packages(t) {
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				name := nameOf(call.Fun)
				if name == nil {
					return true
				}
				if f, ok := p.TypesInfo.Uses[name].(*types.Func); ok && want(f.Origin().FullName()) {
					calls = append(calls, Call{Package: p, Expr: call, Name: f.Name(), Func: f})
				}
				return true
			})
		}
	}
	return calls
}

func nameOf(fun ast.Expr) *ast.Ident {
	switch f := fun.(type) {
	case *ast.Ident:
		return f
	case *ast.SelectorExpr:
		return f.Sel
	case *ast.IndexExpr:
		return nameOf(f.X)
	case *ast.IndexListExpr:
		return nameOf(f.X)
	}
	return nil
}

// Constant is the value of argument i of a call if it is a constant, else nil.
func (c Call) Constant(i int) constant.Value {
	if i >= len(c.Expr.Args) {
		return nil
	}
	return c.Package.TypesInfo.Types[c.Expr.Args[i]].Value
}

// Text is argument i if it is a constant string, else empty.
func (c Call) Text(i int) string {
	if v := c.Constant(i); v != nil && v.Kind() == constant.String {
		return constant.StringVal(v)
	}
	return ""
}

// TypeArgument is the type argument of a call of a generic function, with its package, or empty.
func (c Call) TypeArgument() string {
	name := nameOf(c.Expr.Fun)
	args := c.Package.TypesInfo.Instances[name].TypeArgs
	if args.Len() == 0 {
		return ""
	}
	return args.At(0).String()
}

// At is the position of a call.
func (c Call) At() string { return c.Package.Fset.Position(c.Expr.Pos()).String() }
