package access

import (
	"go/ast"
	"maps"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"

	"sidecart/kit/shop"
	"sidecart/tools/daprgen/source"
)

const shopPath = "sidecart/kit/shop"

// Subscribers are the services that subscribe to an event, by the name of its type.
func Subscribers(t source.T) map[string][]string {
	t.Helper()
	subscribed := map[string][]string{}
	for _, call := range source.Calls(t, func(name string) bool {
		return slices.Contains([]string{"sidecart/kit/event.On", "sidecart/kit/event.OnID", "sidecart/kit/event.OnAgain", "sidecart/kit/event.OnAgainNoted", "sidecart/kit/event.Everywhere"}, name)
	}) {
		name, ok := strings.CutPrefix(call.TypeArgument(), shopPath+".")
		service := source.Service(call.Package)
		if !ok || service == "" {
			t.Errorf("%s: the event that is subscribed to here cannot be seen", call.At())
			continue
		}
		if !slices.Contains(subscribed[name], service) {
			subscribed[name] = append(subscribed[name], service)
			slices.Sort(subscribed[name])
		}
	}
	return subscribed
}

// ShopPackage is kit/shop, which declares the events.
func ShopPackage(t source.T) *packages.Package {
	t.Helper()
	for _, p := range source.Packages(t) {
		if p.PkgPath == shopPath {
			return p
		}
	}
	t.Fatalf("no package %s", shopPath)
	return nil
}

const eventsIntroduction = `# Events

Made from kit/shop and from what the services subscribe to; ` + "`make generate`" + ` writes it anew.

An event is written to its publisher's outbox in the transaction that makes it true, and published after the commit:
CloudEvents 1.0, JSON, with the fields below as ` + "`data`" + `. ` + "`id`" + ` is the same however often it is published, ` + "`subject`" + ` is the key, and
` + "`traceparent`" + ` continues the trace of the request that caused it. Topics never change their meaning; fields are added, never
removed. ` + "`dataschema`" + ` ends with the version of the fields (` + "`urn:sidecart:event:orders.placed:1`" + `); an old event decodes for ever, which the
golden files in ` + "`kit/shop/testdata/events`" + ` show. The events of one key are published in order. Topics are delivered side by
side, so a consumer must not count on one topic before another. A delivery may come twice and is handled once (the consumer's inbox).
What cannot be handled goes to the topic ` + "`<consumer>.dead`" + ` and is kept in the consumer's table ` + "`dead_letters`" + `, from where it is
replayed (` + "`make dead-letters`" + `).

`

func eventsDocument(t source.T) string {
	t.Helper()
	subscribed, docs := Subscribers(t), comments(ShopPackage(t))
	var b strings.Builder
	b.WriteString(eventsIntroduction)
	b.WriteString("| topic | publisher | consumers | key |\n|---|---|---|---|\n")
	for _, entry := range shop.Events {
		name := reflect.TypeOf(entry.Event).Name()
		by := strings.Join(subscribed[name], ", ")
		if by == "" {
			by = "nobody yet"
		}
		key := strings.TrimSuffix(strings.TrimPrefix(docs[name+".Key"], "Key is "), ".")
		b.WriteString("| " + strings.Join([]string{entry.Event.Topic(), entry.Publisher, by, key}, " | ") + " |\n")
	}
	parts := map[string]reflect.Type{}
	for _, entry := range shop.Events {
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

// EventsOf are the topics that a service publishes and subscribes to.
func EventsOf(t source.T, service string) (published, subscribed []string) {
	t.Helper()
	by := Subscribers(t)
	for _, entry := range shop.Events {
		if entry.Publisher == service {
			published = append(published, entry.Event.Topic())
		}
		if slices.Contains(by[reflect.TypeOf(entry.Event).Name()], service) {
			subscribed = append(subscribed, entry.Event.Topic())
		}
	}
	slices.Sort(published)
	slices.Sort(subscribed)
	return published, subscribed
}
