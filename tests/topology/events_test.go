package topology

import (
	"flag"
	"go/ast"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"sidecart/kit/shop"
	"sidecart/tests/source"
)

var update = flag.Bool("update", false, "write what is made from the code anew")

const shopPath = "sidecart/kit/shop"

// hearers are the services that hear an event, by the name of its type.
func hearers(t *testing.T) map[string][]string {
	t.Helper()
	heard := map[string][]string{}
	for _, call := range source.Calls(t, func(name string) bool {
		return slices.Contains([]string{"sidecart/kit/event.On", "sidecart/kit/event.OnID", "sidecart/kit/event.OnAgain", "sidecart/kit/event.OnAgainNoted", "sidecart/kit/event.Everywhere"}, name)
	}) {
		name, ok := strings.CutPrefix(call.TypeArgument(), shopPath+".")
		service := source.Service(call.Package)
		if !ok || service == "" {
			t.Errorf("%s: it cannot be seen which event is heard here", call.At())
			continue
		}
		if !slices.Contains(heard[name], service) {
			heard[name] = append(heard[name], service)
			slices.Sort(heard[name])
		}
	}
	return heard
}

// tellers are the services that make an event, by the name of its type: whoever writes shop.OrderPaid{...} tells it.
func tellers(t *testing.T) map[string][]string {
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

func shopPackage(t *testing.T) *packages.Package {
	t.Helper()
	for _, p := range source.Packages(t) {
		if p.PkgPath == shopPath {
			return p
		}
	}
	t.Fatal("no package " + shopPath)
	return nil
}

// TestEvents: what is heard is told by somebody, what the catalogue has is told by its teller and nobody else, and every
// event type is in the catalogue.
func TestEvents(t *testing.T) {
	known := ids(t)
	heard, told := hearers(t), tellers(t)
	inCatalogue := map[string]bool{}
	for _, entry := range shop.Catalogue {
		name := reflect.TypeOf(entry.Event).Name()
		topic := entry.Event.Topic()
		if inCatalogue[name] {
			t.Errorf("%s is in the catalogue twice", name)
		}
		inCatalogue[name] = true
		if !slices.Contains(known, entry.Teller) {
			t.Errorf("%s is told by %q, which is no app", topic, entry.Teller)
		}
		if !slices.Equal(told[name], []string{entry.Teller}) {
			t.Errorf("%s is told by %v in the code, want by %s alone", topic, told[name], entry.Teller)
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
	event := shopPackage(t).Types.Scope().Lookup("Event").Type().Underlying().(*types.Interface)
	scope := shopPackage(t).Types.Scope()
	for _, name := range scope.Names() {
		typ, ok := scope.Lookup(name).(*types.TypeName)
		if ok && !types.IsInterface(typ.Type()) && types.Implements(typ.Type(), event) && !inCatalogue[name] {
			t.Errorf("shop.%s is an event and not in the catalogue", name)
		}
	}
}

// TestEventsDocument fails when docs/events.md is not what the code says; -update writes it.
func TestEventsDocument(t *testing.T) {
	path := filepath.Join(source.Root(t), "docs", "events.md")
	want := eventsDocument(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // a document is for everybody
			t.Fatal(err)
		}
		return
	}
	if source.Read(t, "docs/events.md") != want {
		t.Error("docs/events.md is stale: `make generate` writes it anew")
	}
}

const eventsIntroduction = `# Events

Made from kit/shop and from what the services hear; ` + "`make generate`" + ` writes it anew.

An event is written to its teller's outbox in the transaction that makes it true, and published after the commit:
CloudEvents 1.0, JSON, with the fields below as ` + "`data`" + `. ` + "`id`" + ` is the same however often it is published, ` + "`subject`" + ` is the key, and
` + "`traceparent`" + ` continues the trace of the request that caused it. Topics never change their meaning; fields are added, never
removed. ` + "`dataschema`" + ` ends with the version of the fields (` + "`urn:sidecart:event:orders.placed:1`" + `); an old event decodes for ever, which the
golden files in ` + "`kit/shop/testdata/events`" + ` show. The events of one key are published in order; topics are delivered side by side, so a hearer must not count on
hearing one topic before another. A delivery may come twice and is heard once (the hearer's inbox). What cannot be
handled goes to the topic ` + "`<hearer>.dead`" + ` and is kept in the hearer's table ` + "`dead_letters`" + `, from where it is replayed (` + "`make dead-letters`" + `).

`

func eventsDocument(t *testing.T) string {
	t.Helper()
	heard, docs := hearers(t), comments(shopPackage(t))
	var b strings.Builder
	b.WriteString(eventsIntroduction)
	b.WriteString("| topic | told by | heard by | key |\n|---|---|---|---|\n")
	for _, entry := range shop.Catalogue {
		name := reflect.TypeOf(entry.Event).Name()
		by := strings.Join(heard[name], ", ")
		if by == "" {
			by = "nobody yet"
		}
		key := strings.TrimSuffix(strings.TrimPrefix(docs[name+".Key"], "Key is "), ".")
		b.WriteString("| " + strings.Join([]string{entry.Event.Topic(), entry.Teller, by, key}, " | ") + " |\n")
	}
	parts := map[string]reflect.Type{}
	for _, entry := range shop.Catalogue {
		typ := reflect.TypeOf(entry.Event)
		b.WriteString("\n## " + entry.Event.Topic() + "\n\n" + strings.Replace(docs[typ.Name()], typ.Name()+" tells", "Tells", 1) + "\n\n")
		fieldTable(&b, typ, parts)
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		b.WriteString("\n## " + name + "\n\n" + strings.Replace(docs[name], name+" is", "Is", 1) + "\n\n")
		fieldTable(&b, parts[name], parts)
	}
	return b.String()
}

func fieldTable(b *strings.Builder, typ reflect.Type, parts map[string]reflect.Type) {
	b.WriteString("| field | is |\n|---|---|\n")
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		b.WriteString("| `" + name + "` | " + words(f.Type, parts) + " |\n")
	}
}

// words says what a field is. Structs of the vocabulary get a table of their own.
func words(typ reflect.Type, parts map[string]reflect.Type) string {
	switch typ.String() {
	case "shop.UserID":
		return "UUID of an account"
	case "shop.OrderID":
		return "UUID of an order"
	case "uuid.UUID":
		return "UUID"
	case "shop.Money":
		return "exact amount, a JSON number with the currency's decimals"
	case "time.Time":
		return "time, RFC 3339, UTC"
	}
	switch typ.Kind() {
	case reflect.String:
		return "text"
	case reflect.Int, reflect.Int64:
		return "whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "list of " + words(typ.Elem(), parts)
	case reflect.Pointer:
		return words(typ.Elem(), parts) + ", or null"
	case reflect.Struct:
		parts[typ.Name()] = typ
		return "[" + typ.Name() + "](#" + strings.ToLower(typ.Name()) + ")"
	}
	return typ.String()
}

// comments are the doc comments of a package's types and methods, on one line, as OrderPaid and OrderPaid.Key.
func comments(p *packages.Package) map[string]string {
	docs := map[string]string{}
	line := func(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
	for _, file := range p.Syntax {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil {
					if receiver, ok := d.Recv.List[0].Type.(*ast.Ident); ok {
						docs[receiver.Name+"."+d.Name.Name] = line(d.Doc)
					}
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if typ, ok := s.(*ast.TypeSpec); ok {
						docs[typ.Name.Name] = line(d.Doc)
					}
				}
			}
		}
	}
	return docs
}

// eventsOf are the topics that a service tells and hears.
func eventsOf(t *testing.T, service string) (told, heard []string) {
	t.Helper()
	by := hearers(t)
	for _, entry := range shop.Catalogue {
		if entry.Teller == service {
			told = append(told, entry.Event.Topic())
		}
		if slices.Contains(by[reflect.TypeOf(entry.Event).Name()], service) {
			heard = append(heard, entry.Event.Topic())
		}
	}
	slices.Sort(told)
	slices.Sort(heard)
	return told, heard
}
