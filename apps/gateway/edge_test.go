package main

import (
	"crypto/rand"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sidecart/apps/gateway/internal/edge"
	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/auth"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// none is a token of algorithm none with the claims of a valid one.
func none(t *testing.T, caller shop.Caller) string {
	t.Helper()
	valid := strings.Split(as(t, caller), ".")
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	return "Authorization: Bearer " + head + "." + valid[1] + "."
}

// hmac is a token signed with the public key as if it were a secret.
func hmac(t *testing.T, caller shop.Caller) string {
	t.Helper()
	jwk := kittest.Signer.JWKS().Keys[0]
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": auth.Issuer, "aud": auth.Audience, "sub": caller.ID.String(), "role": "admin", "exp": time.Now().Add(time.Hour).Unix(),
	})
	token.Header["kid"] = jwk.ID
	text, err := token.SignedString([]byte(jwk.X))
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: Bearer " + text
}

func signed(t *testing.T, signer *auth.Signer, caller shop.Caller, ttl time.Duration) string {
	t.Helper()
	token, err := signer.Sign(caller, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: Bearer " + token
}

func otherSigner(t *testing.T) *auth.Signer {
	t.Helper()
	seed := make([]byte, 32)
	_, _ = rand.Read(seed) // never fails
	signer, err := auth.NewSigner(base64.StdEncoding.EncodeToString(seed))
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestEdgeChecksTokens(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	alice, root := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	for _, test := range []struct {
		name, token string
		want        int
		code        string
	}{
		{"none at all", "X-No: token", 401, "token_missing"},
		{"empty", "Authorization: Bearer ", 401, "token_missing"},
		{"another scheme", "Authorization: Basic ZGFwci1hcHAtaWQ6dXNlcnM=", 401, "token_missing"},
		{"rubbish", "Authorization: Bearer rubbish", 401, "token_invalid"},
		{"expired", signed(t, kittest.Signer, root, -time.Minute), 401, "token_expired"},
		{"another key", signed(t, otherSigner(t), root, time.Minute), 401, "token_invalid"},
		{"alg none", none(t, root), 401, "token_invalid"},
		{"the public key as a secret", hmac(t, root), 401, "token_invalid"},
		{"changed", as(t, root) + "x", 401, "token_invalid"},
		{"a user", as(t, alice), 403, "forbidden"},
		{"an unknown role", as(t, kittest.NewCaller("superuser")), 403, "forbidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, do := range []string{"POST /api/v1/categories", "GET /api/v1/users", "GET /api/v1/products/1/inventory"} {
				got := g.do(t, do, map[bool]string{true: "{}"}[do[0] == 'P'], test.token)
				if got.status != test.want || !strings.Contains(got.body, test.code) {
					t.Errorf("%s: %d %s", do, got.status, got.body)
				}
				if got.status == 401 && got.header.Get("Www-Authenticate") != "Bearer" {
					t.Errorf("%s: no WWW-Authenticate", do)
				}
			}
		})
	}
	if n.count() > 0 {
		t.Errorf("the services got %d requests", n.count())
	}
	if got := g.do(t, "POST /api/v1/categories", "{}", as(t, root)); got.status != 200 {
		t.Errorf("an admin: %d %s", got.status, got.body)
	}
	if got := g.do(t, "GET /api/v1/users/me", "", as(t, alice)); got.status != 200 {
		t.Errorf("a user's own: %d %s", got.status, got.body)
	}
}

var named = regexp.MustCompile(`\{\w+\}`)

