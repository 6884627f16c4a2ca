package document

import (
	"encoding/json"
	"fmt"
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
			"/orders/{id}":{"get":{"operationId":"getOrder","tags":["orders"],"responses":{"200":{"description":"OK"}}}},
			"/cart":{"delete":{"operationId":"emptyCart","tags":["cart"]},"get":{"operationId":"getCart","tags":["cart"]}},
			"/secret":{"get":{"operationId":"getSecret","responses":{}}}},
			"components":{"schemas":{"Order":{"type":"object"},"Problem":{"type":"object"}}}}`),
		"products": parse(t, `{"paths":{"/products":{"get":{"operationId":"listProducts","tags":["products"],"responses":{"200":{"description":"OK"}}}}},
			"components":{"schemas":{"Product":{"type":"object"},"Problem":{"type":"object"}}}}`),
		route.Gateway: parse(t, `{"paths":{"/health":{"get":{"operationId":"getHealth","responses":{"200":{"description":"OK"},
			"503":{"description":"not healthy","content":{"application/json":{}}}}}}}}`),
	}
	routes := []route.Route{
		{Do: "GET /api/v1/orders/{id}", Service: "orders", Need: shop.SignedIn, Limit: route.Limit{PerMinute: 5}},
		{Do: "GET /api/v1/products", Service: "products", Need: shop.Anyone, Limit: route.Limit{PerMinute: 7}},
		{Do: "DELETE /api/v1/cart", Service: "orders", Need: shop.SignedIn, Limit: route.Limit{PerMinute: 7}},
		{Do: "GET /api/v1/cart", Service: "orders", Need: shop.SignedIn, Limit: route.Limit{PerMinute: 7}},
		{Do: "GET /api/v1/absent", Service: "users", Need: shop.Anyone, Limit: route.Limit{PerMinute: 7}},
	}
	merged, err := merge(routes, 2, docs)
	if err != nil {
		t.Fatal(err)
	}
	text := string(marshal(t, merged))
	if strings.Index(text, `"/api/v1/products"`) > strings.Index(text, `"/api/v1/orders/{id}"`) {
		t.Error("orders come before products")
	}
	if strings.Index(text, `"getCart"`) > strings.Index(text, `"emptyCart"`) {
		t.Error("the operations of a path are not in the order of the table")
	}
	doc := parse(t, text)
	if paths := at(t, doc, "paths").(object); len(paths) != 4 {
		t.Errorf("paths: %v", paths)
	}
	order := at(t, doc, "paths", "/api/v1/orders/{id}", "get")
	if got := at(t, order, "x-rate-limit"); got != "10 a minute per user" {
		t.Errorf("x-rate-limit: %v", got)
	}
	at(t, order, "responses", "429", "headers", "RateLimit-Reset")
	at(t, order, "responses", "503")
	at(t, order, "responses", "503", "headers", "Retry-After")
	at(t, doc, "paths", "/health", "get", "responses", "421")
	at(t, doc, "paths", "/health", "get", "responses", "429", "headers", "Retry-After")
	unhealthy := at(t, doc, "paths", "/health", "get", "responses", "503").(object)
	if unhealthy["description"] != "not healthy" || unhealthy["headers"] != nil {
		t.Errorf("503 of a health check: %v", unhealthy)
	}
	if schemas := at(t, doc, "components", "schemas").(object); len(schemas) != 3 {
		t.Errorf("schemas: %v", schemas)
	}
	if at(t, docs["orders"], "paths", "/orders/{id}", "get").(object)["x-rate-limit"] != nil {
		t.Error("merging changed the service's own document")
	}
}

func TestMergeRefusesAmbiguousNames(t *testing.T) {
	const operation = `{"paths":{"%s":{"get":{"operationId":"%s"}}},"components":{"schemas":{"Item":{"type":"%s"}}}}`
	routes := []route.Route{{Do: "GET /api/v1/a", Service: "orders", Limit: route.Limit{PerMinute: 1}},
		{Do: "GET /api/v1/b", Service: "products", Limit: route.Limit{PerMinute: 1}}}
	for name, other := range map[string]string{
		"an operationId twice": fmt.Sprintf(operation, "/b", "list", "string"),
		"two schemas":          fmt.Sprintf(operation, "/b", "get", "integer"),
	} {
		docs := map[string]object{"orders": parse(t, fmt.Sprintf(operation, "/a", "list", "string")), "products": parse(t, other)}
		if doc, err := merge(routes, 1, docs); err == nil {
			t.Errorf("%s: %v", name, doc)
		}
	}
}

func TestLastDocumentIsServed(t *testing.T) {
	var unavailable atomic.Bool
	sidecar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if unavailable.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("X-Request-Id", "1")
		_, _ = io.WriteString(w, `{"paths":{"/orders":{"get":{"responses":{}}}}}`)
	}))
	defer sidecar.Close()
	routes := []route.Route{{Do: "GET /api/v1/orders", Service: "orders", Need: shop.Anyone, Limit: route.Limit{PerMinute: 1}}}
	d := New(routes, 1, forward.New(strings.TrimPrefix(sidecar.URL, "http://"), "", []string{"orders"}), func() map[string]any { return nil })
	for _, d.at = range []time.Time{{}, {}} { // the second time, the cache has expired
		doc, err := d.Document(t.Context())
		if err != nil || !strings.Contains(string(doc), "/api/v1/orders") {
			t.Errorf("unavailable: %v: %v %.200s", unavailable.Load(), err, doc)
		}
		unavailable.Store(true)
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
