package topology

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"sidecart/tests/source"
)

// request is what one app's code asks of another: "PUT /reservations/{}" of products by orders.
type request struct{ by, of, do string }

// requests are all that the services ask of one another: the gateway on behalf of the public and for itself, and whoever
// calls a function like sidecar.Ask.
func requests(t *testing.T) []request {
	t.Helper()
	found := slices.Concat(publicRequests(t), gatewaysOwn(t), asks(t))
	slices.SortFunc(found, func(a, b request) int {
		return strings.Compare(a.of+" "+a.by+" "+a.do, b.of+" "+b.by+" "+b.do)
	})
	return slices.Compact(found)
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// anyValue writes a route with {} for every parameter, whatever its name, and without a query.
func anyValue(do string) string {
	do, _, _ = strings.Cut(do, "?")
	segments := strings.Split(do, "/")
	for i, s := range segments {
		if parameter.MatchString(s) {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

// publicRequests are the gateway's table, without what it answers itself.
func publicRequests(t *testing.T) (found []request) {
	t.Helper()
	for _, line := range publicRoutes(t) {
		word := strings.Fields(line)
		if word[0] == "gateway" {
			continue
		}
		found = append(found, request{"gateway", word[0], anyValue(word[1] + " " + word[2])})
	}
	return found
}

// gatewaysOwn are what the gateway asks of each service for itself, by a path that stands in its code, and whether it lives:
// the cheapest call there is, by which the benchmark knows what a pair of sidecars costs.
func gatewaysOwn(t *testing.T) (found []request) {
	t.Helper()
	services := map[string]bool{}
	for _, r := range publicRequests(t) {
		services[r.of] = true
	}
	for service := range services {
		found = append(found, request{"gateway", service, "GET /health"})
	}
	for _, call := range source.Calls(t, func(name string) bool {
		return regexp.MustCompile(`^\(\*sidecart/apps/gateway/internal/forward\.Forwarder\)\.(Ask|Fetch)$`).MatchString(name)
	}) {
		if path := call.Text(2); path != "" {
			for service := range services {
				found = append(found, request{"gateway", service, anyValue("GET " + path)})
			}
		}
	}
	return found
}

// asks are the calls of sidecar.Ask, and of every function value like it, with the services that make them.
func asks(t *testing.T) (found []request) {
	t.Helper()
	for _, p := range source.Packages(t) {
		for _, file := range p.Syntax {
			for _, d := range file.Decls {
				function, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				ast.Inspect(function, func(n ast.Node) bool {
					call, ok := n.(*ast.CallExpr)
					if !ok || len(call.Args) != 5 || !likeAsk(p.TypesInfo.TypeOf(call.Fun)) {
						return true
					}
					of, do := spelled(p, call.Args[1]), spelled(p, call.Args[2])
					if strings.Contains(of, "{}") || !strings.Contains(do, " /") {
						t.Errorf("%s: it cannot be seen what is asked here: app and route have to begin with text", p.Fset.Position(call.Pos()))
						return true
					}
					for _, by := range callers(t, p, function) {
						found = append(found, request{by, of, anyValue(do)})
					}
					return true
				})
			}
		}
	}
	return found
}

// likeAsk says whether a type is func(ctx, app, route string, in, out any) error.
func likeAsk(typ types.Type) bool {
	s, ok := typ.Underlying().(*types.Signature)
	return ok && types.TypeString(types.NewSignatureType(nil, nil, nil, unnamed(s.Params()), unnamed(s.Results()), false), nil) ==
		"func(context.Context, string, string, any, any) error"
}

func unnamed(vars *types.Tuple) *types.Tuple {
	var all []*types.Var
	for v := range vars.Variables() {
		all = append(all, types.NewParam(token.NoPos, nil, "", v.Type()))
	}
	return types.NewTuple(all...)
}

// spelled is a text as far as the compiler, or a reader, can see it, with {} for the rest.
func spelled(p *packages.Package, e ast.Expr) string {
	if v := p.TypesInfo.Types[e].Value; v != nil {
		return strings.Trim(v.ExactString(), `"`)
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return spelled(p, e.X) + spelled(p, e.Y)
		}
	case *ast.CallExpr:
		if name := nameOfCall(e); name == "Sprintf" && len(e.Args) > 0 {
			return regexp.MustCompile(`%[a-z]`).ReplaceAllString(spelled(p, e.Args[0]), "{}")
		}
	}
	return "{}"
}

func nameOfCall(e *ast.CallExpr) string {
	if s, ok := e.Fun.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return ""
}

// callers are the services whose code a function is of: its own, or for one of kit those that call it.
func callers(t *testing.T, p *packages.Package, function *ast.FuncDecl) []string {
	t.Helper()
	if service := source.Service(p); service != "" {
		return []string{service}
	}
	self, ok := p.TypesInfo.Defs[function.Name].(*types.Func)
	if !ok {
		return nil
	}
	by := map[string]bool{}
	for _, call := range source.Calls(t, func(name string) bool { return name == self.FullName() }) {
		if service := source.Service(call.Package); service != "" {
			by[service] = true
		}
	}
	return slices.Sorted(maps.Keys(by))
}

// operation is one entry of an access list: the verbs that are allowed on a path.
type operation struct {
	path  string
	verbs []string
}

// operations are the fewest entries that allow the routes under Dapr's rules of matching (see dapr_test.go), which are not
// what one would think. An entry for /orders is one for all that is below it and hides every longer entry; so whatever
// has something below it stands as /orders/*, which is /orders itself and one segment more. A parameter is * where the
// path ends and ** where it goes on, and text has to stand before both.
func operations(routes []string) []operation {
	top := &branch{}
	for _, do := range routes {
		verb, path, _ := strings.Cut(do, " ")
		node := top
		for _, segment := range strings.Split(strings.Trim(path, "/"), "/") {
			node = node.child(segment)
		}
		node.verbs = append(node.verbs, verb)
	}
	return top.operations("")
}

// branch is a part of the paths of an app.
type branch struct {
	verbs []string
	below map[string]*branch
}

func (b *branch) child(segment string) *branch {
	if b.below == nil {
		b.below = map[string]*branch{}
	}
	if b.below[segment] == nil {
		b.below[segment] = &branch{}
	}
	return b.below[segment]
}

func (b *branch) operations(path string) (all []operation) {
	var here []string // the verbs of one segment more, and of b itself if it is no parameter
	for _, segment := range slices.Sorted(maps.Keys(b.below)) {
		next := b.below[segment]
		switch {
		case segment == "{}":
			here = append(here, next.verbs...)
		case len(next.below) == 0:
			all = append(all, entry(path+"/"+segment, next.verbs))
		default:
			all = append(all, next.operations(path+"/"+segment)...)
		}
	}
	if !strings.HasSuffix(path, "/**") {
		here = append(here, b.verbs...)
	}
	if len(here) > 0 {
		all = append(all, entry(path+"/*", here))
	}
	if next := b.below["{}"]; next != nil && len(next.below) > 0 {
		all = append(all, next.operations(path+"/**")...)
	}
	return all
}

func entry(path string, verbs []string) operation {
	verbs = slices.Clone(verbs)
	slices.Sort(verbs)
	return operation{path, slices.Compact(verbs)}
}
