package topology

import (
	"go/ast"
	"go/constant"
	"maps"
	"slices"
	"strings"
	"testing"

	"sidecart/tests/source"
)

// publicRoutes are the lines of the gateway's table, as "orders GET /orders (signed in)" in the words of the service.
func publicRoutes(t *testing.T) (lines []string) {
	t.Helper()
	for _, p := range source.Packages(t) {
		if p.PkgPath != "sidecart/apps/gateway/internal/route" {
			continue
		}
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				literal, ok := n.(*ast.CompositeLit)
				if !ok || p.TypesInfo.TypeOf(literal).String() != p.PkgPath+".Route" {
					return true
				}
				said := map[string]string{}
				for _, element := range literal.Elts {
					pair, ok := element.(*ast.KeyValueExpr)
					if !ok {
						continue
					}
					if v := p.TypesInfo.Types[pair.Value].Value; v != nil && v.Kind() == constant.String {
						said[pair.Key.(*ast.Ident).Name] = constant.StringVal(v)
					}
				}
				lines = append(lines, said["By"]+" "+ofService(said["Do"])+" ("+said["Need"]+")")
				return true
			})
		}
	}
	return lines
}

// ofService is a public operation as the service has it; one that the gateway answers itself has its public path.
func ofService(do string) string {
	return strings.NewReplacer(" /api/v1/", " /", " /api/v2/", " /v2/").Replace(do)
}

// TestGatewayTable: the gateway's table has exactly the services' public routes, with the same permissions.
func TestGatewayTable(t *testing.T) {
	table, own := map[string]bool{}, map[string]bool{}
	for _, line := range publicRoutes(t) {
		table[line] = true
	}
	for service, all := range routes(t) {
		for _, r := range all {
			own[service+" "+ofService(r.do)+" ("+r.need+")"] = true
		}
	}
	if len(table) < 10 {
		t.Fatalf("only %d lines of the gateway's table were found", len(table))
	}
	for _, line := range slices.Sorted(maps.Keys(table)) {
		if !own[line] {
			t.Errorf("the gateway leads to %s, and the service has no such route", line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(own)) {
		if !table[line] {
			t.Errorf("%s is not in the gateway's table; mark it web.Internal or let it be reached", line)
		}
	}
}
