package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"sidecart/kit/kittest"
)

func TestHealthOfAll(t *testing.T) {
	n := newNeighbourhood(t)
	well := says(200, "application/json", `{"status":"ok","checks":{"database":{"status":"ok","latency_ms":1}}}`)
	services := []string{"users", "products", "orders", "notifications"}
	for _, service := range services {
		n.on(service+" GET /health/ready", well)
	}
	g := start(t, n)
	report := func() (status int, said map[string]any) {
		got := g.do(t, "GET /health/services", "")
		if err := json.Unmarshal([]byte(got.body), &said); err != nil {
			t.Fatal(err)
		}
		return got.status, said
	}
	status, said := report()
	if status != 200 || said["status"] != "ok" || len(said["services"].(map[string]any)) != 5 {
		t.Errorf("%d %v", status, said)
	}
	asked := n.count()
	for range 20 {
		report()
	}
	if n.count() != asked {
		t.Errorf("20 more questions asked the services %d times", n.count()-asked)
	}
	for service, answer := range map[string]string{
		"orders": `{"status":"degraded","checks":{"broker":{"status":"down"}}}`, "users": `{"errorCode":"ERR_DIRECT_INVOKE","message":"x"}`,
	} {
		n.on(service+" GET /health/ready", says(map[string]int{"orders": 200, "users": 500}[service], "application/json", answer))
		kittest.Eventually(t, 3*time.Second, func() error {
			if status, said := report(); status != 503 || said["services"].(map[string]any)[service].(map[string]any)["status"] == "ok" {
				return fmt.Errorf("%d %v", status, said)
			}
			return nil
		})
		n.on(service+" GET /health/ready", well)
	}
	if got := g.do(t, "GET /health", ""); got.status != 200 {
		t.Errorf("alive: %d", got.status)
	}
	if err := g.limiter.Well(context.Background()); err == nil {
		t.Error("a Redis that is not there is well")
	}
}
