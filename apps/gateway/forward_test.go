package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestForwardPassesOnlyDocumentedHeaders(t *testing.T) {
	g := start(t, newUpstreams(t))
	alice := kittest.NewCaller(shop.User)
	got := g.do(t, "POST /api/v1/orders?a=b%20c", `{"x":1}`, as(t, alice),
		"Idempotency-Key: k1", "If-Match: \"7\"", "User-Agent: test", "X-Request-Id: mine-1", "Accept: text/event-stream",
		"traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
		"dapr-app-id: users", "dapr-api-token: x", "dapr-caller-app-id: orders", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil",
		"Forwarded: for=6.6.6.6", "X-Real-Ip: 6.6.6.6", "X-User-Id: 1", "X-Role: admin", "X-Caller: root", "X-Original-Url: /x",
		"X-Rewrite-Url: /x", "X-Http-Method-Override: DELETE", "Cookie: a=b", "Connection: X-Hop", "X-Hop: 1", "Te: trailers")
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	request := g.upstreams.lastRequest(t)
	want := map[string]string{
		"Dapr-App-Id": "orders", "Dapr-Api-Token": "sidecar-token", "Idempotency-Key": "k1", "If-Match": `"7"`,
		"User-Agent": "test", "X-Request-Id": "mine-1", "X-Forwarded-For": "127.0.0.1", "Content-Type": "application/json",
		"Content-Length": "7", "Traceparent": "", "Authorization": strings.TrimPrefix(as(t, alice), "Authorization: "),
	}
	for name, values := range request.Header {
		value, ok := want[name]
		switch {
		case !ok:
			t.Errorf("%s: %q reached the service", name, values)
		case len(values) != 1:
			t.Errorf("%s occurs %d times", name, len(values))
		case name != "Traceparent" && name != "Authorization" && values[0] != value:
			t.Errorf("%s is %q, want %q", name, values[0], value)
		}
	}
	if request.URL.Path != "/orders" || request.URL.RawQuery != "a=b+c" || request.Header.Get("Authorization") == "" {
		t.Errorf("the service got %s", request.URL)
	}
	if parent := request.Header.Get("Traceparent"); !strings.Contains(parent, "0123456789abcdef0123456789abcdef") {
		t.Errorf("the trace is not continued: %q", parent)
	}
	if got.header.Get("X-Request-Id") != "mine-1" || !strings.Contains(got.header.Get("Traceparent"), "0123456789abcdef0123456789abcdef") {
		t.Errorf("response without its ids: %v", got.header)
	}
}

func TestForwardDropsTokensOnPublicRoutes(t *testing.T) {
	g := start(t, newUpstreams(t))
	if got := g.do(t, "POST /api/v1/auth/login", `{}`, "Authorization: Bearer rubbish"); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if token := g.upstreams.lastRequest(t).Header.Get("Authorization"); token != "" {
		t.Errorf("the token %q went on", token)
	}
}

