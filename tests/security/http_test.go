package security_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestResponseSplitting sends line breaks in values that responses contain.
func TestResponseSplitting(t *testing.T) {
	t.Parallel()
	for what, line := range map[string]string{
		"request id":        "X-Request-Id: a%0d%0aSet-Cookie:%20evil=1",
		"request id, bare":  "X-Request-Id: a\rSet-Cookie: evil=1",
		"trace":             "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01%0d%0aSet-Cookie: evil=1",
		"origin":            "Origin: http://x%0d%0aSet-Cookie: evil=1",
		"a folded header":   "X-Request-Id: a\r\n Set-Cookie: evil=1",
		"a NUL":             "X-Request-Id: a\x00\r\nX: y",
		"a bare line feed":  "X-Request-Id: a\nX-Other: evil=1",
		"a name with space": "X Set-Cookie : evil=1",
	} {
		request := "GET /api/v1/products?brand=%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\r\n" + hostHeader + line + "\r\n\r\n"
		for _, res := range sendRaw(t, request) {
			if res.Header.Get("Set-Cookie") != "" || strings.Contains(fmt.Sprint(res.Header), "evil") {
				t.Errorf("%s: %v", what, res.Header)
			}
			if res.Status != 200 {
				refused(t, what, res, "", 400)
			}
		}
	}
}

// TestPathTraversal tries to reach internal paths by spellings that proxies and services may normalize differently.
func TestPathTraversal(t *testing.T) {
	t.Parallel()
	root := admin(t)
	var n int
	for _, internal := range []string{"reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", "metrics", "dapr/subscribe",
		"events/dead", "job/release-expired-reservations", "health", "openapi.json", "v1.0/invoke/users/method/users",
		"mail-tokens/0192f0c1-2d3e-7abc-8def-0123456789ab"} {
		for _, spelling := range []string{"/%s", "/api/v1/%s", "/api/v1/../%s", "/api/v1/products/../%s",
			"/api/v1/products/..;/%s", "/api/v1/%%2e%%2e/%s", "/api/v1/products/%%2e%%2e/%%2e%%2e/%s",
			"/api/v1/products/%%252e%%252e/%s", "/api/v1/products%%2f..%%2f%s", "/api/v1//%s", "//%s",
			"/api/v1/products/..%%00/%s", "/api/v1/products/\\..\\%s",
			"/API/V1/%s", "/api/v1/products/%%c0%%ae%%c0%%ae/%s", "http://localhost/%s", "http://users/%s", "http://localhost:3500/%s",
			"/api/v1/products/1;/../%s",
			"/api/v1/products/.%%2e/%s", "/api/v1/./%s", "/api/v1/products/1%%0a/%s", "/api/v1/products/1#/../%s"} {
			path := fmt.Sprintf(spelling, internal)
			if path == "/health" || path == "/openapi.json" {
				continue
			}
			for _, method := range []string{"GET", "POST"} {
				a := sendOne(t, path, method+" "+path+" HTTP/1.1\r\n"+hostHeader+
					"Authorization: Bearer "+root.Token+"\r\nContent-Length: 2\r\n\r\n{}")
				refused(t, method+" "+path, a, "", 400, 404, 405)
				n++
			}
		}
	}
	for _, path := range []string{"/api/v1/Products/1", "/api/v1/products/1/", "/api/v1/products//1", "/api/v1/products/1;v=1",
		"/api/v1/products/1%00", "/api/v1/products/%31", "/api/v1/orders\x00", "*", "api/v1/products", "/api/v1/products/" + strings.Repeat("1", 2000)} {
		refused(t, path, sendOne(t, path, "GET "+path+" HTTP/1.1\r\n"+hostHeader+"\r\n"), "", 400, 404)
		n++
	}
	if n < 300 {
		t.Errorf("only %d paths were tried", n)
	}
}

// TestRequestSmuggling hides a second request in the body of one whose length is ambiguous. The gateway sends one
// response and closes the connection.
func TestRequestSmuggling(t *testing.T) {
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
		"a bare line feed":             {"X: y\nTransfer-Encoding: chunked", chunk("2", "{}") + hidden},
		"a chunk size with a prefix":   {"Transfer-Encoding: chunked", chunk("0x2", "{}") + hidden},
		"a chunk size with a sign":     {"Transfer-Encoding: chunked", chunk("+2", "{}") + hidden},
		"a chunk size out of range":    {"Transfer-Encoding: chunked", chunk("ffffffffffffffff2", "{}") + hidden},
		"a line feed in an extension":  {"Transfer-Encoding: chunked", chunk("2;\nx", "{}") + hidden},
		"a chunk that is longer":       {"Transfer-Encoding: chunked", chunk("1", "{}") + hidden},
	} {
		responses := sendRaw(t, "POST /api/v1/auth/refresh HTTP/1.1\r\nHost: localhost\r\n"+
			"Content-Type: application/json\r\n"+lines[0]+"\r\n\r\n"+lines[1])
		if len(responses) != 1 {
			t.Errorf("%s: %d responses: %+v", what, len(responses), responses)
			continue
		}
		refused(t, what, responses[0], "", 400)
	}
	responses := sendRaw(t, fmt.Sprintf("GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s",
		len(hidden), hidden))
	if len(responses) != 1 || responses[0].Status != 400 {
		t.Errorf("a GET with a request as its body: %+v", responses)
	}
	refused(t, "HTTP/2", sendOne(t, "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "", 400)
	refused(t, "HTTP/1.0 with chunks", sendOne(t, "HTTP/1.0",
		"POST /api/v1/auth/refresh HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "", 400)
}

// TestHeadersDecideNothing signs in with headers that sidecars may not carry. What a service stores of them is as sent,
// or marked.
func TestHeadersDecideNothing(t *testing.T) {
	t.Parallel()
	_, name := newUser(t)
	signIn := "username=" + name + "&password=" + strings.ReplaceAll(password, " ", "+")
	for agent, want := range map[string]string{
		"\u041c\u0430\u0433\u0430\u0437\u0438\u043d/1.0": "\u041c\u0430\u0433\u0430\u0437\u0438\u043d/1.0", "Caf\xe9/1.0": "Caf\ufffd/1.0", "\U0001f6d2/\u7ea2": "\U0001f6d2/\u7ea2",
		strings.Repeat("a", 5000): strings.Repeat("a", 397) + "\u2026",
	} {
		res := sendOne(t, agent, fmt.Sprint("POST /api/v1/auth/login HTTP/1.1\r\n", hostHeader, "Accept-Language: d\xe9\r\nX-Request-Id: \xff\r\n",
			"User-Agent: ", agent, "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ", len(signIn), "\r\n\r\n", signIn))
		var tokens struct {
			AccessToken string `json:"access_token"`
		}
		must(t, res.Into(200, &tokens))
		c := anonymous()
		c.Token = tokens.AccessToken
		var sessions struct {
			Items []struct {
				Device  string
				Current bool
			}
		}
		must(t, c.Call(t.Context(), "GET /api/v1/users/me/sessions", nil, 200, &sessions))
		stored := ""
		for _, s := range sessions.Items {
			if s.Current {
				stored = s.Device
			}
		}
		if stored != want {
			t.Errorf("%.20q is stored as %.20q", agent, stored)
		}
	}
}