// Every route of the table requires its permission, also a new one.
func TestEdgeChecksPermissions(t *testing.T) {
	g := start(t, newUpstreams(t))
	alice, root := as(t, kittest.NewCaller(shop.User)), as(t, kittest.NewCaller(shop.Admin))
	for _, r := range route.Table {
		do := named.ReplaceAllString(r.Do, "1")
		if r.Service == route.Gateway {
			continue // it calls no service, and has a test of its own
		}
		anonymous, user, admin := g.do(t, do, "").status, g.do(t, do, "", alice).status, g.do(t, do, "", root).status
		want := map[bool][3]int{true: {200, 200, 200}, false: {401, 403, 200}}[r.Need == shop.Anyone]
		if r.Need == shop.SignedIn {
			want = [3]int{401, 200, 200}
		}
		if got := [3]int{anonymous, user, admin}; got != want {
			t.Errorf("%s: %v, want %v", r.Do, got, want)
		}
		if request := g.upstreams.lastRequest(t); request.Header.Get("dapr-app-id") != r.Service || request.URL.Path != route.ServicePath(strings.TrimPrefix(do, r.Method()+" ")) {
			t.Errorf("%s went to %s %s", r.Do, request.Header.Get("dapr-app-id"), request.URL.Path)
		}
	}
}

func TestEdgeServesOnlyItsRoutes(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	root := as(t, kittest.NewCaller(shop.Admin))
	for _, path := range []string{
		"/metrics", "/dapr/config", "/dapr/subscribe", "/healthz", "/v1.0/invoke/users/method/users", "/api/v1", "/api/v1/",
		"/api/v1/reservations/1", "/reservations/1", "/orders", "/users", "/job/x", "/events/orders", "/debug/pprof/",
		"/api/v1/products/", "/api/v1/products//1", "//api/v1/products", "//127.0.0.1/api/v1/products", "/api/v1/Products", "/API/v1/products",
		"/api/v1/products/..", "/api/v1/products/../orders", "/api/v1/products/./1", "/api/v1/products/%2e%2e/orders",
		"/api/v1/products/1%2finventory", "/api/v1/products/1%2Finventory", "/api/v1/%70roducts", "/api/v1/products/1;x=1", "/api/v1/products/1\\",
		"/api/v1/products/1/", "/api/v1/products/1/x", "/api/v1/products%00", "/api/v1/products/%2e", "/api/v1/products/" + strings.Repeat("1", 2000),
		"/.well-known/", "/.well-known/jwks.json/", "/.well-known/../orders", "/openapi.json/", "/health/", "/Health", "/docs/../metrics",
		"http://127.0.0.1/api/v1/products", "api/v1/products", "*",
	} {
		got := g.raw(t, "GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"+root+"\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 404 ") && !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "application/problem+json") {
			t.Errorf("%s: %.100s", path, got)
		}
	}
	if n.count() > 0 {
		t.Errorf("the services got %s", n.lastRequest(t).URL)
	}
}

func TestEdgeRefusesAmbiguousHeads(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	for name, lines := range map[string]string{
		"length and chunks": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "chunks and length": "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
		"a bare line end": "X: y\nTransfer-Encoding: chunked\r\n", "a folded line": "Transfer-Encoding: chunked\r\nX: y\r\n z\r\n",
		"a folded line with a tab": "Transfer-Encoding:\r\n\tchunked\r\n",
	} {
		got := g.raw(t, "POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\n"+lines+"\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("%s: %s", name, got)
		}
	}
	if n.count() > 0 {
		t.Errorf("the services got %d requests", n.count())
	}
}

func TestEdgeSetsAllow(t *testing.T) {
	g := start(t, newUpstreams(t))
	for do, allow := range map[string]string{
		"DELETE /api/v1/products": "GET, HEAD, POST", "TRACE /api/v1/products": "GET, HEAD, POST", "OPTIONS /api/v1/orders/1": "GET, HEAD",
		"GET /api/v1/auth/login": "POST", "POST /health": "GET, HEAD", "PUT /openapi.json": "GET, HEAD", "CONNECT /health": "GET, HEAD",
		"BREW /api/v1/products": "GET, HEAD, POST", "get /health": "GET, HEAD",
	} {
		got := g.do(t, do, "")
		if got.status != 405 || got.header.Get("Allow") != allow || !strings.Contains(got.body, "method_not_allowed") {
			t.Errorf("%s: %d %q %s", do, got.status, got.header.Get("Allow"), got.body)
		}
	}
}

