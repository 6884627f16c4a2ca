// Package failures_test stops, kills and freezes the platform's parts and shows that nothing is lost.
package failures_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sidecart/kit/shop"
	"sidecart/tests/client"
	"sidecart/tests/e2e"
	"sidecart/tests/platform"
)

var (
	running   *platform.Platform
	anonymous client.Client
	buyer     client.Client
)

func TestMain(m *testing.M) {
	_ = os.Setenv("RATE_LIMIT_SCALE", "1000")
	os.Exit(platform.Main(m, "failures", 12000, func(p *platform.Platform) {
		running, anonymous = p, client.Client{Base: p.URL()}
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFailures(t *testing.T) {
	buyer = e2e.FirstOrder(t, anonymous.Base)
	if t.Failed() {
		return
	}
	must(t, buyer.Call(t.Context(), "POST /api/v1/products/1/inventory/adjustments",
		map[string]any{"delta": restocked, "reason": "for all orders of this test"}, 201, nil))
	t.Run("products is down", productsDown)
	t.Run("the broker is down", brokerDown)
	t.Run("a malformed event", deadLetter)
	t.Run("the database is down", databaseDown)
	for _, name := range []string{"users", "products", "orders", "notifications", "gateway", "users-dapr", "products-dapr",
		"orders-dapr", "notifications-dapr", "gateway-dapr", "sentry", "placement", "scheduler", "redis", "postgres"} {
		t.Run("kill -9 "+name, func(t *testing.T) { killed(t, name) })
	}
	t.Run("a backlog and many orders", loadPasses)
	t.Run("a flood", floodStops)
	t.Run("components hang", componentsHang)
	t.Run("images fail", imagesFail)
	t.Run("products hangs", func(t *testing.T) { hung(t, "products", "GET /api/v1/products/1") })
	t.Run("the database hangs", func(t *testing.T) { hung(t, "postgres", "GET /api/v1/orders") })
	t.Run("everything hangs", everythingHangs)
	t.Run("kill -9 everything", powerCut)
	t.Run("a second platform", second)
	t.Run("certificates are renewed", renewed)
	t.Run("everything is healthy", healthy)
	t.Run("the stock adds up", addsUp)
}

// restocked is more than all orders of this test: a reservation of a crashed request holds stock until it expires, and
// a slow machine has more of them.
const restocked = 1000

// oneHeadphone is the body of an order.
var oneHeadphone = client.Raw(strings.Replace(e2e.Order, `"quantity":2`, `"quantity":1`, 1))

// place places an order and returns its id.
func place(t *testing.T) string {
	t.Helper()
	var order client.Order
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", oneHeadphone, 201, &order))
	return order.ID
}

// productsDown: requests that need products get a 503, immediately once the breaker is open; other requests succeed,
// and the platform recovers when products is back.
func productsDown(t *testing.T) {
	back := running.StopUntil(t, "products")
	var last client.Response
	platform.Eventually(t, 20*time.Second, func() (err error) {
		if last, err = buyer.Do(t.Context(), "GET /api/v1/products/1", nil); err != nil {
			return err
		}
		if last.Status != 503 {
			return fmt.Errorf("status %d", last.Status)
		}
		return nil
	})
	var problem struct{ Code, Type string }
	must(t, json.Unmarshal(last.Body, &problem))
	if problem.Code != "service_unavailable" || last.Header.Get("Content-Type") != "application/problem+json" ||
		last.Header.Get("Retry-After") == "" {
		t.Errorf("%v %s", last.Header, last.Body)
	}
	res, err := buyer.Do(t.Context(), "POST /api/v1/orders", client.Raw(e2e.Order))
	must(t, err)
	if res.Status != 503 && res.Status != 504 {
		t.Errorf("an order without products: %d %s", res.Status, res.Body)
	}
	platform.Eventually(t, 20*time.Second, func() error {
		if _, err := buyer.Do(t.Context(), "GET /api/v1/products/1", nil); err != nil {
			return err
		}
		return breaker("products", true)
	})
	must(t, buyer.Call(t.Context(), "GET /api/v1/orders", nil, 200, nil))
	res, err = anonymous.Do(t.Context(), "GET /health/services", nil)
	must(t, err)
	if res.Status != 503 || !strings.Contains(string(res.Body), `"products":{"status":"degraded"`) {
		t.Errorf("health: %d %s", res.Status, res.Body)
	}
	back()
	platform.Eventually(t, 40*time.Second, func() error {
		if err := buyer.Call(t.Context(), "GET /api/v1/products/1", nil, 200, nil); err != nil {
			return err
		}
		return breaker("products", false)
	})
	e2e.AwaitStatus(t, buyer, place(t), "paid")
}

// breaker fails unless the last state of a service's breaker in the gateway's log is the given one.
func breaker(service string, open bool) error {
	text, err := os.ReadFile(running.Process("gateway").Log)
	if err != nil {
		return err
	}
	last := ""
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"msg":"circuit breaker changed state"`) && strings.Contains(line, `"service":"`+service+`"`) {
			last = line
		}
	}
	if strings.Contains(last, `"to":"open"`) != open {
		return fmt.Errorf("the breaker of %s is %q", service, last)
	}
	return nil
}

// brokerDown: orders are accepted while no event can be published, and are completed when the broker is back.
func brokerDown(t *testing.T) {
	back := running.StopUntil(t, "redis")
	var orders []string
	for range 10 {
		orders = append(orders, place(t))
	}
	back()
	for _, id := range orders {
		e2e.AwaitStatus(t, buyer, id, "paid")
		e2e.AwaitNotifications(t, buyer, id, "orders.placed", "orders.paid")
	}
}

// deadLetter: an event that cannot be handled is stored with its reason; operators list, replay and discard it. Later
// events are handled.
func deadLetter(t *testing.T) {
	token, _, err := running.Token("orders")
	must(t, err)
	id := shop.NewID().String()
	sidecar := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port("orders-dapr", "http"))}
	res, err := sidecar.Do(t.Context(), "POST /v1.0/publish/pubsub/orders.paid", client.Raw(
		`{"specversion":"1.0","id":"`+id+`","source":"orders","type":"orders.paid","data":{"order_id":5}}`),
		"dapr-api-token", token, "Content-Type", "application/cloudevents+json")
	must(t, err)
	must(t, res.Into(204, nil))
	e2e.AwaitStatus(t, buyer, place(t), "paid")
	deadLetters := func(args ...string) string {
		out, err := running.Command(t.Context(), append([]string{"dead-letters"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("dead-letters %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	platform.Eventually(t, 30*time.Second, func() error {
		out := deadLetters()
		if !strings.Contains(out, id) || !strings.Contains(out, "notifications") || !strings.Contains(out, "malformed") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	if out := deadLetters("replay", id); !strings.Contains(out, "NOT replayed: 400") {
		t.Error(out)
	}
	if out := deadLetters("discard", id); !strings.Contains(out, "discarded") {
		t.Error(out)
	}
	if out := deadLetters(); !strings.Contains(out, "no dead letters") {
		t.Error(out)
	}
}

// databaseDown: a 503 without internals, and recovery when the database is back.
func databaseDown(t *testing.T) {
	back := running.StopUntil(t, "postgres")
	res, err := buyer.Do(t.Context(), "GET /api/v1/orders", nil)
	must(t, err)
	body := string(res.Body)
	if res.Status != 503 || !strings.Contains(body, `"code":"unavailable"`) || strings.Contains(body, "127.0.0.1") {
		t.Errorf("%d %s", res.Status, res.Body)
	}
	back()
	platform.Eventually(t, 40*time.Second, func() error {
		return buyer.Call(t.Context(), "GET /api/v1/orders", nil, 200, nil)
	})
	e2e.AwaitStatus(t, buyer, eventuallyPlaced(t), "paid")
}

// killed: orders placed before and after the crash of a process are paid, and their buyer is notified once.
func killed(t *testing.T, name string) {
	before := place(t)
	running.KillAndWait(t, name)
	after := eventuallyPlaced(t)
	for _, id := range []string{before, after} {
		e2e.AwaitStatus(t, buyer, id, "paid")
		e2e.AwaitNotifications(t, buyer, id, "orders.placed", "orders.paid")
	}
}

// powerCut: all processes are killed, the supervisor included. After a start the data is complete and open orders
// continue.
func powerCut(t *testing.T) {
	before := len(ordersOfBuyer(t))
	waiting := place(t)
	t.Logf("ready %.1fs after its start", running.PowerCut(t).Seconds())
	e2e.AwaitStatus(t, buyer, waiting, "paid")
	e2e.AwaitNotifications(t, buyer, waiting, "orders.placed", "orders.paid")
	if after := len(ordersOfBuyer(t)); after != before+1 {
		t.Errorf("%d orders before, %d after one more", before, after)
	}
}

// second: a second platform on the same ports is refused with the process that has them, and the first one continues.
func second(t *testing.T) {
	out, err := running.Beside(t.Context(), "failures-second").CombinedOutput()
	want := fmt.Sprintf("port %d, which gateway needs, is used by pid %d",
		running.Port("gateway", "app"), running.Process("gateway").PID)
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("want %q, got: %v\n%s", want, err, out)
	}
	must(t, anonymous.Call(t.Context(), "GET /health/services", nil, 200, nil))
}

// eventuallyPlaced places an order, and retries while a part is unavailable.
func eventuallyPlaced(t *testing.T) (id string) {
	t.Helper()
	platform.Eventually(t, 60*time.Second, func() error {
		res, err := buyer.Do(t.Context(), "POST /api/v1/orders", oneHeadphone)
		if err != nil {
			return err
		}
		var order client.Order
		if err := res.Into(201, &order); err != nil {
			return err
		}
		id = order.ID
		return nil
	})
	return id
}
