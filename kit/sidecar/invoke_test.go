package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// TestInvokeKeepsRetryAfter: the Retry-After of the app or of a sidecar reaches the caller's client.
func TestInvokeKeepsRetryAfter(t *testing.T) {
	const problem = `{"status":503,"code":"busy","detail":"d"}`
	for _, c := range []struct {
		name, contentType, header, want string
		status                          int
	}{
		{"a fault with it", "application/problem+json", "7", "7", 503},
		{"a fault without it", "application/problem+json", "", "", 503},
		{"a sidecar's 429 with it", "text/plain", "9", "9", 429},
		{"a sidecar's 429 without it", "text/plain", "", "2", 429},
		{"a sidecar's 503 with it", "text/plain", "9", "9", 503},
		{"a sidecar's 503 without it", "text/plain", "", "2", 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, problem)
			}))
			t.Cleanup(server.Close)
			s := sidecar.At(strings.TrimPrefix(server.URL, "http://"), "", server.Client())
			app := web.New("orders", web.Config{})
			web.Handle(app, "GET /x", shop.Anyone, func(ctx context.Context, _ shop.Caller, _ web.None) (web.None, error) {
				return web.None{}, s.Invoke(ctx, sidecar.Endpoint{App: "products", Method: "GET", Path: "/x"}, nil, nil)
			})
			res, err := app.Test(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close() //nolint:errcheck // a test's
			if got := res.Header.Get("Retry-After"); res.StatusCode != http.StatusServiceUnavailable || got != c.want {
				t.Errorf("%d with Retry-After %q, want 503 with %q", res.StatusCode, got, c.want)
			}
		})
	}
}

// TestRateLimitsDoNotOpenTheBreaker: the 429 of a sidecar's own limit does not open the breaker.
func TestRateLimitsDoNotOpenTheBreaker(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(server.Close)
	s := sidecar.At(strings.TrimPrefix(server.URL, "http://"), "", server.Client())
	for range 2 * sidecar.FailuresToOpen {
		err := s.Invoke(t.Context(), sidecar.Endpoint{App: "products", Method: "GET", Path: "/x"}, nil, nil)
		if !errors.Is(err, sidecar.ErrUpstream) {
			t.Errorf("got %v", err)
		}
	}
	if calls != 2*sidecar.FailuresToOpen {
		t.Errorf("only %d calls reached the sidecar", calls)
	}
}

// TestInvoke has an HTTP server at the edge of the process where the sidecar would be.
func TestInvoke(t *testing.T) {
	short := fault.New(fault.Conflict, "out_of_stock", "not enough left")
	var seen *http.Request
	respond := func(http.ResponseWriter) {}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		respond(w)
	}))
	t.Cleanup(server.Close)
	s := sidecar.At(strings.TrimPrefix(server.URL, "http://"), "the sidecar's token", server.Client())
	respondWith := func(status int, contentType, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("X-Request-Id", "1") // as all responses of kit/web
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}
	}
	const daprError = `{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: products, err: connection refused"}`
	for _, c := range []struct {
		name    string
		respond func(http.ResponseWriter)
		want    error
	}{
		{"a response", respondWith(200, "application/json", `{"name":"x"}`), nil},
		{"a fault survives", respondWith(409, "application/problem+json", `{"status":409,"code":"out_of_stock","detail":"d","errors":{"items[0].quantity":"only 1 left"}}`), short},
		{"the sidecar cannot reach it", respondWith(500, "application/json", daprError), sidecar.ErrUpstream},
		{"the breaker is open", respondWith(500, "application/json", `{"errorCode":"ERR_DIRECT_INVOKE","message":"circuit breaker is open"}`), sidecar.ErrUpstream},
		{"nothing we know", respondWith(502, "text/html", `<h1>bad gateway</h1>`), sidecar.ErrUpstream},
	} {
		respond = c.respond
		var out struct{ Name string }
		err := s.Invoke(t.Context(), sidecar.Endpoint{App: "products", Method: "PUT", Path: "/reservations/7"}, map[string]int{"n": 1}, &out)
		if !errors.Is(err, c.want) || (err == nil && out.Name != "x") {
			t.Errorf("%s: %v", c.name, err)
		}
		if errors.Is(c.want, short) && fault.Of(err).Fields["items[0].quantity"] != "only 1 left" {
			t.Errorf("%s lost its fields: %+v", c.name, err)
		}
	}
	respond = respondWith(500, "application/problem+json", `{"status":500,"code":"internal","detail":"oops"}`)
	if err := s.Invoke(t.Context(), sidecar.Endpoint{App: "products", Method: "GET", Path: "/x"}, nil, nil); fault.Of(err).Kind != fault.Internal {
		t.Errorf("their bug is %v", err)
	}
	respond = func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) }
	if err := s.Invoke(t.Context(), sidecar.Endpoint{App: "products", Method: "POST", Path: "/x"}, nil, nil); !errors.Is(err, sidecar.ErrUpstream) {
		t.Errorf("no response, but: %v", err)
	}
	if seen.Header.Get("dapr-app-id") != "products" || seen.Header.Get("dapr-api-token") != "the sidecar's token" || seen.URL.Path != "/x" {
		t.Errorf("called %s with %v", seen.URL, seen.Header)
	}
	respond = respondWith(503, "text/plain", "down")
	for range sidecar.FailuresToOpen {
		_ = s.Invoke(t.Context(), sidecar.Endpoint{App: "orders", Method: "GET", Path: "/x"}, nil, nil) // which it is must not matter to the others
	}
	seen = nil
	if err := s.Invoke(t.Context(), sidecar.Endpoint{App: "orders", Method: "GET", Path: "/x"}, nil, nil); !errors.Is(err, sidecar.ErrUpstream) || seen != nil {
		t.Errorf("after %d calls without a response it was called again (%v): %v", sidecar.FailuresToOpen, seen != nil, err)
	}
	respond = respondWith(409, "application/problem+json", `{"status":409,"code":"out_of_stock","detail":"d"}`)
	for range 3 * sidecar.FailuresToOpen {
		if err := s.Invoke(t.Context(), sidecar.Endpoint{App: "products", Method: "GET", Path: "/x"}, nil, nil); !errors.Is(err, short) {
			t.Fatalf("a refusal is a response: %v", err)
		}
	}
	kittest.Eventually(t, 2*sidecar.OpenFor, func() error {
		if err := s.Invoke(t.Context(), sidecar.Endpoint{App: "orders", Method: "GET", Path: "/x"}, nil, nil); !errors.Is(err, short) {
			return fmt.Errorf("it responds again, but: %w", err)
		}
		return nil
	})
	server.Close()
	if err := s.Invoke(t.Context(), sidecar.Endpoint{App: "products", Method: "GET", Path: "/x"}, nil, nil); !errors.Is(err, sidecar.ErrUpstream) {
		t.Errorf("without a sidecar: %v", err)
	}
}
