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
	"sidecart/tests/e2e"
	"sidecart/tests/platform"
)

const (
	backlog    = 5000
	manyOrders = 400 // from one address
)

// consumers are the services that every event of the backlog goes to.
var consumers = []string{"products", "orders", "notifications"}

// concurrently calls fn n times, 32 at a time.
func concurrently(n int, fn func(i int) error) error {
	var g errgroup.Group
	g.SetLimit(32)
	for i := range n {
		g.Go(func() error { return fn(i) })
	}
	return g.Wait()
}

// viaSidecar calls an app's sidecar with the app's token.
func viaSidecar(
	t *testing.T, app string,
) func(ctx context.Context, call string, body any, headers ...string) (client.Response, error) {
	t.Helper()
	token, _, err := running.Token(app)
	must(t, err)
	c := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port(app+"-dapr", "http"))}
	return func(ctx context.Context, call string, body any, headers ...string) (client.Response, error) {
		return c.Do(ctx, call, body, append(headers, "dapr-api-token", token)...)
	}
}

// count adds up a metric of an app's sidecar over the lines that contain all words.
func count(t *testing.T, app, metric string, words ...string) float64 {
	t.Helper()
	metrics := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port(app+"-dapr", "metrics"))}
	res, err := metrics.Do(t.Context(), "GET /metrics", nil)
	must(t, err)
	sum := 0.0
lines:
	for _, line := range regexp.MustCompile(`(?m)^`+metric+`\{(.*)\} (.+)$`).FindAllStringSubmatch(string(res.Body), -1) {
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

// limited is the number of requests to an app that its sidecar refused with 429.
func limited(t *testing.T, app string) float64 {
	t.Helper()
	return count(t, app, "dapr_http_client_completed_count", `status="429"`)
}

// loadPasses: neither a backlog of events nor many concurrent orders from one address are taken for a flood.
func loadPasses(t *testing.T) {
	back := running.StopUntil(t, consumers...)
	publish := viaSidecar(t, "users")
	must(t, concurrently(backlog, func(int) error {
		id := shop.NewID().String()
		res, err := publish(t.Context(), "POST /v1.0/publish/pubsub/users.erased", client.Raw(
			`{"specversion":"1.0","id":"`+id+`","source":"users","type":"users.erased","data":{"user_id":"`+id+`"}}`),
			"Content-Type", "application/cloudevents+json")
		if err != nil {
			return err
		}
		return res.Into(204, nil)
	}))
	back()
	began := time.Now()
	for _, app := range consumers {
		platform.Eventually(t, 5*time.Minute, func() error {
			n := count(t, app, "dapr_component_pubsub_ingress_count", `topic="users.erased"`, `process_status="success"`)
			if n < backlog {
				return fmt.Errorf("%s has handled %g events of %d", app, n, backlog)
			}
			return nil
		})
	}
	t.Logf("three services handled %d events each in %s", backlog, time.Since(began).Round(time.Millisecond))
	product := strings.NewReplacer("WH-001", "WH-002", `:50}`, `:1000}`).Replace(e2e.Product)
	must(t, buyer.Call(t.Context(), "POST /api/v1/products", client.Raw(product), 201, nil))
	account := strings.ReplaceAll(e2e.Register, "test", "load")
	must(t, anonymous.Call(t.Context(), "POST /api/v1/auth/register", client.Raw(account), 201, nil))
	user, err := anonymous.SignIn(t.Context(), "loaduser", "SecurePassword123!")
	must(t, err)
	began = time.Now()
	var order client.Order
	must(t, concurrently(manyOrders, func(i int) error {
		var placed client.Order
		body := client.Raw(strings.Replace(e2e.Order, `"product_id":1`, `"product_id":2`, 1))
		err := user.Call(t.Context(), "POST /api/v1/orders", body, 201, &placed)
		if i == manyOrders-1 {
			order = placed
		}
		return err
	}))
	t.Logf("%d orders in %s", manyOrders, time.Since(began).Round(time.Millisecond))
	e2e.AwaitStatus(t, user, order.ID, "paid")
	for _, app := range []string{"users", "products", "orders", "notifications"} {
		if n := limited(t, app); n != 0 {
			t.Errorf("the sidecar of %s refused %g with 429", app, n)
		}
	}
}

// floodStops: behind the gateway's limits (which are raised for these tests), a service's own sidecar limits an address
// with too many requests, and no other address.
func floodStops(t *testing.T) {
	const keys = "GET /.well-known/jwks.json"
	invoke := viaSidecar(t, "gateway")
	var passed, stopped atomic.Int64
	began := time.Now()
	flood := func(address string, enough int64) {
		must(t, concurrently(30_000, func(int) error {
			if stopped.Load() >= enough {
				return nil
			}
			res, err := invoke(t.Context(), keys, nil, "dapr-app-id", "users", "X-Forwarded-For", address)
			switch {
			case err != nil:
				return err
			case res.Status == 429:
				stopped.Add(1)
			case res.Status == 200:
				passed.Add(1)
			default:
				return fmt.Errorf("%d %s", res.Status, res.Body)
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
		t.Errorf("the metrics of users' sidecar show %g responses with 429", n)
	}
	res, err := invoke(t.Context(), keys, nil, "dapr-app-id", "users", "X-Forwarded-For", "203.0.113.8")
	must(t, err)
	must(t, res.Into(200, nil))

	// Through the gateway the address is that of the connection, whatever a client claims, and 429 has a Retry-After.
	res, err = anonymous.Do(t.Context(), keys, nil, "X-Forwarded-For", "203.0.113.7")
	must(t, err)
	must(t, res.Into(200, nil))
	stopped.Store(0)
	flood("127.0.0.1", 200)
	platform.Eventually(t, 20*time.Second, func() error {
		must(t, concurrently(400, func(int) error {
			_, err := invoke(t.Context(), keys, nil, "dapr-app-id", "users", "X-Forwarded-For", "127.0.0.1")
			return err
		}))
		res, err := anonymous.Do(t.Context(), keys, nil)
		if err != nil {
			return err
		}
		if err := res.Into(429, nil); err != nil {
			return err
		}
		if res.Header.Get("Retry-After") == "" || !strings.Contains(string(res.Body), `"code":"rate_limited"`) ||
			res.Header.Get("X-Rate-Limit-Limit") != "" {
			t.Errorf("%v %s", res.Header, res.Body)
		}
		return nil
	})
}
