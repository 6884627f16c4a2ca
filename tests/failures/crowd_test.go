package failures_test

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/kit/shop"
	"sidecart/tests/client"
	"sidecart/tests/journey"
	"sidecart/tests/platform"
)

const (
	backlog = 5000
	crowd   = 400 // orders, placed from one address
)

// consumers are the services that every event of the backlog goes to.
var consumers = []string{"products", "orders", "notifications"}

// sideBySide calls fn n times, 32 at a time.
func sideBySide(n int, fn func(i int) error) error {
	var g errgroup.Group
	g.SetLimit(32)
	for i := range n {
		g.Go(func() error { return fn(i) })
	}
	return g.Wait()
}

// viaSidecar calls an app's sidecar as that app would.
func viaSidecar(t *testing.T, app string) func(ctx context.Context, call string, body any, headers ...string) (client.Answer, error) {
	t.Helper()
	token, _, err := running.Token(app)
	must(t, err)
	c := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port(app+"-dapr", "http"))}
	return func(ctx context.Context, call string, body any, headers ...string) (client.Answer, error) {
		return c.Do(ctx, call, body, append(headers, "dapr-api-token", token)...)
	}
}

// count adds up a metric of an app's sidecar, of the lines that have each of the words.
func count(t *testing.T, app, metric string, words ...string) float64 {
	t.Helper()
	metrics := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port(app+"-dapr", "metrics"))}
	a, err := metrics.Do(t.Context(), "GET /metrics", nil)
	must(t, err)
	sum := 0.0
lines:
	for _, line := range regexp.MustCompile(`(?m)^`+metric+`\{(.*)\} (.+)$`).FindAllStringSubmatch(string(a.Body), -1) {
		for _, word := range words {
			if !strings.Contains(line[1], word) {
				continue lines
			}
		}
		n, err := strconv.ParseFloat(line[2], 64)
		must(t, err)
		sum += n
	}
	return sum
}

// limited is how many requests to an app its sidecar answered with 429.
func limited(t *testing.T, app string) float64 {
	t.Helper()
	return count(t, app, "dapr_http_client_completed_count", `status="429"`)
}

// crowdPasses: a backlog of events, and people who all buy at once from one address, are no flood.
func crowdPasses(t *testing.T) {
	back := running.StopUntil(t, consumers...)
	publish := viaSidecar(t, "users")
	must(t, sideBySide(backlog, func(int) error {
		id := shop.NewID().String()
		a, err := publish(t.Context(), "POST /v1.0/publish/pubsub/users.erased", client.Raw(
			`{"specversion":"1.0","id":"`+id+`","source":"users","type":"users.erased","data":{"user_id":"`+id+`"}}`),
			"Content-Type", "application/cloudevents+json")
		if err != nil {
			return err
		}
		return a.Into(204, nil)
	}))
	back()
	began := time.Now()
	for _, app := range consumers {
		platform.Eventually(t, 5*time.Minute, func() error {
			if n := count(t, app, "dapr_component_pubsub_ingress_count", `topic="users.erased"`, `process_status="success"`); n < backlog {
				return fmt.Errorf("%s has handled %g events of %d", app, n, backlog)
			}
			return nil
		})
	}
	t.Logf("three services handled %d events each in %s", backlog, time.Since(began).Round(time.Millisecond))
	must(t, buyer.Call(t.Context(), "POST /api/v1/products", client.Raw(strings.NewReplacer("WH-001", "WH-002", `:50}`, `:1000}`).Replace(journey.Product)), 201, nil))
	must(t, nobody.Call(t.Context(), "POST /api/v1/auth/register", client.Raw(strings.ReplaceAll(journey.Register, "test", "crowd")), 201, nil))
	people, err := nobody.SignIn(t.Context(), "crowduser", "SecurePassword123!")
	must(t, err)
	began = time.Now()
	var order client.Order
	must(t, sideBySide(crowd, func(i int) error {
		var placed client.Order
		err := people.Call(t.Context(), "POST /api/v1/orders", client.Raw(strings.Replace(journey.Order, `"product_id":1`, `"product_id":2`, 1)), 201, &placed)
		if i == crowd-1 {
			order = placed
		}
		return err
	}))
	t.Logf("%d orders in %s", crowd, time.Since(began).Round(time.Millisecond))
	journey.AwaitStatus(t, people, order.ID, "paid")
	for _, app := range []string{"users", "products", "orders", "notifications"} {
		if n := limited(t, app); n != 0 {
			t.Errorf("the sidecar of %s answered %g with 429", app, n)
		}
	}
}

// floodStops: past the gateway's limits (they are lifted for these tests), a service's own sidecar stops who asks too
// often, and nobody else.
func floodStops(t *testing.T) {
	const keys = "GET /.well-known/jwks.json"
	invoke := viaSidecar(t, "gateway")
	var passed, stopped atomic.Int64
	began := time.Now()
	flood := func(address string, enough int64) {
		must(t, sideBySide(30_000, func(int) error {
			if stopped.Load() >= enough {
				return nil
			}
			a, err := invoke(t.Context(), keys, nil, "dapr-app-id", "users", "X-Forwarded-For", address)
			switch {
			case err != nil:
				return err
			case a.Status == 429:
				stopped.Add(1)
			case a.Status == 200:
				passed.Add(1)
			default:
				return fmt.Errorf("%d %s", a.Status, a.Body)
			}
			return nil
		}))
	}
	flood("203.0.113.7", 200)
	took := time.Since(began)
	t.Logf("%d passed and %d were stopped in %s", passed.Load(), stopped.Load(), took.Round(time.Millisecond))
	if stopped.Load() < 200 || float64(passed.Load()) > 300*(1+math.Ceil(took.Seconds())) {
		t.Errorf("%d passed and %d were stopped in %s", passed.Load(), stopped.Load(), took)
	}
	if n := limited(t, "users"); n < 200 {
		t.Errorf("the metrics of users' sidecar show %g answers with 429", n)
	}
	a, err := invoke(t.Context(), keys, nil, "dapr-app-id", "users", "X-Forwarded-For", "203.0.113.8")
	must(t, err)
	must(t, a.Into(200, nil))

	// Through the gateway the address is that of the connection, whatever a client claims, and 429 says when to come
	// again.
	a, err = nobody.Do(t.Context(), keys, nil, "X-Forwarded-For", "203.0.113.7")
	must(t, err)
	must(t, a.Into(200, nil))
	stopped.Store(0)
	flood("127.0.0.1", 200)
	platform.Eventually(t, 20*time.Second, func() error {
		must(t, sideBySide(400, func(int) error {
			_, err := invoke(t.Context(), keys, nil, "dapr-app-id", "users", "X-Forwarded-For", "127.0.0.1")
			return err
		}))
		a, err := nobody.Do(t.Context(), keys, nil)
		if err != nil {
			return err
		}
		if err := a.Into(429, nil); err != nil {
			return err
		}
		if a.Header.Get("Retry-After") == "" || !strings.Contains(string(a.Body), `"code":"rate_limited"`) || a.Header.Get("X-Rate-Limit-Limit") != "" {
			t.Errorf("%v %s", a.Header, a.Body)
		}
		return nil
	})
}
