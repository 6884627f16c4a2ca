package topology

import (
	"go/ast"
	"go/types"
	"strings"
	"testing"

	"sidecart/tools/daprgen/source"
)

// TestCreatingRoutesTakeKeys: every public POST that responds 201 can be repeated with an Idempotency-Key.
func TestCreatingRoutesTakeKeys(t *testing.T) {
	found := 0
	for _, call := range source.Calls(t, func(name string) bool { return name == "sidecart/kit/web.Handle" }) {
		if !strings.HasPrefix(call.Text(1), "POST ") || source.Service(call.Package) == "" || !creates(call) {
			continue
		}
		found++
		handler, ok := call.Package.TypesInfo.TypeOf(call.Expr.Args[3]).Underlying().(*types.Signature)
		if !ok || handler.Params().Len() != 3 {
			t.Fatalf("%s: what the handler takes cannot be seen", call.At())
		}
		if !hasKey(handler.Params().At(2).Type()) {
			t.Errorf("%s: %s creates, and its input embeds no idempotency.Key", call.At(), call.Text(1))
		}
	}
	if found < 4 {
		t.Errorf("only %d routes that create were found: this test no longer sees them", found)
	}
}

// creates reports whether a route is public and responds 201.
func creates(call source.Call) bool {
	created := false
	for _, option := range call.Expr.Args[4:] {
		switch o := option.(type) {
		case *ast.SelectorExpr:
			if o.Sel.Name == "Internal" {
				return false
			}
			created = created || o.Sel.Name == "Created"
		case *ast.CallExpr:
			if name, ok := o.Fun.(*ast.SelectorExpr); ok && name.Sel.Name == "Status" && len(o.Args) == 1 {
				status := call.Package.TypesInfo.Types[o.Args[0]].Value
				created = created || status != nil && status.ExactString() == "201"
			}
		}
	}
	return created
}

func hasKey(input types.Type) bool {
	fields, ok := input.Underlying().(*types.Struct)
	if !ok {
		return false
	}
	for i := range fields.NumFields() {
		f := fields.Field(i)
		if f.Embedded() && (f.Type().String() == "sidecart/kit/idempotency.Key" || hasKey(f.Type())) {
			return true
		}
	}
	return false
}