func TestEdgeChecksHosts(t *testing.T) {
	g := start(t, newUpstreams(t))
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:8000": 200, "shop.example.com": 200, "SHOP.example.com:443": 200,
		"evil.example.com": 421, "shop.example.com.evil.com": 421, "[::1]:8000": 421, "localhost": 421, "10.0.0.1": 421,
	} {
		for _, path := range []string{"/api/v1/products", "/health/ready", "/openapi.json", "/nothing"} {
			got := g.do(t, "GET "+path, "", "Host: "+host)
			if (got.status == 421) != (want == 421) || want == 421 && !strings.Contains(got.body, "misdirected") {
				t.Errorf("%s of %s: %d %s", path, host, got.status, got.body)
			}
		}
	}
	closed := start(t, newUpstreams(t), edgeConfig(func(c *edge.Config) { c.Hosts = []string{"shop.example.com"} }))
	if got := closed.do(t, "GET /health", ""); got.status != 200 {
		t.Errorf("a probe by address: %d %s", got.status, got.body)
	}
	if got := closed.do(t, "GET /api/v1/products", ""); got.status != 421 {
		t.Errorf("the API by address: %d", got.status)
	}
	two := g.raw(t, "GET /api/v1/products HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(two, "HTTP/1.1 4") {
		t.Errorf("two hosts: %.60s", two)
	}
}

func TestEdgeSetsSecurityHeaders(t *testing.T) {
	g := start(t, newUpstreams(t))
	for _, path := range []string{"/api/v1/products", "/api/v1/orders", "/nothing", "/health", "/docs", "/openapi.json"} {
		got := g.do(t, "GET "+path, "")
		h := got.header
		docs := strings.Contains(h.Get("Content-Security-Policy"), "script-src 'self'")
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" ||
			!strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") || docs != (path == "/docs") {
			t.Errorf("%s: %v", path, h)
		}
		for name := range h {
			if strings.HasPrefix(name, "Access-Control") {
				t.Errorf("%s: %s without any origin configured", path, name)
			}
		}
		if h.Get("X-Request-Id") == "" || h.Get("Traceparent") == "" {
			t.Errorf("%s: no ids: %v", path, h)
		}
	}
}

func TestEdgeAllowsConfiguredOrigins(t *testing.T) {
	g := start(t, newUpstreams(t), edgeConfig(func(c *edge.Config) { c.Origins = []string{"https://shop.example.com"} }))
	const origin, foreign = "Origin: https://shop.example.com", "Origin: https://evil.example.com"
	preflight := []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization"}
	got := g.do(t, "OPTIONS /api/v1/orders", "", append(preflight, origin)...)
	if got.status != 204 || got.header.Get("Access-Control-Allow-Origin") != "https://shop.example.com" ||
		!strings.Contains(got.header.Get("Access-Control-Allow-Methods"), "POST") || !strings.Contains(got.header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", got.status, got.header)
	}
	allowed, exposed := got.header.Get("Access-Control-Allow-Headers"), g.do(t, "GET /api/v1/products", "", origin).header.Get("Access-Control-Expose-Headers")
	for _, name := range []string{"Last-Event-ID", "traceparent", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-Id", "Content-Type"} {
		if !strings.Contains(allowed, name) {
			t.Errorf("pages may not send %s", name)
		}
	}
	for _, name := range []string{
		"traceparent", "Content-Disposition", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After", "ETag", "X-Request-Id", "Link",
	} {
		if !strings.Contains(exposed, name) {
			t.Errorf("pages may not read %s", name)
		}
	}
	for _, do := range []string{"GET /api/v1/products", "GET /api/v1/orders"} {
		if got := g.do(t, do, "", origin); got.header.Get("Access-Control-Allow-Origin") != "https://shop.example.com" || got.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %v", do, got.header)
		}
		if got := g.do(t, do, "", foreign); got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Vary") != "Origin" {
			t.Errorf("%s from elsewhere: %v", do, got.header)
		}
	}
	if got := g.do(t, "OPTIONS /api/v1/orders", "", append(preflight, foreign)...); got.status != 405 || got.header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("a foreign preflight: %d %v", got.status, got.header)
	}
}
