package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestSidecarErrorsAreRecognised(t *testing.T) {
	const invoke = `{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: orders, err: %s"}`
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		want    int
		code    string
	}{
		{"unknown app id", respondWith(500, "application/json", fmt.Sprintf(invoke, "couldn't find service: orders")), 503, "service_unavailable"},
		{"its app is down", respondWith(500, "application/json", fmt.Sprintf(invoke, "rpc error: code = Internal desc = error invoking app channel: connection refused")), 503, "service_unavailable"},
		{"not allowed", respondWith(403, "application/json", fmt.Sprintf(invoke, "rpc error: code = PermissionDenied")), 503, "service_unavailable"},
		{"token of the sidecar refused", respondWith(401, "text/plain", "invalid api token"), 503, "service_unavailable"},
		{"the sidecar gave up", respondWith(500, "application/json", fmt.Sprintf(invoke, "context deadline exceeded")), 504, "timed_out"},
		{"the sidecar's guard", respondWith(429, "text/plain", "You have reached maximum request limit."), 429, "rate_limited"},
		{"cut off, and the sidecar does not notice", func(w http.ResponseWriter, _ *http.Request) { w.Header().Del("X-Request-Id") }, 503, "service_unavailable"},
		{"hung up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503, "service_unavailable"},
		{"a service's own 503", respondWith(503, fault.ContentType, `{"code":"unavailable"}`), 503, `{"code":"unavailable"}`},
		{"a service's own 500", respondWith(500, fault.ContentType+"; charset=utf-8", `{"code":"internal"}`), 500, `{"code":"internal"}`},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { time.Sleep(600 * time.Millisecond) }, 504, "timed_out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newUpstreams(t)
			g := start(t, n, deadline(300*time.Millisecond))
			for _, do := range []string{"GET /api/v1/orders", "POST /api/v1/orders", "GET /api/v1/products"} {
				_, path, _ := strings.Cut(do, " /api/v1")
				n.on(path[1:]+" "+strings.Replace(do, "/api/v1", "", 1), test.handler)
				got := g.do(t, do, map[bool]string{true: "{}"}[strings.HasPrefix(do, "POST")], as(t, kittest.NewCaller(shop.User)))
				if got.status != test.want || !strings.Contains(got.body, test.code) || !strings.HasPrefix(got.header.Get("Content-Type"), fault.ContentType) {
					t.Errorf("%s: %d %s", do, got.status, got.body)
				}
				if strings.Contains(got.body, "invoke") || got.header.Get("X-Request-Id") == "" {
					t.Errorf("%s: %s %v", do, got.body, got.header)
				}
				if test.code == "rate_limited" && got.header.Get("Retry-After") != "1" {
					t.Errorf("%s: Retry-After %q", do, got.header.Get("Retry-After"))
				}
				if test.code == "service_unavailable" && got.header.Get("Retry-After") != "2" {
					t.Errorf("%s: Retry-After %q", do, got.header.Get("Retry-After"))
				}
			}
		})
	}
}

// TestForwardKeepsRetryAfter: the header reaches the client, whether a service or a sidecar set it.
func TestForwardKeepsRetryAfter(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	for _, c := range []struct {
		name, contentType, header, want string
		status                          int
	}{
		{"a service's 503", fault.ContentType, "7", "7", 503},
		{"a sidecar's 429", "text/plain", "9", "9", 429},
		{"a sidecar's 429 without it", "text/plain", "", "1", 429},
		{"a sidecar's 503", "text/plain", "9", "9", 503},
		{"a sidecar's 503 without it", "text/plain", "", "2", 503},
	} {
		for _, path := range []string{"/orders", "/products"} { // the second goes through the cache
			n.on(path[1:]+" GET "+path, func(w http.ResponseWriter, r *http.Request) {
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				respondWith(c.status, c.contentType, `{"code":"busy"}`)(w, r)
			})
			got := g.do(t, "GET /api/v1"+path, "", as(t, kittest.NewCaller(shop.User)))
			if got.status != c.status || got.header.Get("Retry-After") != c.want {
				t.Errorf("%s: GET %s: %d with Retry-After %q, want %d with %q", c.name, path, got.status, got.header.Get("Retry-After"), c.status, c.want)
			}
		}
	}
}

func TestBreakerCountsOnlyMissingResponses(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	do := func() response { return g.do(t, "POST /api/v1/auth/login", "{}") }
	n.on("users POST /auth/login", respondWith(401, fault.ContentType, `{"code":"credentials_wrong"}`))
	for range 20 {
		if got := do(); got.status != 401 {
			t.Fatalf("a wrong password: %d", got.status)
		}
	}
	n.on("users POST /auth/login", respondWith(431, "text/plain", "431 Request Header Fields Too Large"))
	for range 20 {
		do()
	}
	n.on("users POST /auth/login", nil)
	if got := do(); got.status != 200 {
		t.Fatalf("what clients send opened the breaker: %d", got.status)
	}
	n.on("users POST /auth/login", respondWith(500, "application/json", `{"errorCode":"ERR_DIRECT_INVOKE"}`))
	for range 5 {
		do()
	}
	requests := n.count()
	if got := do(); got.status != 503 || n.count() != requests {
		t.Errorf("open: %d, %d more requests", got.status, n.count()-requests)
	}
	if got := g.do(t, "GET /api/v1/products", ""); got.status != 200 {
		t.Errorf("another service: %d", got.status)
	}
	n.on("users POST /auth/login", nil)
	kittest.Eventually(t, 5*time.Second, func() error {
		if got := do(); got.status != 200 {
			return fmt.Errorf("not closed again: %d", got.status)
		}
		return nil
	})
}

func TestForwardSurvivesItsSidecar(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	alice := as(t, kittest.NewCaller(shop.User))
	g.do(t, "GET /api/v1/orders", "", alice)
	n.CloseClientConnections() // replaced by a new sidecar at the same address
	if got := g.do(t, "GET /api/v1/orders", "", alice); got.status != 200 {
		t.Errorf("a read on a closed connection: %d %s", got.status, got.body)
	}
	n.Close()
	if got := g.do(t, "POST /api/v1/orders", "{}", alice); got.status != 503 || !strings.Contains(got.body, "service_unavailable") {
		t.Errorf("no sidecar: %d %s", got.status, got.body)
	}
}
