package main

import (
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestBodiesOfReads: a body that no one would read is refused, not dropped, and reaches no service.
func TestBodiesOfReads(t *testing.T) {
	g := start(t, newUpstreams(t))
	for _, path := range []string{"/api/v1/products", "/api/v1/products/1", "/api/v1/orders", "/", "/live",
		"/health", "/health/ready", "/health/services", "/openapi.json", "/docs", "/docs/swagger-ui.css"} {
		for _, method := range []string{"GET ", "HEAD "} {
			before := g.upstreams.count()
			if got := g.do(t, method+path, `{"limit":5}`, as(t, kittest.NewCaller(shop.User))); got.status != 422 {
				t.Errorf("%s%s: %d %s", method, path, got.status, got.body)
			}
			if got := g.do(t, method+path, `{`, as(t, kittest.NewCaller(shop.User))); got.status != 400 {
				t.Errorf("%s%s, malformed: %d %s", method, path, got.status, got.body)
			}
			if g.upstreams.count() != before {
				t.Errorf("%s%s reached a service", method, path)
			}
		}
	}
	if got := g.do(t, "GET /nothing", `{`); got.status != 404 {
		t.Errorf("an unknown path with a body: %d %s", got.status, got.body)
	}
	if got := g.do(t, "GET /api/v1/products", `{}`); got.status != 200 {
		t.Errorf("an empty object: %d %s", got.status, got.body)
	}
}
