package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sidecart/apps/gateway/internal/cache"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// counted responds with the number of its requests, after a delay.
func counted(requests *atomic.Int32, delay time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		n := requests.Add(1)
		time.Sleep(delay)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
		_, _ = io.WriteString(w, fmt.Sprint(n))
	}
}

func TestConcurrentReadsShareOneRequest(t *testing.T) {
	n := newUpstreams(t)
	var requests atomic.Int32
	n.on("products GET /products/1", counted(&requests, 100*time.Millisecond))
	g := start(t, n)
	var clients sync.WaitGroup
	for range 50 {
		clients.Go(func() {
			if got := g.do(t, "GET /api/v1/products/1", ""); got.status != 200 || got.body != "1" {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	clients.Wait()
	if requests.Load() != 1 {
		t.Errorf("50 concurrent requests made %d requests to the service", requests.Load())
	}
	got := g.do(t, "GET /api/v1/products/1", "")
	if got.header.Get("X-Cache") != "hit" || got.header.Get("Cache-Control") != "public, max-age=1" || got.header.Get("Etag") != `"1"` || got.body != "1" {
		t.Errorf("%s %v", got.body, got.header)
	}
	if got := g.do(t, "GET /api/v1/products/1", "", `If-None-Match: "0", W/"1"`); got.status != 304 || got.body != "" || got.header.Get("Etag") != `"1"` {
		t.Errorf("unchanged: %d %q %v", got.status, got.body, got.header)
	}
	if got := g.do(t, "HEAD /api/v1/products/1", ""); got.status != 200 || got.body != "" || got.header.Get("Content-Length") != "1" {
		t.Errorf("HEAD: %d %q %v", got.status, got.body, got.header)
	}
	kittest.Eventually(t, 2*time.Second, func() error {
		if got := g.do(t, "GET /api/v1/products/1", ""); got.body != "2" || got.header.Get("X-Cache") != "miss" {
			return fmt.Errorf("a response of %s after its TTL, %s", got.body, got.header.Get("X-Cache"))
		}
		return nil
	})
}

// TestWritesDoNotEmptyTheCache: changes, refused or not, cause no further requests to products.
func TestWritesDoNotEmptyTheCache(t *testing.T) {
	n := newUpstreams(t)
	var requests atomic.Int32
	n.on("products GET /products", counted(&requests, 0))
	g := start(t, n)
	user, admin := as(t, kittest.NewCaller(shop.User)), as(t, kittest.NewCaller(shop.Admin))
	reads, began := int32(0), time.Now()
	for ; time.Since(began) < cache.TTL/2; reads++ {
		g.do(t, "POST /api/v1/products/1/notify-me", "{}", user)
		g.do(t, "POST /api/v1/products", "{}", user)
		g.do(t, "POST /api/v1/products", "{}", admin)
		g.do(t, "GET /api/v1/products", "")
	}
	if reads < 2 || requests.Load() != 1 {
		t.Errorf("%d reads between changes made %d requests to the catalogue", reads, requests.Load())
	}
}

// TestAReadIsFreshAfterTheTTL: a slow response is not shared with requests that come later than a TTL after its own,
// and does not replace a newer one.
func TestAReadIsFreshAfterTheTTL(t *testing.T) {
	n := newUpstreams(t)
	var requests atomic.Int32
	started, hold := make(chan struct{}, 8), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(goOn)
	n.on("products GET /products/1", func(w http.ResponseWriter, r *http.Request) {
		body := fmt.Sprint(requests.Add(1))
		if body == "1" {
			started <- struct{}{}
			<-hold
		}
		respondWith(200, "application/json", body)(w, r)
	})
	g := start(t, n)
	old := make(chan string, 1)
	go func() { old <- g.do(t, "GET /api/v1/products/1", "").body }()
	<-started
	later := make(chan string, 1)
	time.AfterFunc(cache.TTL+50*time.Millisecond, func() { later <- g.do(t, "GET /api/v1/products/1", "").body })
	if body := within(t, later); body != "2" {
		t.Errorf("after the TTL: %s", body)
	}
	goOn()
	if body := within(t, old); body != "1" {
		t.Errorf("the first caller got %s", body)
	}
	if got := g.do(t, "GET /api/v1/products/1", ""); got.body != "2" {
		t.Errorf("the late response replaced the newer one: %s", got.body)
	}
}

func TestCacheKeysAreTheQuery(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	g.do(t, "GET /api/v1/products?a=1&b=2", "")
	if got := g.do(t, "GET /api/v1/products?b=%32&a=1", ""); got.header.Get("X-Cache") != "hit" {
		t.Error("the same query in another order was not cached")
	}
	if query := n.lastRequest(t).URL.RawQuery; query != "a=1&b=2" {
		t.Errorf("the service got the query %s", query)
	}
	for _, same := range []string{"?a=1&b=2&utm_source=mail&gclid=1", "?fbclid=x&b=2&a=1&utm_source=x&utm_source=y", "?&a=1&&b=2&"} {
		if got := g.do(t, "GET /api/v1/products"+same, ""); got.header.Get("X-Cache") != "hit" {
			t.Errorf("%q is another query", same)
		}
	}
	for _, broken := range []string{"?a=%zz", "?a=1%2", "?a=%", "?utm_source=%g1"} {
		if got := g.raw(t, "GET /api/v1/products"+broken+" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%q: %.300s", broken, got)
		}
	}
	g.raw(t, "GET /api/v1/products?q=caf\u00e9;x+y%20z&a=\xff HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
	if query := n.lastRequest(t).URL.RawQuery; query != "a=%FF&q=caf%C3%A9%3Bx+y+z" {
		t.Errorf("the service got the query %s", query)
	}
	for _, other := range []string{"?a=1", "?a=1&b=3", "?a=1&b=2&b=3", ""} {
		if got := g.do(t, "GET /api/v1/products"+other, ""); got.header.Get("X-Cache") != "miss" {
			t.Errorf("%q got the response to another query", other)
		}
	}
	for _, path := range []string{"/api/v1/products", "/api/v1/notifications/opened"} {
		if got := g.do(t, "GET "+path+"?q="+strings.Repeat("x", 7000), ""); got.status != 413 {
			t.Errorf("%s: a query no sidecar would take: %d", path, got.status)
		}
	}
}

func TestCacheStoresOnlySuccessfulPublicResponses(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	for name, handler := range map[string]http.HandlerFunc{
		"not there": respondWith(404, fault.ContentType, `{"code":"product_not_found"}`),
		"a failure": respondWith(500, fault.ContentType, `{"code":"internal"}`),
		"private": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "private")
		},
		"a cookie": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "a=b")
		},
		"too large": respondWith(200, "application/json", strings.Repeat("x", 1<<18)),
	} {
		n.on("products GET /products/1", handler)
		g.do(t, "GET /api/v1/products/1", "")
		if got := g.do(t, "GET /api/v1/products/1", ""); got.header.Get("X-Cache") != "miss" {
			t.Errorf("%s was cached", name)
		}
	}
}
