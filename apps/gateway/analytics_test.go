package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"sidecart/apps/gateway/internal/analytics"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

const requests = "GET /api/v1/analytics/requests"

// usage reads a report and returns one route in it. All gateways of this test binary share one registry.
func (g *gateway) usage(t *testing.T, route string) (report analytics.RequestReport, used analytics.RouteUsage) {
	t.Helper()
	got := g.do(t, requests, "", as(t, kittest.NewCaller(shop.Admin)))
	if err := json.Unmarshal([]byte(got.body), &report); err != nil || got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for _, u := range report.Items {
		if u.Route == route {
			return report, u
		}
	}
	return report, used
}

func TestAnalyticsOfRequests(t *testing.T) {
	addr, _ := startRedis(t)
	n := newUpstreams(t)
	n.on("users POST /auth/login", respondWith(500, "application/problem+json", `{"code":"internal"}`))
	g := start(t, n, redisAt(addr))
	_, loginBefore := g.usage(t, login)
	_, readBefore := g.usage(t, "GET /api/v1/products/{id}")
	_, noneBefore := g.usage(t, "none")
	for range 12 { // two over the limit
		g.do(t, login, "{}")
	}
	for range 5 {
		g.do(t, "GET /api/v1/products/7", "")
	}
	g.do(t, "GET /api/v1/orders", "")
	g.do(t, "GET /nothing", "")
	report, used := g.usage(t, login)
	if used.Requests != loginBefore.Requests+12 || used.Errors != loginBefore.Errors+10 || used.Limited != loginBefore.Limited+2 {
		t.Errorf("login: %+v, before %+v", used, loginBefore)
	}
	if used.Rate <= 0 || used.P50 <= 0 || used.P95 < used.P50 || used.P99 < used.P95 {
		t.Errorf("login: %+v", used)
	}
	if _, read := g.usage(t, "GET /api/v1/products/{id}"); read.Requests != readBefore.Requests+5 || read.Cached < readBefore.Cached+1 {
		t.Errorf("reading: %+v, before %+v", read, readBefore)
	}
	if _, orders := g.usage(t, "GET /api/v1/orders"); orders.Refused == 0 {
		t.Errorf("refused: %+v", orders)
	}
	if _, none := g.usage(t, "none"); none.Requests != noneBefore.Requests+1 {
		t.Errorf("requests without a route: %+v", none)
	}
	if !report.Complete || !report.Since.Before(report.Until) {
		t.Errorf("%v to %v, complete: %v", report.Since, report.Until, report.Complete)
	}
	for token, want := range map[string]int{"X-No: token": 401, as(t, kittest.NewCaller(shop.User)): 403} {
		if got := g.do(t, requests, "", token); got.status != want {
			t.Errorf("%s: %d", token, got.status)
		}
	}
	if got := g.do(t, requests+"?minutes=61", "", as(t, kittest.NewCaller(shop.Admin))); got.status != 422 {
		t.Errorf("a longer range than is stored: %d", got.status)
	}
}

func TestAnalyticsAddUpReplicas(t *testing.T) {
	addr, kill := startRedis(t)
	n := newUpstreams(t)
	one, two := start(t, n, redisAt(addr)), start(t, n, redisAt(addr))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- one.requests.Share(ctx) }()
	one.do(t, "GET /api/v1/orders", "")
	kittest.Eventually(t, 15*time.Second, func() error {
		// Both count the same process here, so that together they have each request twice.
		report, used := two.usage(t, "GET /api/v1/orders")
		if report.Replicas != 2 || !report.Complete || used.Requests < 2 {
			return fmt.Errorf("%d replicas, complete: %v, %+v", report.Replicas, report.Complete, used)
		}
		return nil
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	kill()
	if report, used := two.usage(t, "GET /api/v1/orders"); report.Replicas != 1 || report.Complete || used.Requests == 0 {
		t.Errorf("without Redis: %+v", report)
	}
}
