package access

import (
	"go/ast"
	"go/constant"
	"strings"

	"sidecart/tools/daprgen/source"
)

// PublicRoutes are the lines of the gateway's table, as "orders GET /orders (signed in)" in the words of the service.
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
				lines = append(lines, said["By"]+" "+OfService(said["Do"])+" ("+said["Need"]+")")
				return true
			})
		}
	}
	return lines
}

// OfService is a public operation as the service has it; one that the gateway answers itself has its public path.
func OfService(do string) string {
	return strings.NewReplacer(" /api/v1/", " /", " /api/v2/", " /v2/").Replace(do)
}
