package topology

import (
	"go/ast"
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

// publishers are the services that make an event, by the name of its type: whoever writes shop.OrderPaid{...} tells it.
func publishers(t *testing.T) map[string][]string {
	t.Helper()
	told := map[string][]string{}
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
				if ok && !slices.Contains(told[name], service) {
					told[name] = append(told[name], service)
				}
				return true
			})
		}
	}
	return told
}

// TestEvents: what is heard is told by somebody, what the catalogue has is told by its teller and nobody else, and every
// event type is in the catalogue.
func TestEvents(t *testing.T) {
	known := ids(t)
	heard, told := access.Subscribers(t), publishers(t)
	inCatalogue := map[string]bool{}
	for _, entry := range shop.Events {
		name := reflect.TypeOf(entry.Event).Name()
		topic := entry.Event.Topic()
		if inCatalogue[name] {
			t.Errorf("%s is in the catalogue twice", name)
		}
		inCatalogue[name] = true
		if !slices.Contains(known, entry.Publisher) {
			t.Errorf("%s is told by %q, which is no app", topic, entry.Publisher)
		}
		if !slices.Equal(told[name], []string{entry.Publisher}) {
			t.Errorf("%s is told by %v in the code, want by %s alone", topic, told[name], entry.Publisher)
		}
		noun, verb, _ := strings.Cut(topic, ".")
		if noun == "" || verb == "" || strings.ToLower(topic) != topic || strings.Contains(verb, ".") {
			t.Errorf("%q is not a topic like orders.placed", topic)
		}
	}
	for name := range heard {
		if !inCatalogue[name] {
			t.Errorf("%v hear %s, which nobody tells", heard[name], name)
		}
	}
	event := access.ShopPackage(t).Types.Scope().Lookup("Event").Type().Underlying().(*types.Interface)
	scope := access.ShopPackage(t).Types.Scope()
	for _, name := range scope.Names() {
		typ, ok := scope.Lookup(name).(*types.TypeName)
		if ok && !types.IsInterface(typ.Type()) && types.Implements(typ.Type(), event) && !inCatalogue[name] {
			t.Errorf("shop.%s is an event and not in the catalogue", name)
		}
	}
}
