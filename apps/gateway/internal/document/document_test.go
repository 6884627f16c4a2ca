package document

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sidecart/apps/gateway/internal/forward"
	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/shop"
)

func parse(t *testing.T, text string) (doc object) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func at(t *testing.T, node any, path ...string) any {
	t.Helper()
	for _, name := range path {
		next, ok := node.(object)[name]
		if !ok {
			t.Fatalf("no %s of %v", name, path)
		}
		node = next
	}
	return node
}

func TestMerge(t *testing.T) {
	docs := map[string]object{
		"orders": parse(t, `{"paths":{
			"/orders/{id}":{"get":{"x-permission":"signed in","responses":{"200":{"description":"Success","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Order"}}}}}}},
			"/secret":{"get":{"responses":{}}}},
			"components":{"schemas":{"Order":{"properties":{"lines":{"items":{"$ref":"#/components/schemas/Line"}}}},"Line":{"type":"object"},"Problem":{"type":"object"},
				"Page":{"properties":{"items":{"$ref":"#/components/schemas/Item"}}},"Item":{"type":"string"}}}}`),
		"products": parse(t, `{"paths":{"/products":{"get":{"responses":{"200":{"description":"Success","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Page"}}}}}}}},
			"components":{"schemas":{"Page":{"properties":{"items":{"$ref":"#/components/schemas/Item"}}},"Item":{"type":"integer"},"Problem":{"type":"object"}}}}`),
	}
	routes := []route.Route{
		{Do: "GET /api/v1/orders/{id}", By: "orders", Need: shop.SignedIn, Limit: route.Limit{PerMinute: 5}},
		{Do: "GET /api/v1/products", By: "products", Need: shop.Anyone, Limit: route.Limit{PerMinute: 7}},
		{Do: "GET /api/v1/absent", By: "users", Need: shop.Anyone, Limit: route.Limit{PerMinute: 7}},
	}
	doc := parse(t, string(marshal(t, merge(routes, 2, docs))))
	paths := at(t, doc, "paths").(object)
	if len(paths) != 2+3 {
		t.Errorf("paths: %v", paths)
	}
	order := at(t, paths, "/api/v1/orders/{id}", "get")
	if got := at(t, order, "x-rate-limit"); got != "10 a minute per user" {
		t.Errorf("x-rate-limit: %v", got)
	}
	at(t, order, "responses", "429", "headers", "RateLimit-Reset")
	at(t, order, "responses", "503")
	if got := at(t, order, "responses", "200", "content", "application/json", "schema", "$ref"); got != "#/components/schemas/Order" {
		t.Errorf("order: %v", got)
	}
	products := at(t, paths, "/api/v1/products", "get", "responses", "200", "content", "application/json", "schema", "$ref")
	if products != "#/components/schemas/ProductsPage" {
		t.Errorf("a page that differs because its items do: %v", products)
	}
	if got := at(t, doc, "components", "schemas", "ProductsPage", "properties", "items", "$ref"); got != "#/components/schemas/ProductsItem" {
		t.Errorf("its items: %v", got)
	}
	schemas := at(t, doc, "components", "schemas").(object)
	for _, name := range []string{"Order", "Line", "Problem", "OrdersPage", "OrdersItem", "ProductsPage", "ProductsItem"} {
		if schemas[name] == nil {
			t.Errorf("no schema %s", name)
		}
	}
	if len(schemas) != 7 {
		t.Errorf("schemas: %v", schemas)
	}
	if at(t, docs["orders"], "paths", "/orders/{id}", "get").(object)["x-rate-limit"] != nil {
		t.Error("merging changed the service's own document")
	}
}

func TestLibraryKeepsTheLastGoodCopy(t *testing.T) {
	var away atomic.Bool
	sidecar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("X-Request-Id", "1")
		_, _ = io.WriteString(w, `{"paths":{"/orders":{"get":{"responses":{}}}}}`)
	}))
	defer sidecar.Close()
	routes := []route.Route{{Do: "GET /api/v1/orders", By: "orders", Need: shop.Anyone, Limit: route.Limit{PerMinute: 1}}}
	l := NewLibrary(routes, 1, forward.New(strings.TrimPrefix(sidecar.URL, "http://"), "", []string{"orders"}), func() map[string]any { return nil })
	for _, l.at = range []time.Time{{}, {}} { // the second time what is kept is too old
		doc, err := l.Document(t.Context())
		if err != nil || !strings.Contains(string(doc), "/api/v1/orders") {
			t.Errorf("away: %v: %v %.200s", away.Load(), err, doc)
		}
		away.Store(true)
	}
}

func marshal(t *testing.T, doc object) []byte {
	t.Helper()
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
