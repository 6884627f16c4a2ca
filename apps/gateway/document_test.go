package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"sidecart/apps/gateway/internal/route"
)

// serviceDocuments lets each service describe its routes of the table, and one more that is internal.
func serviceDocuments(n *upstreams) {
	for _, service := range []string{"users", "products", "orders", "notifications"} {
		paths := map[string]map[string]any{"/internal/" + service: {"get": map[string]any{"responses": map[string]any{}}}}
		for _, r := range route.Table {
			if r.Service != service {
				continue
			}
			path := route.ServicePath(r.Path())
			if paths[path] == nil {
				paths[path] = map[string]any{}
			}
			paths[path][strings.ToLower(r.Method())] = map[string]any{
				"operationId": r.Do, "x-permission": string(r.Need), "responses": map[string]any{"200": map[string]any{"description": "Success"}},
			}
		}
		text, err := json.Marshal(map[string]any{"paths": paths})
		if err != nil {
			panic(err)
		}
		n.on(service+" GET /openapi.json", respondWith(200, "application/json", string(text)))
	}
}

func TestDocumentIsTheTable(t *testing.T) {
	n := newUpstreams(t)
	serviceDocuments(n)
	g := start(t, n)
	got := g.do(t, "GET /openapi.json", "")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(got.body), &doc); err != nil || got.status != 200 || doc.OpenAPI != "3.1.0" {
		t.Fatalf("%d %v %.200s", got.status, err, got.body)
	}
	for _, r := range route.Table {
		operation := doc.Paths[r.Path()][strings.ToLower(r.Method())]
		if operation == nil || operation["x-permission"] != string(r.Need) {
			t.Errorf("%s: %v", r.Do, operation)
		}
		delete(doc.Paths[r.Path()], strings.ToLower(r.Method()))
	}
	for path, operations := range doc.Paths {
		for method := range operations {
			if !strings.HasPrefix(path, "/health") {
				t.Errorf("%s %s is documented and not in the table", method, path)
			}
		}
	}
	requests := n.count()
	for range 10 {
		g.do(t, "GET /openapi.json", "")
	}
	if n.count() != requests {
		t.Errorf("10 more readers made %d requests to the services", n.count()-requests)
	}
}

func TestDocumentWithoutSomeServices(t *testing.T) {
	n := newUpstreams(t)
	serviceDocuments(n)
	n.on("orders GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	g := start(t, n)
	got := g.do(t, "GET /openapi.json", "")
	if got.status != 200 || strings.Contains(got.body, `"/api/v1/orders":`) || !strings.Contains(got.body, `"/api/v1/products":`) {
		t.Errorf("%d %.300s", got.status, got.body)
	}
}

func TestDocumentsPageLoadsNothingFromElsewhere(t *testing.T) {
	g := start(t, newUpstreams(t))
	got := g.do(t, "GET /docs", "")
	for _, attribute := range []string{`src="http`, `href="http`, `src="//`, `href="//`} {
		if got.status != 200 || strings.Contains(got.body, attribute) {
			t.Errorf("%d: %s in the page", got.status, attribute)
		}
	}
	if got := g.do(t, "GET /docs/swagger-ui-bundle.js", ""); got.status != 200 || len(got.body) < 100_000 {
		t.Errorf("the page's script: %d, %d bytes", got.status, len(got.body))
	}
}
