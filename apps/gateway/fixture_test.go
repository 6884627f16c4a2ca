package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sidecart/apps/gateway/internal/analytics"
	"sidecart/apps/gateway/internal/edge"
	"sidecart/apps/gateway/internal/forward"
	"sidecart/apps/gateway/internal/limit"
	"sidecart/apps/gateway/internal/route"
	"sidecart/apps/gateway/internal/stream"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

// The failures that tests bring about fill the log; it is read with -v.
func TestMain(m *testing.M) {
	flag.Parse()
	flush, err := telemetry.Start(context.Background(), "gateway")
	if err != nil {
		panic(err)
	}
	if !testing.Verbose() {
		slog.SetDefault(slog.New(slog.DiscardHandler))
	}
	code := m.Run()
	flush()
	os.Exit(code)
}

// upstreams is a fake of the gateway's sidecar and of every service.
type upstreams struct {
	*httptest.Server
	mu       sync.Mutex
	handlers map[string]http.HandlerFunc // by "products GET /products/1"
	requests []*http.Request
	bodies   []string
}

func newUpstreams(t testing.TB) *upstreams {
	n := &upstreams{handlers: map[string]http.HandlerFunc{}}
	n.Server = httptest.NewServer(http.HandlerFunc(n.serve))
	t.Cleanup(n.Close)
	return n
}

func (n *upstreams) serve(w http.ResponseWriter, r *http.Request) {
	route := r.Header.Get("dapr-app-id") + " " + r.Method + " " + r.URL.Path
	w.Header().Set("X-Request-Id", "a service's") // as all services do
	n.mu.Lock()
	handler := n.handlers[route]
	n.requests = append(n.requests, r)
	n.mu.Unlock()
	if handler == nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender gave up
		}
		n.mu.Lock()
		n.bodies = append(n.bodies, string(body))
		n.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"route":"`+route+`"}`)
		return
	}
	handler(w, r)
}

func (n *upstreams) on(route string, handler http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handlers[route] = handler
}

func respondWith(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func (n *upstreams) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.requests)
}

func (n *upstreams) lastRequest(t testing.TB) *http.Request {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.requests) == 0 {
		t.Fatal("no request reached a service")
	}
	return n.requests[len(n.requests)-1]
}

// gateway is a real one on a port of its own.
type gateway struct {
	url       string
	upstreams *upstreams
	limiter   *limit.Limiter
	requests  *analytics.Requests
}

type option func(*settings, *[]route.Route)

func redisAt(addr string) option {
	return func(s *settings, _ *[]route.Route) { s.redisAddr, s.limitScale = addr, 1 }
}

func deadline(d time.Duration) option {
	return func(_ *settings, routes *[]route.Route) {
		for i := range *routes {
			(*routes)[i].Deadline = d
		}
	}
}

func edgeConfig(change func(*edge.Config)) option {
	return func(s *settings, _ *[]route.Route) { change(&s.edge) }
}

// start starts a gateway in front of upstreams. Unless an option changes it, limits are high and counted without Redis.
func start(t testing.TB, behind *upstreams, options ...option) *gateway {
	t.Helper()
	cfg := settings{
		web:        web.Config{Streaming: true, Bare: true},
		edge:       edge.Config{Hosts: []string{"127.0.0.1", "shop.example.com"}},
		redisAddr:  "127.0.0.1:1",
		limitScale: 1_000_000,
		cacheBytes: 1 << 20,
		daprToken:  "sidecar-token",
	}
	routes, err := route.Complete(route.Table)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range options {
		change(&cfg, &routes)
	}
	limiter := limit.Connect(cfg.redisAddr, "", cfg.redisTLS, cfg.limitScale)
	to := forward.New(strings.TrimPrefix(behind.URL, "http://"), cfg.daprToken, route.Services(routes))
	requests := analytics.Connect(cfg.redisAddr, "", cfg.redisTLS)
	cfg.web.Verify = kittest.Verify
	app := web.New("gateway", cfg.web)
	build(app, cfg, routes, kittest.Verify, limiter, requests, stream.New(kittest.Verify, nil), to)
	t.Cleanup(func() { _, _ = limiter.Close(), requests.Close() }) // a test's end
	addr := kittest.Serve(t, app)
	return &gateway{url: "http://" + addr, upstreams: behind, limiter: limiter, requests: requests}
}

// response is what a client got.
type response struct {
	status int
	header http.Header
	body   string
}

// do makes one request like "POST /api/v1/orders" with a body and header fields written "Name: value".
func (g *gateway) do(t testing.TB, do, body string, header ...string) response {
	t.Helper()
	method, path, _ := strings.Cut(do, " ")
	req, err := http.NewRequestWithContext(context.Background(), method, g.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Add(name, value)
	}
	return exchange(t, req)
}

func exchange(t testing.TB, req *http.Request) response {
	t.Helper()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	return response{res.StatusCode, res.Header, string(text)}
}

// raw sends bytes as they are and returns all that comes back before the connection closes.
func (g *gateway) raw(t testing.TB, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's end
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	back, err := io.ReadAll(conn)
	if err != nil && len(back) == 0 {
		t.Fatal(err)
	}
	return string(back)
}

// as is an Authorization header for a caller with a valid token.
func as(t testing.TB, caller shop.Caller) string {
	t.Helper()
	token, err := kittest.Signer.Sign(caller, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: Bearer " + token
}

// startRedis runs a real Redis of the test's own.
func startRedis(t testing.TB) (addr string, kill func()) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is not installed: `make test` installs what the tests need, or `apt-get install redis-server`")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return addr, runRedis(t, addr)
}

func runRedis(t testing.TB, addr string) (kill func()) {
	t.Helper()
	_, port, _ := strings.Cut(addr, ":")
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close() //nolint:errcheck // only for waiting
	kittest.Eventually(t, 10*time.Second, func() error { return client.Ping(context.Background()).Err() })
	return kill
}
