package main

import (
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// Client and sidecar are of the kind that allocates nothing, so that what is counted is the gateway's own (with a real
// Redis for the limits).
func BenchmarkGateway(b *testing.B) {
	body := []byte(`{"id":1,"name":"Wireless Headphones","price":299.99,"description":"` + strings.Repeat("x", 300) + `"}`)
	sidecar, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer sidecar.Close() //nolint:errcheck // a benchmark's end
	go func() {
		_ = fasthttp.Serve(sidecar, func(c *fasthttp.RequestCtx) { // until it is closed
			c.SetContentType("application/json")
			c.SetBody(body)
		})
	}()
	n := newUpstreams(b)
	n.URL = "http://" + sidecar.Addr().String()
	addr, _ := startRedis(b)
	g := start(b, n, redisAt(addr), func(s *settings, _ *[]route.Route) { s.limitScale = 1_000_000 })
	_, token, _ := strings.Cut(as(b, kittest.NewCaller(shop.User)), ": ")
	for _, bench := range []struct{ name, method, path, token, body string }{
		{"forward a read", "GET", "/.well-known/jwks.json", "", ""},
		{"forward a read with a token", "GET", "/api/v1/orders", token, ""},
		{"forward a change", "POST", "/api/v1/orders", token, `{"items":[{"product_id":1,"quantity":2}]}`},
		{"response from the cache", "GET", "/api/v1/products/1", "", ""},
	} {
		b.Run(bench.name, func(b *testing.B) {
			client := &fasthttp.HostClient{Addr: strings.TrimPrefix(g.url, "http://")}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
				req.SetRequestURI(g.url + bench.path)
				req.Header.SetMethod(bench.method)
				req.Header.Set("Authorization", bench.token)
				req.SetBodyString(bench.body)
				for pb.Next() {
					if err := client.Do(req, res); err != nil || res.StatusCode() != fasthttp.StatusOK {
						b.Errorf("%v %d", err, res.StatusCode())
						return
					}
				}
			})
		})
	}
}
