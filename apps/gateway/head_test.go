package main

import (
	"net/http"
	"strings"
	"testing"

	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestHead: every GET route responds to HEAD as to GET, without a body; a path without GET does not allow it.
func TestHead(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	root := as(t, kittest.NewCaller(shop.Admin))
	reads := map[string]bool{"/": true, "/health": true, "/health/ready": true, "/docs": true, "/openapi.json": true, "/verify-email": true}
	for _, r := range route.Table {
		path := named.ReplaceAllString(r.Path(), "1")
		if reads[path] = reads[path] || r.Reads(); !r.Reads() {
			continue
		}
		n.on(r.Service+" GET "+route.ServicePath(path), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Cache-Control", "public, max-age=60")
			respondWith(200, "application/json", `{"some":"body"}`)(w, nil)
		})
	}
	delete(reads, "/api/v1/products/import") // HEAD is that of a product
	for path, reads := range reads {
		head := g.do(t, "HEAD "+path, "", root)
		switch {
		case !reads:
			if head.status != 405 || strings.Contains(head.header.Get("Allow"), "HEAD") {
				t.Errorf("HEAD %s: %d, Allow: %s", path, head.status, head.header.Get("Allow"))
			}
		case strings.HasSuffix(path, "/stream"): // a GET does not end
			if head.status != 200 || head.header.Get("Content-Type") != "text/event-stream" || head.header.Get("Cache-Control") != "no-store" {
				t.Errorf("HEAD %s: %d %v", path, head.status, head.header)
			}
		default:
			sameHead(t, path, head, g.do(t, "GET "+path, "", root))
		}
	}
	for _, do := range []string{"HEAD /api/v1/notifications/stream", "HEAD /api/v1/analytics/requests", "HEAD /api/v1/orders"} {
		if got := g.do(t, do, ""); got.status != 401 {
			t.Errorf("%s without a token: %d", do, got.status)
		}
	}
	if got := g.do(t, "HEAD /api/v1/analytics/requests?minutes=61", "", root); got.status != 422 || got.body != "" {
		t.Errorf("HEAD of an invalid query: %d", got.status)
	}
}

func sameHead(t *testing.T, path string, head, get response) {
	t.Helper()
	if head.status != get.status || get.status != 200 || head.body != "" || get.body == "" {
		t.Errorf("%s: HEAD %d %q, GET %d %q", path, head.status, head.body, get.status, get.body)
	}
	for _, name := range []string{"Content-Type", "Content-Length", "Etag", "Cache-Control"} {
		if name == "Content-Length" && path == "/api/v1/analytics/requests" {
			continue // the report counts the HEAD, too
		}
		if head.header.Get(name) != get.header.Get(name) {
			t.Errorf("%s: HEAD has %s %q, GET %q", path, name, head.header.Get(name), get.header.Get(name))
		}
	}
}
