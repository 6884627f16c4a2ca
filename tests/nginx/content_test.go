package nginx_test

import (
	"bufio"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sidecart/tests/nginx"
)

// TestStreams: each event arrives when it is written, over a longer time than other responses have.
func TestStreams(t *testing.T) {
	next := make(chan struct{})
	g := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, "data: x\n\n")
			w.(http.Flusher).Flush()
			<-next
		}
	})
	server := start(t, nginx.Options{Gateways: []string{g.addr()}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/notifications/stream", nil)
	must(t, err)
	res, err := direct.Do(req)
	must(t, err)
	defer res.Body.Close() //nolint:errcheck // a test's end
	events := bufio.NewReader(res.Body)
	for range 3 {
		line, err := events.ReadString('\n')
		if err != nil || line != "data: x\n" {
			t.Fatalf("%q, %v", line, err)
		}
		_, _ = events.ReadString('\n')
		next <- struct{}{}
	}
}

// TestBodiesStream: a gateway refuses a body by its head, before it has arrived.
func TestBodiesStream(t *testing.T) {
	g := newGateway(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	server := start(t, nginx.Options{Gateways: []string{g.addr()}})
	began := time.Now()
	res, _ := raw(t, server, "POST /api/v1/products/import HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
	if res.StatusCode != http.StatusUnauthorized || time.Since(began) > 5*time.Second {
		t.Errorf("%d after %s", res.StatusCode, time.Since(began))
	}
}

// TestCompression: public lists are compressed; a response with an entity tag keeps it as it is.
func TestCompression(t *testing.T) {
	list := `{"items":["` + strings.Repeat("a product, ", 1000) + `"]}`
	g := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `"3-10"`)
		_, _ = io.WriteString(w, list)
	})
	server := start(t, nginx.Options{Gateways: []string{g.addr()}})
	for path, compressed := range map[string]bool{
		"/api/v1/products": true, "/api/v1/categories": true, "/openapi.json": true, "/api/v1/products/1": false,
		"/api/v1/categories/1": false, "/api/v1/orders": false, "/api/v1/users/me": false, "/api/v1/products/1/inventory": false,
	} {
		res, body := get(t, server.URL+path, "Accept-Encoding", "gzip")
		if (res.Header.Get("Content-Encoding") == "gzip") != compressed {
			t.Errorf("%s: %v", path, res.Header)
		}
		if !compressed {
			if res.Header.Get("ETag") != `"3-10"` || body != list {
				t.Errorf("%s: %v", path, res.Header)
			}
			continue
		}
		plain, err := gzip.NewReader(strings.NewReader(body))
		must(t, err)
		text, err := io.ReadAll(plain)
		if err != nil || string(text) != list || !strings.Contains(res.Header.Get("Vary"), "Accept-Encoding") {
			t.Errorf("%s: %v, %v", path, res.Header, err)
		}
	}
}
