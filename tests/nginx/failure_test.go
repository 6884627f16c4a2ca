package nginx_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sidecart/tests/nginx"
)

// TestGatewayDown: another gateway responds, and without any the response is a problem with Retry-After.
func TestGatewayDown(t *testing.T) {
	one, two := newGateway(t, nil), newGateway(t, nil)
	server := start(t, nginx.Options{Gateways: []string{one.addr(), two.addr()}})
	for range 20 {
		get(t, server.URL+"/x")
	}
	if a, b := one.requests.Load(), two.requests.Load(); a < 5 || b < 5 {
		t.Errorf("the gateways got %d and %d of 20 requests", a, b)
	}
	one.Close()
	for _, method := range []string{"GET", "POST", "PATCH", "GET"} {
		for range 5 {
			if res, body := send(t, method, server.URL+"/x"); res.StatusCode != http.StatusOK {
				t.Errorf("%s with one gateway: %d %s", method, res.StatusCode, body)
			}
		}
	}
	two.Close()
	for _, method := range []string{"GET", "PUT"} {
		res, body := send(t, method, server.URL+"/x")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || !strings.Contains(body, `"service_unavailable"`) {
			t.Errorf("%s without a gateway: %d %v %s", method, res.StatusCode, res.Header, body)
		}
		checkOwn(t, method, res)
	}
}

// TestOnlyReadsAreSentTwice: a gateway that dies with a request in its hands gets it no second time, unless it reads.
func TestOnlyReadsAreSentTwice(t *testing.T) {
	die := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		must(t, err)
		must(t, conn.Close())
	}
	for method, want := range map[string]int64{"GET": 2, "HEAD": 2, "POST": 1, "PATCH": 1, "PUT": 1, "DELETE": 1, "OPTIONS": 1} {
		for _, path := range []string{"/api/v1/cart", "/api/v1/products"} {
			one, two := newGateway(t, die), newGateway(t, die)
			server := start(t, nginx.Options{Gateways: []string{one.addr(), two.addr()}})
			res, body := send(t, method, server.URL+path)
			if n := one.requests.Load() + two.requests.Load(); n != want || res.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s %s was sent %d times, want %d: %d %s", method, path, n, want, res.StatusCode, body)
			}
		}
	}
}

// TestMaintenance is switched with a file.
func TestMaintenance(t *testing.T) {
	g := newGateway(t, nil)
	server := start(t, nginx.Options{Gateways: []string{g.addr()}})
	file := filepath.Join(server.Dir, "maintenance")
	must(t, os.WriteFile(file, nil, 0o600))
	for _, call := range []string{"GET /", "PUT /api/v1/cart/items/1", "GET /api/v1/products", "GET /api/v1/notifications/stream"} {
		method, path, _ := strings.Cut(call, " ")
		res, body := send(t, method, server.URL+path)
		if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, `"service_unavailable"`) || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", call, res.StatusCode, body)
		}
		res, body = send(t, method, server.URL+path, "Accept", "text/html,*/*")
		if res.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, "Back soon") {
			t.Errorf("%s: %d %s", call, res.StatusCode, body)
		}
	}
	if n := g.requests.Load(); n != 0 {
		t.Errorf("%d requests reached the gateway", n)
	}
	must(t, os.Remove(file))
	if res, _ := get(t, server.URL+"/"); res.StatusCode != http.StatusOK {
		t.Errorf("after maintenance: %d", res.StatusCode)
	}
}

// TestConnectionsOfOneAddress are limited, those of another are not.
func TestConnectionsOfOneAddress(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{}, 400)
	g := newGateway(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			arrived <- struct{}{}
			<-release
		}
	})
	server := start(t, nginx.Options{Gateways: []string{g.addr()}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	defer close(release)
	for range 256 {
		go func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/wait", nil)
			if res, err := direct.Do(req); err == nil {
				_ = res.Body.Close()
			}
		}()
	}
	for range 256 {
		<-arrived
	}
	res, body := get(t, server.URL+"/x")
	if res.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, `"rate_limited"`) || res.Header.Get("Retry-After") == "" {
		t.Errorf("the 257th: %d %s", res.StatusCode, body)
	}
	other := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.3.2.1")}}).DialContext}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/x", nil)
	must(t, err)
	response, err := other.Do(req)
	must(t, err)
	if res, body := read(t, response); res.StatusCode != http.StatusOK {
		t.Errorf("another address: %d %s", res.StatusCode, body)
	}
}
