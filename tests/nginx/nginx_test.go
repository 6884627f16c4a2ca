package nginx_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sidecart/tests/nginx"
	"sidecart/tests/platform"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// gateway is a gateway that shows what reaches it.
type gateway struct {
	*httptest.Server
	requests atomic.Int64
	serve    http.HandlerFunc
}

// newGateway responds with the request itself, as JSON, unless serve is given.
func newGateway(t *testing.T, serve http.HandlerFunc) *gateway {
	t.Helper()
	g := &gateway{serve: serve}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.requests.Add(1)
		w.Header().Set("X-Content-Type-Options", "nosniff") // as the gateway does on every response
		if g.serve != nil {
			g.serve(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"uri": r.RequestURI, "host": r.Host, "method": r.Method, "header": r.Header, "body": string(body),
		})
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) addr() string { return strings.TrimPrefix(g.URL, "http://") }

func start(t *testing.T, o nginx.Options) *nginx.Server {
	t.Helper()
	o.Dir = t.TempDir()
	server, err := nginx.Start(t.Context(), o)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("nginx %s:\n%s", server.Version, server.Output())
		}
		must(t, server.Stop())
	})
	return server
}

// raw sends a request as it is, and returns the status and the response.
// response is a response of nginx, without its body.
type response struct {
	StatusCode int
	Header     http.Header
}

func read(t *testing.T, res *http.Response) (response, string) {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	must(t, errors.Join(err, res.Body.Close()))
	return response{res.StatusCode, res.Header}, string(body)
}

func raw(t *testing.T, server *nginx.Server, text string) (response, string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL, "http://"))
	must(t, err)
	defer conn.Close() //nolint:errcheck // a test's end
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, text)
	must(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	return read(t, res)
}

func get(t *testing.T, url string, headers ...string) (response, string) {
	t.Helper()
	return send(t, http.MethodGet, url, headers...)
}

var direct = &http.Client{
	Transport:     &http.Transport{DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func send(t *testing.T, method, url string, headers ...string) (response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	must(t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := direct.Do(req)
	must(t, err)
	return read(t, res)
}

type seen struct {
	URI, Host, Method, Body string
	Header                  http.Header
}

// TestForwardedHeaders: what a client says about its address is replaced, ids are kept, and the path is as it was sent.
func TestForwardedHeaders(t *testing.T) {
	server := start(t, nginx.Options{Gateways: []string{newGateway(t, nil).addr()}})
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	_, body := raw(t, server, "GET /api/v1/orders/%41/../b?q=%2F HTTP/1.1\r\nHost: Shop.Example.com:8443\r\n"+
		"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"+
		"Forwarded: for=1.2.3.4\r\nX-Real-Ip: 1.2.3.4\r\nDapr-Api-Token: x\r\nDapr-App-Id: users\r\n"+
		"X-Request-Id: mine-1\r\nTraceparent: "+trace+"\r\nAuthorization: Bearer t\r\nConnection: close\r\n\r\n")
	var s seen
	must(t, json.Unmarshal([]byte(body), &s))
	for _, method := range []string{"PUT", "POST"} {
		_, again := raw(t, server, method+" /api/v1/%41/../b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
		if !strings.Contains(again, `"/api/v1/%41/../b"`) || !strings.Contains(again, `"body":"{}"`) {
			t.Errorf("%s arrives as %s", method, again)
		}
	}
	if s.URI != "/api/v1/orders/%41/../b?q=%2F" || s.Host != "shop.example.com" {
		t.Errorf("the gateway got %s of %s", s.URI, s.Host)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "shop.example.com",
		"X-Request-Id": "mine-1", "Traceparent": trace, "Authorization": "Bearer t",
		"Forwarded": "", "X-Real-Ip": "", "Dapr-Api-Token": "", "Dapr-App-Id": "",
	} {
		if got := strings.Join(s.Header.Values(name), "|"); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	_, body = get(t, server.URL+"/x", "X-Request-Id", "no good")
	must(t, json.Unmarshal([]byte(body), &s))
	id := s.Header.Get("X-Request-Id")
	if len(id) != 32 {
		t.Errorf("the id %q is not a new one", id)
	}
	get(t, server.URL+"/verify-email?token=secret-in-a-link")
	platform.Eventually(t, 5*time.Second, func() error { // the log is written after the response
		if log := server.Output(); !strings.Contains(log, id) || !strings.Contains(log, `"request":"GET /verify-email"`) {
			return errors.New("a request is not in the log")
		}
		return nil
	})
	if strings.Contains(server.Output(), "secret-in-a-link") {
		t.Error("the log has a query")
	}
}

// TestInternalPaths never reach a gateway.
func TestInternalPaths(t *testing.T) {
	g := newGateway(t, nil)
	server := start(t, nginx.Options{Gateways: []string{g.addr()}})
	for _, path := range []string{"/metrics", "/metrics/", "/Metrics", "//metrics", "/x/../metrics", "/%6detrics", "/dapr/subscribe",
		"/v1.0/invoke/users/method/users", "/v1.0-alpha1/x", "/.nginx/unavailable", "/dapr"} {
		res, body := raw(t, server, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if res.StatusCode != http.StatusNotFound || !strings.Contains(body, `"no_such_route"`) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
		checkOwn(t, path, res)
	}
	if n := g.requests.Load(); n != 0 {
		t.Errorf("%d requests reached the gateway", n)
	}
}

// checkOwn checks the headers of a response of nginx itself.
func checkOwn(t *testing.T, what string, res response) {
	t.Helper()
	if res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("X-Content-Type-Options") != "nosniff" ||
		res.Header.Get("X-Frame-Options") != "DENY" || res.Header.Get("Referrer-Policy") != "no-referrer" ||
		!strings.HasPrefix(res.Header.Get("Content-Security-Policy"), "default-src 'none'") ||
		res.Header.Get("X-Request-Id") == "" || res.Header.Get("Server") != "nginx" {
		t.Errorf("%s: %v", what, res.Header)
	}
}

// TestErrors of nginx itself are problems, as those of the gateway.
func TestErrors(t *testing.T) {
	g := newGateway(t, nil)
	server := start(t, nginx.Options{Gateways: []string{g.addr()}})
	for what, c := range map[string]struct {
		request, code string
		status        int
	}{
		"no HTTP":        {"\x16\x03\x01\x02\x00\x01\r\n\r\n", "malformed", 400},
		"no host":        {"GET / HTTP/1.1\r\n\r\n", "malformed", 400},
		"absolute":       {"GET http://localhost/x HTTP/1.1\r\nHost: localhost\r\n\r\n", "malformed", 400},
		"two lengths":    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", "malformed", 400},
		"unknown coding": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n", "malformed", 400},
		"TRACE":          {"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "method_not_allowed", 405},
		"large body":     {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 67108865\r\n\r\n", "body_too_large", 413},
		"long path":      {"GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\nHost: x\r\n\r\n", "headers_too_large", 413},
		"large header":   {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 9000) + "\r\n\r\n", "headers_too_large", 413},
	} {
		res, body := raw(t, server, c.request)
		if res.StatusCode != c.status || !strings.Contains(body, `"code":"`+c.code+`"`) || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %s, want %d %s", what, res.StatusCode, body, c.status, c.code)
		}
		checkOwn(t, what, res)
	}
	if n := g.requests.Load(); n != 0 {
		t.Errorf("%d requests reached the gateway", n)
	}
}
