package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sidecart/apps/gateway/internal/health"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func TestHealthOfAll(t *testing.T) {
	n := newUpstreams(t)
	healthy := respondWith(200, "application/json", `{"status":"ok","checks":{"database":{"status":"ok","latency_ms":1}}}`)
	services := []string{"users", "products", "orders", "notifications"}
	for _, service := range services {
		n.on(service+" GET /health/ready", healthy)
	}
	g := start(t, n)
	report := func() (status int, body map[string]any) {
		got := g.do(t, "GET /health/services", "")
		if err := json.Unmarshal([]byte(got.body), &body); err != nil {
			t.Fatal(err)
		}
		return got.status, body
	}
	status, body := report()
	if status != 200 || body["status"] != "ok" || len(body["services"].(map[string]any)) != 5 {
		t.Errorf("%d %v", status, body)
	}
	requests := n.count()
	for range 20 {
		report()
	}
	if n.count() != requests {
		t.Errorf("20 more reports made %d requests to the services", n.count()-requests)
	}
	for service, response := range map[string]string{
		"orders": `{"status":"degraded","checks":{"broker":{"status":"down"}}}`, "users": `{"errorCode":"ERR_DIRECT_INVOKE","message":"x"}`,
	} {
		n.on(service+" GET /health/ready", respondWith(map[string]int{"orders": 200, "users": 500}[service], "application/json", response))
		kittest.Eventually(t, 3*time.Second, func() error {
			if status, report := report(); status != 503 || report["services"].(map[string]any)[service].(map[string]any)["status"] != "degraded" {
				return fmt.Errorf("%d %v", status, report)
			}
			return nil
		})
		n.on(service+" GET /health/ready", healthy)
	}
	if got := g.do(t, "GET /health", ""); got.status != 200 {
		t.Errorf("alive: %d", got.status)
	}
	if err := g.limiter.Healthy(context.Background()); err == nil {
		t.Error("Redis is reported as healthy while it is unavailable")
	}
}

// TestHealthDetailsAreForAdmins: without an admin's token the report shows which parts are healthy, and nothing that
// shows the effect of an attack.
func TestHealthDetailsAreForAdmins(t *testing.T) {
	n := newUpstreams(t)
	for _, service := range []string{"users", "products", "orders", "notifications"} {
		n.on(service+" GET /health/ready", respondWith(200, "application/json",
			`{"status":"degraded","checks":{"database":{"status":"ok","latency_ms":1.5},"broker":{"status":"down","latency_ms":2000,"error":"not healthy"}}}`))
	}
	g := start(t, n)
	public := `"orders":{"status":"degraded","checks":{"broker":{"status":"degraded"},"database":{"status":"ok"}}}`
	for name, header := range map[string]string{"no token": "X-No: token", "a guess": "Authorization: Bearer guess", "a user": as(t, kittest.NewCaller(shop.User))} {
		if got := g.do(t, "GET /health/services", "", header); got.status != 503 || !strings.Contains(got.body, public) || strings.Contains(got.body, "latency") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	got := g.do(t, "GET /health/services", "", as(t, kittest.NewCaller(shop.Admin)))
	for _, detail := range []string{`"broker":{"status":"down","latency_ms":2000,"error":"not healthy"}`, `"database":{"status":"ok","latency_ms":1.5}`} {
		if got.status != 503 || !strings.Contains(got.body, detail) {
			t.Errorf("an admin does not get %s: %d %s", detail, got.status, got.body)
		}
	}
	app := web.New("gateway", web.Config{Bare: true})
	app.ReportHealth(web.Check{Name: "redis", Probe: func(context.Context) error { return errors.New("down") }})
	health.NewReporter(app, nil, nil, nil).Probes()
	if _, body := kittest.Do(t, app, kittest.Call{Do: "GET /health/ready"}); string(body) != `{"status":"degraded","checks":{"redis":{"status":"degraded"}}}` {
		t.Errorf("ready: %s", body)
	}
}
