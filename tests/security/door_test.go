package security_test

import (
	"fmt"
	"strings"
	"testing"

	"sidecart/tests/client"
)

const hello = "Host: localhost\r\nConnection: close\r\n"

// TestInventedAddressesDoNotEscapeLimits guesses at the login as if each guess came from somewhere else.
func TestInventedAddressesDoNotEscapeLimits(t *testing.T) {
	t.Parallel()
	nobody := stranger()
	passed, limit := 0, ""
	for i := range 130 {
		invented := fmt.Sprintf("198.51.100.%d", i)
		a := do(t, nobody, "POST /api/v1/auth/login", client.Raw(`{}`), "X-Forwarded-For", invented, "X-Real-Ip", invented,
			"Forwarded", "for="+invented, "True-Client-Ip", invented, "X-Client-Ip", invented, "Cf-Connecting-Ip", invented)
		limit = a.Header.Get("RateLimit-Limit")
		if a.Status == 429 {
			refused(t, "over the limit", a, "rate_limited", 429)
			if a.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			continue
		}
		refused(t, "a guess", a, "invalid", 422)
		passed++
	}
	// The limit is a rate: some more may pass while the guesses are made.
	if want := 100; limit != "100" || passed < want || passed > want+10 {
		t.Errorf("%d of 130 guesses passed at a limit of %s", passed, limit)
	}
	refused(t, "a neighbour", do(t, stranger(), "POST /api/v1/auth/login", client.Raw(`{}`)), "invalid", 422)
}

// TestHeadersDoNotMakeSomebody sends what proxies, sidecars and frameworks use to say who somebody is.
func TestHeadersDoNotMakeSomebody(t *testing.T) {
	t.Parallel()
	root := admin(t)
	alice, _ := person(t)
	var me struct{ ID string }
	must(t, root.Call(t.Context(), "GET /api/v1/users/me", nil, 200, &me))
	claims := []string{"X-User-Id", me.ID, "X-User", me.ID, "X-Role", "admin", "X-User-Role", "admin", "X-Remote-User", "root", "Remote-User", "root",
		"X-Forwarded-User", "root", "X-Caller", me.ID, "Dapr-App-Id", "users", "Dapr-Caller-App-Id", "orders", "Dapr-Api-Token", "x",
		"X-Original-Url", "/users", "X-Rewrite-Url", "/users", "X-Forwarded-Prefix", "/internal", "Cookie", "session=" + root.Token}
	nobody := stranger()
	for _, call := range []string{"GET /api/v1/users/me", "GET /api/v1/orders", "GET /api/v1/users", "GET /api/v1/notifications"} {
		refused(t, call, do(t, nobody, call, nil, claims...), "token_missing", 401)
	}
	for _, call := range []string{"GET /api/v1/users", "POST /api/v1/categories", "GET /api/v1/products/1/inventory"} {
		refused(t, call, do(t, alice, call, client.Raw(`{}`), claims...), "forbidden", 403)
	}
	var seen struct{ Username string }
	a := do(t, alice, "GET /api/v1/users/me", nil, claims...)
	must(t, a.Into(200, &seen))
	if seen.Username == "root" {
		t.Error("alice is taken for root")
	}
}

// TestMethodsAreNotOverridden asks for one method and means another.
func TestMethodsAreNotOverridden(t *testing.T) {
	t.Parallel()
	root := admin(t)
	path := fmt.Sprintf("/api/v1/products/%d", product(t))
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		a := do(t, root, "GET "+path+"?_method=DELETE", nil, name, "DELETE")
		must(t, a.Into(200, nil))
		refused(t, "POST that means DELETE", do(t, root, "POST "+path, client.Raw(`{"_method":"DELETE"}`), name, "DELETE"), "method_not_allowed", 405)
		refused(t, "POST that means GET", do(t, root, "POST /api/v1/orders", client.Raw(`{}`), name, "GET"), "invalid", 422)
	}
	must(t, do(t, root, "GET "+path, nil).Into(200, nil))
}

