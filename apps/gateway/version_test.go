package main

import (
	"strings"
	"testing"
	"time"

	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestBothVersionsAreServed(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	alice := as(t, kittest.NewCaller(shop.User))
	for path, want := range map[string]struct{ version, servicePath string }{
		"/api/v1/orders/7": {"1", "/orders/7"}, "/api/v2/orders/7": {"2", "/v2/orders/7"},
	} {
		got := g.do(t, "GET "+path, "", alice)
		if got.status != 200 || got.header.Get("X-Api-Version") != want.version || n.lastRequest(t).URL.Path != want.servicePath {
			t.Errorf("%s: %d, version %q, the service got %s", path, got.status, got.header.Get("X-Api-Version"), n.lastRequest(t).URL.Path)
		}
		if got := g.do(t, "GET "+path, ""); got.status != 401 || got.header.Get("X-Api-Version") != want.version {
			t.Errorf("%s without a token: %d %v", path, got.status, got.header)
		}
	}
	servicePath := n.count()
	for _, path := range []string{"/api/v3/orders/7", "/api/v2/products", "/v2/orders/7", "/api/v1/v2/orders/7"} {
		if got := g.do(t, "GET "+path, "", alice); got.status != 404 || n.count() != servicePath {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

func TestDeprecatedRoutesAreMarked(t *testing.T) {
	g := start(t, newUpstreams(t))
	alice := as(t, kittest.NewCaller(shop.User))
	got := g.do(t, "GET /api/v1/orders/7", "", alice)
	if got.header.Get("Deprecation") != "@1798761600" || got.header.Get("Sunset") != "Sat, 01 Jan 2028 00:00:00 GMT" ||
		got.header.Get("Link") != `</api/v2/orders/7>; rel="successor-version"` {
		t.Errorf("%v", got.header)
	}
	if got := g.do(t, "GET /api/v1/orders/7", ""); got.header.Get("Deprecation") == "" {
		t.Errorf("a refusal: %v", got.header)
	}
	for _, path := range []string{"/api/v2/orders/7", "/api/v1/orders"} {
		if got := g.do(t, "GET "+path, "", alice); got.header.Get("Deprecation")+got.header.Get("Sunset")+got.header.Get("Link") != "" {
			t.Errorf("%s: %v", path, got.header)
		}
	}
	undecided := start(t, newUpstreams(t), func(_ *settings, routes *[]route.Route) {
		for i := range *routes {
			(*routes)[i].Deprecated = route.Deprecation{Since: time.Unix(1, 0)}
		}
	})
	if got := undecided.do(t, "GET /api/v1/products", ""); got.header.Get("Deprecation") != "@1" || got.header.Get("Sunset") != "" || got.header.Get("Link") != "" {
		t.Errorf("no end and nothing after it: %v", got.header)
	}
	n := newUpstreams(t)
	serviceDocuments(n)
	if doc := start(t, n).do(t, "GET /openapi.json", "").body; !strings.Contains(doc, `"deprecated":true`) || !strings.Contains(doc, `"x-sunset":"2028-01-01"`) {
		t.Error("the documents do not mark it")
	}
}