func TestForwardRespondsAsTheServiceDoes(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	alice := as(t, kittest.NewCaller(shop.User))
	n.on("orders POST /orders", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/orders/1")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", fault.ContentType)
		w.Header().Set("Keep-Alive", "timeout=1")
		w.Header().Set("Server", "secret/1.0")
		w.Header().Set("Dapr-Internal", "x")
		w.Header().Set("X-Rate-Limit-Request-Forwarded-For", "6.6.6.6")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Vary", "Origin")
		w.Header().Add("X-Many", "1")
		w.Header().Add("X-Many", "2")
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"code":"out_of_stock"}`)
	})
	got := g.do(t, "POST /api/v1/orders", `{}`, alice)
	if got.status != 409 || got.body != `{"code":"out_of_stock"}` || got.header.Get("Location") != "/orders/1" ||
		got.header.Get("Cache-Control") != "no-store" || len(got.header.Values("X-Many")) != 2 {
		t.Errorf("%d %s %v", got.status, got.body, got.header)
	}
	for _, name := range []string{"Keep-Alive", "Server", "Dapr-Internal", "X-Rate-Limit-Request-Forwarded-For", "Access-Control-Allow-Origin", "Vary"} {
		if got.header.Get(name) != "" {
			t.Errorf("%s reached the client", name)
		}
	}
	if got := g.do(t, "HEAD /api/v1/orders", "", alice); got.status != 200 || got.body != "" || n.lastRequest(t).Method != http.MethodGet {
		t.Errorf("HEAD: %d %q, forwarded as %s", got.status, got.body, n.lastRequest(t).Method)
	}
}

func TestForwardStreamsBothWays(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	first, goOn := make(chan string, 1), make(chan struct{})
	n.on("orders POST /orders", func(w http.ResponseWriter, r *http.Request) {
		line, err := bufio.NewReader(r.Body).ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		first <- line
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "one\n")
		w.(http.Flusher).Flush()
		<-goOn
		_, _ = io.WriteString(w, "two\n")
	})
	body, send := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/api/v1/orders", body)
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(as(t, kittest.NewCaller(shop.User)), ": ")
	req.Header.Set("Authorization", token)
	responses := make(chan *http.Response, 1)
	go func() {
		res, err := http.DefaultTransport.RoundTrip(req) //nolint:bodyclose // by who gets it
		if err != nil {
			t.Error(err)
		}
		responses <- res
	}()
	fmt.Fprintln(send, "hello")
	if line := within(t, first); line != "hello\n" {
		t.Fatalf("the service read %q", line)
	}
	if err := send.Close(); err != nil {
		t.Fatal(err)
	}
	res := within(t, responses)
	defer res.Body.Close() //nolint:errcheck // read to its end
	reader := bufio.NewReader(res.Body)
	if line, err := reader.ReadString('\n'); line != "one\n" || err != nil {
		t.Fatalf("read %q, %v", line, err)
	}
	close(goOn)
	if line, err := reader.ReadString('\n'); line != "two\n" || err != nil {
		t.Fatalf("read %q, %v", line, err)
	}
}

func within[T any](t *testing.T, from chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(5 * time.Second):
		t.Fatal("nothing after 5 s")
	}
	return value
}

func TestForwardLimitsBodies(t *testing.T) {
	alice := as(t, kittest.NewCaller(shop.User))
	for _, test := range []struct {
		name  string
		bytes int
		known bool // Content-Length
		want  int
	}{
		{"exactly the limit", 1 << 20, true, 200},
		{"exactly the limit in chunks", 1 << 20, false, 200},
		{"one more", 1<<20 + 1, true, 413},
		{"one more in chunks", 1<<20 + 1, false, 413},
		{"3 MB", 3 << 20, true, 413},
		{"3 MB in chunks", 3 << 20, false, 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newUpstreams(t)
			g := start(t, n)
			var body io.Reader = strings.NewReader(strings.Repeat("x", test.bytes))
			if !test.known {
				body = io.MultiReader(body)
			}
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, g.url+"/api/v1/orders", body)
			if err != nil {
				t.Fatal(err)
			}
			_, token, _ := strings.Cut(alice, ": ")
			req.Header.Set("Authorization", token)
			got := exchange(t, req)
			if got.status != test.want {
				t.Fatalf("%d %.200s", got.status, got.body)
			}
			if test.want == 413 {
				n.mu.Lock()
				defer n.mu.Unlock()
				if !strings.Contains(got.body, "body_too_large") || len(n.bodies) > 0 {
					t.Errorf("%s; %d complete bodies reached a service", got.body, len(n.bodies))
				}
			}
		})
	}
}

func TestForwardRefusesWhatSidecarsCannotCarry(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n)
	alice := as(t, kittest.NewCaller(shop.User))
	for _, test := range []struct {
		name, header string
		want         int
		code         string
	}{
		{"two keys", "Idempotency-Key: a\r\nIdempotency-Key: b", 400, `"Idempotency-Key":"must be given once"`},
		{"too long", "If-Match: " + strings.Repeat("x", 7000), 413, "headers_too_large"},
		{"compressed", "Content-Encoding: gzip", 415, "unsupported_media_type"},
		{"two tokens", alice, 401, "token_missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := g.raw(t, "POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 2\r\n"+alice+"\r\n"+
				test.header+"\r\n\r\n{}")
			if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", test.want)) || !strings.Contains(got, test.code) {
				t.Errorf("%.600s", got)
			}
		})
	}
	if n.count() > 0 {
		t.Errorf("the sidecar got %d requests", n.count())
	}
}

// TestForwardCarriesHeaders: no byte of a header decides whether a request reaches its service.
func TestForwardCarriesHeaders(t *testing.T) {
	g := start(t, newUpstreams(t))
	alice := as(t, kittest.NewCaller(shop.User))
	long := strings.Repeat("\u7ea2", 3000)
	for _, test := range []struct{ name, value, want string }{
		{"User-Agent", "\u041c\u0430\u0433\u0430\u0437\u0438\u043d/1.0", "\u041c\u0430\u0433\u0430\u0437\u0438\u043d/1.0"},
		{"User-Agent", "caf\xe9/1.0", "caf\ufffd/1.0"},
		{"User-Agent", long, long[:396] + "\u2026"},
		{"Accept-Language", "d\xe9, en;q=0.5", "d\ufffd, en;q=0.5"},
		{"Accept-Language", strings.Repeat("en,", 2000), strings.Repeat("en,", 2000)[:397] + "\u2026"},
		{"If-None-Match", "\"\xff\"", "\"\ufffd\""},
		{"If-Match", "\"1\"\r\nIf-Match: \"2\"", "\"1\", \"2\""},
		{"Idempotency-Key", "k\xff", "k\ufffd"}, // the service refuses it
		{"Idempotency-Key", "", ""},
		{"X-Request-Id", "\xff", "*"}, {"X-Request-Id", strings.Repeat("a", 5000), "*"}, {"Traceparent", "\xff-nonsense", "*"}, {"Baggage", "\xff", ""},
		{"Accept", "text/html", ""}, {"Accept-Charset", "\xff", ""}, {"Range", "bytes=9-1", ""}, {"X-Http-Method-Override", "DELETE", ""},
		{"Referer", "http://\xff", ""}, {"Cookie", "a=\xff", ""}, {"Upgrade", "websocket", ""}, {"Content-Encoding", "gzip", ""},
		{"X-Own", strings.Repeat("y", 8000), ""},
	} {
		got := g.raw(t, "GET /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"+alice+"\r\n"+test.name+": "+test.value+"\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("%s: %.20q: %.300s", test.name, test.value, got)
			continue
		}
		switch value := g.upstreams.lastRequest(t).Header.Get(test.name); {
		case test.want == "*" && (value == "" || strings.Contains(value, test.value)):
			t.Errorf("%s: %.20q was not replaced: %q", test.name, test.value, value)
		case test.want != "*" && value != test.want:
			t.Errorf("%s: %.20q arrives as %q, want %q", test.name, test.value, value, test.want)
		}
	}
	many := strings.Repeat("X-Own: y\r\n", 1000)
	if got := g.raw(t, "GET /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"+alice+"\r\n"+many+"\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("many headers: %.300s", got)
	}
}

// TestForwardBodies: how a client sends a body does not matter.
func TestForwardBodies(t *testing.T) {
	g := start(t, newUpstreams(t))
	head := " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + as(t, kittest.NewCaller(shop.User)) + "\r\n"
	for name, request := range map[string]string{
		"in chunks": "POST /api/v1/orders" + head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"expected":  "POST /api/v1/orders" + head + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
		"of a GET":  "GET /api/v1/orders" + head + "Content-Length: 2\r\n\r\n{}",
		"none":      "POST /api/v1/orders" + head + "Content-Length: 0\r\n\r\n",
	} {
		got := strings.TrimPrefix(g.raw(t, request), "HTTP/1.1 100 Continue\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("%s: %.300s", name, got)
		}
	}
}