// TestNobodySplitsAnAnswer puts line ends where values are given back.
func TestNobodySplitsAnAnswer(t *testing.T) {
	t.Parallel()
	for what, line := range map[string]string{
		"request id":        "X-Request-Id: a%0d%0aSet-Cookie:%20evil=1",
		"request id, bare":  "X-Request-Id: a\rSet-Cookie: evil=1",
		"trace":             "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01%0d%0aSet-Cookie: evil=1",
		"origin":            "Origin: http://x%0d%0aSet-Cookie: evil=1",
		"a folded line":     "X-Request-Id: a\r\n Set-Cookie: evil=1",
		"a NUL":             "X-Request-Id: a\x00\r\nX: y",
		"a bare line end":   "X-Request-Id: a\nX-Other: evil=1",
		"a name with space": "X Set-Cookie : evil=1",
	} {
		for _, a := range raw(t, "GET /api/v1/products?brand=%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\r\n"+hello+line+"\r\n\r\n") {
			if a.Header.Get("Set-Cookie") != "" || strings.Contains(fmt.Sprint(a.Header), "evil") {
				t.Errorf("%s: %v", what, a.Header)
			}
			if a.Status != 200 {
				refused(t, what, a, "", 400)
			}
		}
	}
}

// TestPathsThatMeanAnother must reach nothing, whatever their reader makes of them.
func TestPathsThatMeanAnother(t *testing.T) {
	t.Parallel()
	root := admin(t)
	var n int
	for _, inside := range []string{"reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", "metrics", "dapr/subscribe", "events/dead", "job/release-expired-reservations",
		"health", "openapi.json", "v1.0/invoke/users/method/users", "mail-tokens/0192f0c1-2d3e-7abc-8def-0123456789ab"} {
		for _, way := range []string{"/%s", "/api/v1/%s", "/api/v1/../%s", "/api/v1/products/../%s", "/api/v1/products/..;/%s", "/api/v1/%%2e%%2e/%s", "/api/v1/products/%%2e%%2e/%%2e%%2e/%s",
			"/api/v1/products/%%252e%%252e/%s", "/api/v1/products%%2f..%%2f%s", "/api/v1//%s", "//%s", "/api/v1/products/..%%00/%s", "/api/v1/products/\\..\\%s",
			"/API/V1/%s", "/api/v1/products/%%c0%%ae%%c0%%ae/%s", "http://localhost/%s", "http://users/%s", "http://localhost:3500/%s", "/api/v1/products/1;/../%s",
			"/api/v1/products/.%%2e/%s", "/api/v1/./%s", "/api/v1/products/1%%0a/%s", "/api/v1/products/1#/../%s"} {
			path := fmt.Sprintf(way, inside)
			if path == "/health" || path == "/openapi.json" {
				continue
			}
			for _, method := range []string{"GET", "POST"} {
				a := once(t, path, method+" "+path+" HTTP/1.1\r\n"+hello+"Authorization: Bearer "+root.Token+"\r\nContent-Length: 2\r\n\r\n{}")
				refused(t, method+" "+path, a, "", 400, 404, 405)
				n++
			}
		}
	}
	for _, path := range []string{"/api/v1/Products/1", "/api/v1/products/1/", "/api/v1/products//1", "/api/v1/products/1;v=1", "/api/v1/products/1%00", "/api/v1/products/%31",
		"/api/v1/orders\x00", "*", "api/v1/products", "/api/v1/products/" + strings.Repeat("1", 2000)} {
		refused(t, path, once(t, path, "GET "+path+" HTTP/1.1\r\n"+hello+"\r\n"), "", 400, 404)
		n++
	}
	if n < 300 {
		t.Errorf("only %d paths were tried", n)
	}
}

