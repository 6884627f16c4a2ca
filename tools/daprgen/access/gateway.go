package access

import (
	"go/ast"
	"go/constant"
	"strings"

	"sidecart/tools/daprgen/source"
)

// PublicRoutes are the gateway's routes, with the paths of the services: "orders GET /orders (signed in)".
func PublicRoutes(t source.T) (lines []string) {
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
				fields := map[string]string{}
				for _, element := range literal.Elts {
					pair, ok := element.(*ast.KeyValueExpr)
					if !ok {
						continue
					}
					if v := p.TypesInfo.Types[pair.Value].Value; v != nil && v.Kind() == constant.String {
						fields[pair.Key.(*ast.Ident).Name] = constant.StringVal(v)
					}
				}
				lines = append(lines, fields["Service"]+" "+OfService(fields["Do"])+" ("+fields["Need"]+")")
				return true
			})
		}
	}
	return lines
}

// OfService is a public operation with the path of its service. One that the gateway serves itself has its public path.
func OfService(do string) string {
	return strings.NewReplacer(" /api/v1/", " /", " /api/v2/", " /v2/").Replace(do)
}
