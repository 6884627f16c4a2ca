package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func arrivesWithin(d time.Duration) option {
	return func(s *settings, _ *[]route.Route) { s.web.ReadTimeout = d }
}

// slowly sends a request in two parts with a delay between them, and returns the response and its duration.
func (g *gateway) slowly(t *testing.T, first, second string, delay time.Duration) (back string, took time.Duration) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's end
	begin := time.Now()
	if err := conn.SetDeadline(begin.Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, first); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-time.After(delay)
		_, _ = io.WriteString(conn, second) // it may be closed by then
	}()
	text, _ := io.ReadAll(conn) // until it is closed, in whatever way
	return string(text), time.Since(begin)
}

func TestSlowRequestsAreCutOff(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n, arrivesWithin(300*time.Millisecond))
	alice := as(t, kittest.NewCaller(shop.User))
	post := "POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + alice + "\r\n"
	for name, test := range map[string]struct{ first, second string }{
		"nothing at all":    {"", "x"},
		"half a head":       {post, "\r\n"},
		"half a body":       {post + "Content-Length: 10\r\n\r\n{}", "x"},
		"half a chunk":      {post + "Transfer-Encoding: chunked\r\n\r\n5\r\n{}", "x"},
		"a body of a read":  {"GET /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n" + alice + "\r\n\r\n{}", "x"},
		"a body of nowhere": {"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n{}", "x"},
	} {
		back, took := g.slowly(t, test.first, test.second, 15*time.Second)
		if took > 10*time.Second || strings.HasPrefix(test.first, "POST /api") && strings.Contains(back, " 200 ") {
			t.Errorf("%s: after %s: %.200s", name, took, back)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, body := range n.bodies {
		if body != "" {
			t.Errorf("half a body reached a service as a complete one: %q", body)
		}
	}
}

// A route with a long deadline takes bodies that arrive slowly, once their first 8 KiB have arrived: these are read
// before the edge checks the request.
func TestLongRoutesMayArriveSlowly(t *testing.T) {
	g := start(t, newUpstreams(t), arrivesWithin(300*time.Millisecond), deadline(5*time.Second))
	head := "POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 20000\r\n"
	body := strings.Repeat(" ", 10_000)
	if back, _ := g.slowly(t, head+as(t, kittest.NewCaller(shop.User))+"\r\n\r\n"+body, body, time.Second); !strings.HasPrefix(back, "HTTP/1.1 200 ") {
		t.Errorf("%.300s", back)
	}
	if back, took := g.slowly(t, head+"\r\n"+body, body, 15*time.Second); strings.Contains(back, " 200 ") || took > 10*time.Second {
		t.Errorf("without a token: after %s: %.300s", took, back)
	}
}

func leavesWithin(d time.Duration) option {
	return func(s *settings, _ *[]route.Route) { s.web.WriteTimeout = d }
}

// TestLongResponsesMayTakeLong: a file is sent completely although it takes many times what other responses may, while
// the client keeps reading. A client that does not read is disconnected.
func TestLongResponsesMayTakeLong(t *testing.T) {
	n := newUpstreams(t)
	g := start(t, n, leavesWithin(300*time.Millisecond))
	part := strings.Repeat("x", 64<<10)
	const parts = 12
	inParts := func(w http.ResponseWriter, _ *http.Request) {
		for range parts {
			_, _ = io.WriteString(w, part) // the client may have disconnected
			w.(http.Flusher).Flush()
			<-time.After(100 * time.Millisecond)
		}
	}
	n.on("products GET /products/export", inParts)
	n.on("orders GET /orders", inParts)
	admin := as(t, kittest.NewCaller(shop.Admin))
	for path, complete := range map[string]bool{"/api/v1/products/export": true, "/api/v1/orders": false} {
		if got, err := g.length(t, path, admin); (got == parts*len(part)) != complete || (err == nil) != complete {
			t.Errorf("%s: %d bytes, %v", path, got, err)
		}
	}

	cancelled := make(chan struct{})
	n.on("products GET /products/export", func(w http.ResponseWriter, _ *http.Request) {
		defer close(cancelled)
		for err := error(nil); err == nil; {
			_, err = io.WriteString(w, part)
		}
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's end
	if _, err := io.WriteString(conn, "GET /api/v1/products/export HTTP/1.1\r\nHost: 127.0.0.1\r\n"+admin+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-cancelled:
	case <-time.After(20 * time.Second):
		t.Error("the gateway keeps the connection of a client that reads nothing")
	}
}

// length is the received length of a response.
func (g *gateway) length(t *testing.T, path, header string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, g.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(header, ": ")
	req.Header.Set(name, value)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read as far as it goes
	n, err := io.Copy(io.Discard, res.Body)
	return int(n), err
}