// TestNoRequestInARequest hides a second request where front and back could disagree on how long the first is. Each gets one
// answer, or none, and the connection ends.
func TestNoRequestInARequest(t *testing.T) {
	t.Parallel()
	const hidden = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
	chunk := func(size, text string) string { return size + "\r\n" + text + "\r\n0\r\n\r\n" }
	for what, lines := range map[string][2]string{
		"length and chunks":            {"Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n" + hidden},
		"chunks and length":            {"Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n" + hidden},
		"two lengths":                  {"Content-Length: 2\r\nContent-Length: 44", "{}" + hidden},
		"the same length twice":        {"Content-Length: 2\r\nContent-Length: 2", "{}" + hidden},
		"a list of lengths":            {"Content-Length: 2, 2", "{}" + hidden},
		"a length with a sign":         {"Content-Length: +2", "{}" + hidden},
		"a negative length":            {"Content-Length: -2", "{}" + hidden},
		"a length in hex":              {"Content-Length: 0x2", "{}" + hidden},
		"a length out of range":        {"Content-Length: 18446744073709551618", "{}" + hidden},
		"an unknown coding":            {"Transfer-Encoding: xchunked", chunk("2", "{}") + hidden},
		"codings in a list":            {"Transfer-Encoding: gzip, chunked", chunk("2", "{}") + hidden},
		"two codings":                  {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", chunk("2", "{}") + hidden},
		"identity and a length":        {"Transfer-Encoding: identity\r\nContent-Length: 2", "{}" + hidden},
		"space before the colon":       {"Transfer-Encoding : chunked", chunk("2", "{}") + hidden},
		"a tab in the name":            {"Transfer-Encoding\t: chunked", chunk("2", "{}") + hidden},
		"a vertical tab in the coding": {"Transfer-Encoding: \x0bchunked", chunk("2", "{}") + hidden},
		"a folded coding":              {"Transfer-Encoding:\r\n chunked", chunk("2", "{}") + hidden},
		"a bare line end":              {"X: y\nTransfer-Encoding: chunked", chunk("2", "{}") + hidden},
		"a chunk size with a prefix":   {"Transfer-Encoding: chunked", chunk("0x2", "{}") + hidden},
		"a chunk size with a sign":     {"Transfer-Encoding: chunked", chunk("+2", "{}") + hidden},
		"a chunk size out of range":    {"Transfer-Encoding: chunked", chunk("ffffffffffffffff2", "{}") + hidden},
		"a line end in an extension":   {"Transfer-Encoding: chunked", chunk("2;\nx", "{}") + hidden},
		"a chunk that is longer":       {"Transfer-Encoding: chunked", chunk("1", "{}") + hidden},
	} {
		answers := raw(t, "POST /api/v1/auth/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+lines[0]+"\r\n\r\n"+lines[1])
		if len(answers) != 1 {
			t.Errorf("%s: %d answers: %+v", what, len(answers), answers)
			continue
		}
		refused(t, what, answers[0], "", 400)
	}
	answers := raw(t, fmt.Sprintf("GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden))
	if len(answers) != 1 || answers[0].Status != 200 {
		t.Errorf("a read with a request for a body: %+v", answers)
	}
	refused(t, "HTTP/2", once(t, "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "", 400)
	refused(t, "HTTP/1.0 with chunks", once(t, "HTTP/1.0", "POST /api/v1/auth/refresh HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "", 400)
}

// TestTooLargeIsRefused sends more than any part may be.
func TestTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	alice, _ := person(t)
	for _, call := range []string{"POST /api/v1/auth/register", "POST /api/v1/auth/login", "POST /api/v1/orders"} {
		refused(t, call, do(t, alice, call, client.Raw(`{"username":"`+strings.Repeat("x", 2<<20)+`"}`)), "body_too_large", 413)
	}
	big := strings.Repeat("x", 20<<10)
	refused(t, "a header", once(t, "a header", "GET /api/v1/products HTTP/1.1\r\n"+hello+"X-Big: "+big+"\r\n\r\n"), "headers_too_large", 413)
	refused(t, "a token", once(t, "a token", "GET /api/v1/orders HTTP/1.1\r\n"+hello+"Authorization: Bearer "+big[:9000]+"\r\n\r\n"), "", 401, 413)
	refused(t, "a query", once(t, "a query", "GET /api/v1/products?q="+big+" HTTP/1.1\r\n"+hello+"\r\n"), "", 413)
	refused(t, "a path", once(t, "a path", "GET /"+big+" HTTP/1.1\r\n"+hello+"\r\n"), "", 404, 413)
	refused(t, "a method", once(t, "a method", big+" / HTTP/1.1\r\n"+hello+"\r\n"), "", 400, 413)
	refused(t, "many headers", once(t, "many headers", "GET / HTTP/1.1\r\n"+hello+strings.Repeat("X: y\r\n", 5000)+"\r\n"), "", 413)
	refused(t, "a body that is announced in chunks and never ends", once(t, "chunks",
		"POST /api/v1/auth/login HTTP/1.1\r\n"+hello+"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"+strings.Repeat("5000\r\n"+big+"\r\n", 60)), "body_too_large", 413)
}

// TestDeepJSONIsRefused sends what costs a careless decoder its stack.
func TestDeepJSONIsRefused(t *testing.T) {
	t.Parallel()
	root := admin(t)
	for _, call := range []string{"POST /api/v1/auth/login", "POST /api/v1/auth/register", "POST /api/v1/categories", "POST /api/v1/products", "POST /api/v1/orders"} {
		for _, depth := range []int{100, 10_000, 100_000} {
			lists, objects := strings.Repeat("[", depth), strings.Repeat(`{"name":`, depth)
			for what, body := range map[string]string{
				"lists":             `{"name":` + lists + strings.Repeat("]", depth) + `}`,
				"objects":           objects + "1" + strings.Repeat("}", depth),
				"lists that stay":   `{"attributes":` + lists,
				"objects that stay": objects,
			} {
				refused(t, fmt.Sprintf("%s: %d %s", call, depth, what), do(t, root, call, client.Raw(body)), "malformed", 400)
			}
		}
	}
}

// TestHeadersThatAreThereTwice must not be read by two parts in two ways.
func TestHeadersThatAreThereTwice(t *testing.T) {
	t.Parallel()
	root := admin(t)
	alice, _ := person(t)
	token := "Authorization: Bearer " + alice.Token + "\r\n"
	post := func(lines string) string {
		return "POST /api/v1/orders HTTP/1.1\r\n" + hello + lines + "Content-Length: 2\r\n\r\n{}"
	}
	refused(t, "two hosts", once(t, "two hosts", post("Host: evil.example.com\r\n"+token)), "", 400)
	refused(t, "two tokens", once(t, "two tokens", post(token+"Authorization: Bearer "+root.Token+"\r\n")), "token_missing", 401)
	refused(t, "the same token twice", once(t, "the same token twice", post(token+token)), "token_missing", 401)
	refused(t, "two keys", once(t, "two keys", post(token+"Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Type: application/json\r\n")), "malformed", 400)
	a := once(t, "two query fields", "GET /api/v1/orders?limit=1&limit=1000 HTTP/1.1\r\n"+hello+token+"\r\n")
	refused(t, "two query fields", a, "invalid", 422)
}

// TestForeignHostsAndOrigins is a page of somebody else's that has a browser call us (DNS rebinding, CSRF).
func TestForeignHostsAndOrigins(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"evil.example.com", "localhost.evil.example.com", "evil.example.com:8000", "localhost@evil.example.com", "", "127.0.0.1.nip.io", "[::ffff:127.0.0.1]"} {
		for _, path := range []string{"/api/v1/products", "/docs", "/health", "/openapi.json"} {
			a := once(t, host, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\nX-Forwarded-Host: localhost\r\n\r\n")
			refused(t, "host "+host+path, a, "", 421, 400)
		}
	}
	alice, _ := person(t)
	for _, origin := range []string{"https://evil.example.com", "null", "http://localhost:8000.evil.example.com"} {
		for _, call := range []string{"GET /api/v1/products", "GET /api/v1/orders", "OPTIONS /api/v1/orders"} {
			a := do(t, alice, call, nil, "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
			for name := range a.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s from %s: %s", call, origin, name)
				}
			}
		}
	}
}

// TestPagesRunNothingForeign reads the policies that a browser is given.
func TestPagesRunNothingForeign(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/docs", "/docs/", "/openapi.json", "/api/v1/products", "/nothing"} {
		h := do(t, stranger(), "GET "+path, nil).Header
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "http") ||
			strings.Contains(policy, "*") || strings.Contains(policy, "unsafe-") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Server") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestWrongMethods(t *testing.T) {
	t.Parallel()
	root := admin(t)
	for call, allow := range map[string]string{
		"DELETE /api/v1/orders": "GET, HEAD, POST", "PUT /api/v1/auth/login": "POST", "TRACE /api/v1/products": "GET, HEAD, POST",
		"PATCH /health": "GET, HEAD", "BREW /api/v1/products": "GET, HEAD, POST", "DELETE /openapi.json": "GET, HEAD",
	} {
		a := do(t, root, call, nil)
		refused(t, call, a, "method_not_allowed", 405)
		if a.Header.Get("Allow") != allow {
			t.Errorf("%s: Allow is %q", call, a.Header.Get("Allow"))
		}
	}
}
