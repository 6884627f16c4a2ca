// Package access finds in the code what each app needs from its sidecar and from other apps, and generates the files
// that allow it.
package access

import (
	"go/ast"
	"go/constant"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
	"gopkg.in/yaml.v3"

	"sidecart/tools/daprgen/source"
)

// Request is a call that one app's code makes to another: "PUT /reservations/{}" of products by orders.
type Request struct{ Caller, App, Route string }

// IDs are the apps of dapr/dapr.yaml.
func IDs(t source.T) (all []string) {
	t.Helper()
	var template struct {
		Apps []struct {
			ID string `yaml:"appID"`
		} `yaml:"apps"`
	}
	if err := yaml.Unmarshal([]byte(source.Read(t, "dapr/dapr.yaml")), &template); err != nil {
		t.Fatalf("dapr/dapr.yaml: %v", err)
	}
	for _, a := range template.Apps {
		all = append(all, a.ID)
	}
	return all
}

// Requests are all calls between apps: the gateway's public routes, and every declared sidecar.Endpoint.
func Requests(t source.T) []Request {
	t.Helper()
	found := publicRequests(t)
	services := map[string]bool{}
	for _, r := range found {
		services[r.App] = true
	}
	for service := range services {
		// The cheapest call, by which the benchmark measures the cost of a pair of sidecars.
		found = append(found, Request{"gateway", service, "GET /health"})
	}
	for _, e := range endpoints(t) {
		of := []string{e.App}
		if e.App == "" {
			of = slices.Collect(maps.Keys(services))
		}
		for _, app := range of {
			if app != e.Caller {
				found = append(found, Request{e.Caller, app, e.Route})
			}
		}
	}
	slices.SortFunc(found, func(a, b Request) int {
		return strings.Compare(a.App+" "+a.Caller+" "+a.Route, b.App+" "+b.Caller+" "+b.Route)
	})
	return slices.Compact(found)
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// AnyValue is a route with {} for every parameter, and without a query.
func AnyValue(do string) string {
	do, _, _ = strings.Cut(do, "?")
	segments := strings.Split(do, "/")
	for i, s := range segments {
		if parameter.MatchString(s) {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

// publicRequests are the gateway's public routes, without those that it serves itself.
func publicRequests(t source.T) (found []Request) {
	t.Helper()
	for _, line := range PublicRoutes(t) {
		word := strings.Fields(line)
		if word[0] == "gateway" {
			continue
		}
		found = append(found, Request{"gateway", word[0], AnyValue(word[1] + " " + word[2])})
	}
	return found
}

const endpointType = "sidecart/kit/sidecar.Endpoint"

// endpoints are the declared values of sidecar.Endpoint, by the service that declares them. One that kit declares
// belongs to each service that uses it, directly or through other functions of kit.
func endpoints(t source.T) (found []Request) {
	t.Helper()
	g := objects(t)
	for root, service := range g.service {
		seen := map[types.Object]bool{}
		var visit func(types.Object)
		visit = func(object types.Object) {
			if seen[object] || object != root && g.service[object] != "" {
				return
			}
			seen[object] = true
			for _, e := range g.endpoints[object] {
				e.Caller = service
				found = append(found, e)
			}
			for _, used := range g.uses[object] {
				visit(used)
			}
		}
		visit(root)
	}
	return found
}

// graph has what each declared object uses.
type graph struct {
	service   map[types.Object]string // of objects that a service declares
	endpoints map[types.Object][]Request
	uses      map[types.Object][]types.Object
}

func objects(t source.T) graph {
	t.Helper()
	g := graph{map[types.Object]string{}, map[types.Object][]Request{}, map[types.Object][]types.Object{}}
	for _, p := range source.Packages(t) {
		for _, file := range p.Syntax {
			for _, d := range file.Decls {
				for object, node := range declarations(p, d) {
					if service := source.Service(p); service != "" {
						g.service[object] = service
					}
					g.add(t, p, object, node)
				}
			}
		}
	}
	return g
}

// add inspects the syntax of an object.
func (g graph) add(t source.T, p *packages.Package, object types.Object, node ast.Node) {
	t.Helper()
	ast.Inspect(node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if types.TypeString(p.TypesInfo.TypeOf(n), nil) == endpointType {
				g.endpoints[object] = append(g.endpoints[object], endpoint(t, p, n))
			}
		case *ast.Ident:
			if used := p.TypesInfo.Uses[n]; used != nil {
				g.uses[object] = append(g.uses[object], used)
			}
		}
		return true
	})
}

// declarations are the objects of a declaration, with their syntax.
func declarations(p *packages.Package, d ast.Decl) map[types.Object]ast.Node {
	all := map[types.Object]ast.Node{}
	switch d := d.(type) {
	case *ast.FuncDecl:
		all[p.TypesInfo.Defs[d.Name]] = d
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if v, ok := s.(*ast.ValueSpec); ok {
				for _, name := range v.Names {
					all[p.TypesInfo.Defs[name]] = v
				}
			}
		}
	}
	return all
}

// endpoint is the request that a literal declares. Its fields have to be constants, so that readers and this generator
// see what is called.
func endpoint(t source.T, p *packages.Package, literal *ast.CompositeLit) Request {
	t.Helper()
	fields := map[string]string{}
	for _, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if v := p.TypesInfo.Types[pair.Value].Value; v != nil && v.Kind() == constant.String {
				fields[pair.Key.(*ast.Ident).Name] = constant.StringVal(v)
			}
		}
	}
	if len(fields) != len(literal.Elts) || fields["Method"] == "" || !strings.HasPrefix(fields["Path"], "/") {
		t.Errorf("%s: an endpoint needs a Method, a Path and (mostly) an App, as constants with field names",
			p.Fset.Position(literal.Pos()))
	}
	return Request{App: fields["App"], Route: AnyValue(fields["Method"] + " " + fields["Path"])}
}

// Operation is one entry of an access list: the verbs that are allowed on a path.
type Operation struct {
	Path  string
	Verbs []string
}

// Operations are the fewest entries that allow the routes under Dapr's matching rules (see dapr_test.go), which
// surprise. An entry /orders matches all longer paths, too, and hides every longer entry. So a path with longer ones is
// written /orders/*, which matches /orders and one more segment. A parameter is * at the end of a path and ** before
// the end, and both need text before them.
func Operations(routes []string) []Operation {
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

// branch is a node of the tree of an app's paths, by segment.
type branch struct {
	verbs    []string
	children map[string]*branch
}

func (b *branch) child(segment string) *branch {
	if b.children == nil {
		b.children = map[string]*branch{}
	}
	if b.children[segment] == nil {
		b.children[segment] = &branch{}
	}
	return b.children[segment]
}

func (b *branch) operations(path string) (all []Operation) {
	var here []string // the verbs of one more segment, and of b itself unless it is a parameter
	for _, segment := range slices.Sorted(maps.Keys(b.children)) {
		next := b.children[segment]
		switch {
		case segment == "{}":
			here = append(here, next.verbs...)
		case len(next.children) == 0:
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
	if next := b.children["{}"]; next != nil && len(next.children) > 0 {
		all = append(all, next.operations(path+"/**")...)
	}
	return all
}

func entry(path string, verbs []string) Operation {
	verbs = slices.Clone(verbs)
	slices.Sort(verbs)
	return Operation{path, slices.Compact(verbs)}
}
