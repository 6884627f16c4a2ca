package access

import (
	"go/doc"
	"go/doc/comment"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"

	"sidecart/kit/shop"
	"sidecart/tools/daprgen/source"
)

const shopPath = "sidecart/kit/shop"

// subscribing are the functions of kit/event that subscribe to an event, which is their type argument.
var subscribing = regexp.MustCompile(`^sidecart/kit/event\.(On\w*|SubscribeAll)$`)

// Subscribers are the services that subscribe to an event, by the name of its type.
func Subscribers(t source.T) map[string][]string {
	t.Helper()
	subscribed := map[string][]string{}
	for _, call := range source.Calls(t, subscribing.MatchString) {
		name, ok := strings.CutPrefix(call.TypeArgument(), shopPath+".")
		service := source.Service(call.Package)
		if !ok || service == "" {
			t.Errorf("%s: subscribe to an event of kit/shop in a service's own code", call.At())
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

Generated from kit/shop and the services' subscriptions by "make generate".

A publisher writes an event to its outbox in the transaction that makes it true. The relay publishes it after the commit
as CloudEvents 1.0 in JSON; the fields below are "data".

- "id" is the same each time an event is published. A consumer's inbox handles each id once.
- "subject" is the key. Events of one key are published in order. Topics are delivered concurrently, so a consumer must
  not rely on the order of two topics.
- "traceparent" continues the trace of the request that caused the event.
- "dataschema" ends with the version of the fields ("urn:sidecart:event:orders.placed:1"). Topics never change their
  meaning, fields are added and never removed, and old events decode for ever (golden files in
  "kit/shop/testdata/events").
- An event that cannot be handled goes to the topic "<consumer>.dead" and into the consumer's table "dead_letters",
  from where it is [replayed](operations.md#waiting-events-and-dead-letters).

`

func eventsDocument(t source.T) string {
	t.Helper()
	subscribed, docs := Subscribers(t), comments(t, ShopPackage(t))
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(eventsIntroduction, `"`, "`"))
	b.WriteString("| topic | publisher | consumers | key |\n|---|---|---|---|\n")
	for _, entry := range shop.Events {
		name := reflect.TypeOf(entry.Event).Name()
		by := strings.Join(subscribed[name], ", ")
		if by == "" {
			by = "none yet"
		}
		key := strings.TrimSuffix(strings.TrimPrefix(docs[name+".Key"], "Key is "), ".")
		b.WriteString("| " + strings.Join([]string{entry.Event.Topic(), entry.Publisher, by, key}, " | ") + " |\n")
	}
	parts := map[string]reflect.Type{}
	for _, entry := range shop.Events {
		typ := reflect.TypeOf(entry.Event)
		description := strings.Replace(docs[typ.Name()], typ.Name()+" is published", "Published", 1)
		b.WriteString("\n## " + entry.Event.Topic() + "\n\n" + wrapped(description) + "\n\n")
		fieldTable(&b, typ, parts)
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		b.WriteString("\n## " + name + "\n\n" + wrapped(strings.Replace(docs[name], name+" is", "Is", 1)) + "\n\n")
		fieldTable(&b, parts[name], parts)
	}
	return b.String()
}

// wrapped breaks a text into lines of at most 120 columns.
func wrapped(text string) string {
	printer := comment.Printer{TextWidth: 120}
	return strings.TrimSpace(string(printer.Text(new(comment.Parser).Parse(text))))
}

func fieldTable(b *strings.Builder, typ reflect.Type, parts map[string]reflect.Type) {
	b.WriteString("| field | type |\n|---|---|\n")
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		b.WriteString("| `" + name + "` | " + typeText(f.Type, parts) + " |\n")
	}
}

// typeText describes the type of a field. Structs of the vocabulary get a table of their own.
func typeText(typ reflect.Type, parts map[string]reflect.Type) string {
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
		return "string"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "array of " + typeText(typ.Elem(), parts)
	case reflect.Pointer:
		return typeText(typ.Elem(), parts) + ", or null"
	case reflect.Struct:
		parts[typ.Name()] = typ
		return "[" + typ.Name() + "](#" + strings.ToLower(typ.Name()) + ")"
	}
	return typ.String()
}

// comments are the doc comments of a package's types and methods, on one line, as OrderPaid and OrderPaid.Key.
func comments(t source.T, p *packages.Package) map[string]string {
	t.Helper()
	parsed, err := doc.NewFromFiles(p.Fset, p.Syntax, p.PkgPath, doc.PreserveAST)
	if err != nil {
		t.Fatalf("%v", err)
	}
	docs := map[string]string{}
	for _, typ := range parsed.Types {
		docs[typ.Name] = strings.Join(strings.Fields(typ.Doc), " ")
		for _, method := range typ.Methods {
			docs[typ.Name+"."+method.Name] = strings.Join(strings.Fields(method.Doc), " ")
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
