package topology

import (
	"go/ast"
	"go/constant"
	"go/types"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sidecart/kit/shop"
	"sidecart/tools/daprgen/access"
	"sidecart/tools/daprgen/source"
)

const shopPath = "sidecart/kit/shop"

// publishers are the services whose code makes an event (shop.OrderPaid{...}), by the name of the event's type.
func publishers(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, p := range source.Packages(t) {
		service := source.Service(p)
		if service == "" {
			continue
		}
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				literal, ok := n.(*ast.CompositeLit)
				if !ok {
					return true
				}
				name, ok := strings.CutPrefix(types.TypeString(p.TypesInfo.TypeOf(literal), nil), shopPath+".")
				if ok && !slices.Contains(found[name], service) {
					found[name] = append(found[name], service)
				}
				return true
			})
		}
	}
	return found
}

// TestEvents: shop.Events lists every event type once, its publisher and no other service publishes it, and every
// consumed event is in the list.
func TestEvents(t *testing.T) {
	known := ids(t)
	consumers, publishers := access.Subscribers(t), publishers(t)
	listed := map[string]bool{}
	for _, entry := range shop.Events {
		name := reflect.TypeOf(entry.Event).Name()
		topic := entry.Event.Topic()
		if listed[name] {
			t.Errorf("%s is in shop.Events twice", name)
		}
		listed[name] = true
		if !slices.Contains(known, entry.Publisher) {
			t.Errorf("%s is published by %q, which is no app", topic, entry.Publisher)
		}
		if !slices.Equal(publishers[name], []string{entry.Publisher}) {
			t.Errorf("%s is published by %v in the code, want by %s alone", topic, publishers[name], entry.Publisher)
		}
		domain, verb, _ := strings.Cut(topic, ".")
		if domain == "" || verb == "" || strings.ToLower(topic) != topic || strings.Contains(verb, ".") {
			t.Errorf("%q is not a topic like orders.placed", topic)
		}
	}
	for name := range consumers {
		if !listed[name] {
			t.Errorf("%v consume %s, which is not in shop.Events", consumers[name], name)
		}
	}
	event := access.ShopPackage(t).Types.Scope().Lookup("Event").Type().Underlying().(*types.Interface)
	scope := access.ShopPackage(t).Types.Scope()
	for _, name := range scope.Names() {
		typ, ok := scope.Lookup(name).(*types.TypeName)
		if ok && !types.IsInterface(typ.Type()) && types.Implements(typ.Type(), event) && !listed[name] {
			t.Errorf("shop.%s is an event and not in shop.Events", name)
		}
	}
}

// TestGapDetection: each consumer names every other service whose events it consumes, to detect lost deliveries.
func TestGapDetection(t *testing.T) {
	publisher := map[string]string{}
	for _, entry := range shop.Events {
		publisher[entry.Event.Topic()] = entry.Publisher
	}
	found := 0
	for _, call := range source.Calls(t, func(name string) bool { return name == "(*"+access.ServicePath+".Service).NewHub" }) {
		service := source.Service(call.Package)
		if service == "" {
			continue
		}
		found++
		var named, want []string
		for _, argument := range call.Expr.Args {
			ast.Inspect(argument, func(n ast.Node) bool {
				if field, ok := n.(*ast.KeyValueExpr); ok && field.Key.(*ast.Ident).Name == "App" {
					named = append(named, constant.StringVal(call.Package.TypesInfo.Types[field.Value].Value))
				}
				return true
			})
		}
		_, consumed := access.EventsOf(t, service)
		for _, topic := range consumed {
			if by := publisher[topic]; by != service && !slices.Contains(want, by) {
				want = append(want, by)
			}
		}
		slices.Sort(named)
		slices.Sort(want)
		if !slices.Equal(named, want) {
			t.Errorf("%s: NewHub has the replay endpoints of %v, want %v", call.At(), named, want)
		}
	}
	if found < 3 {
		t.Errorf("only %d calls of NewHub were found", found)
	}
}
