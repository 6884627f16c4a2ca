// Package failures_test takes the platform's parts away, one after the other, and shows that nothing is lost.
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
	"sidecart/tests/journey"
	"sidecart/tests/platform"
)

var (
	running *platform.Platform
	nobody  client.Client
	buyer   client.Client
)

func TestMain(m *testing.M) {
	_ = os.Setenv("RATE_LIMIT_SCALE", "1000")
	os.Exit(platform.Main(m, "failures", 12000, func(p *platform.Platform) {
		running, nobody = p, client.Client{Base: p.URL()}
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFailures(t *testing.T) {
	buyer = journey.FirstOrder(t, nobody.Base)
	if t.Failed() {
		return
	}
	t.Run("products is down", productsDown)
	t.Run("the broker is down", brokerDown)
	t.Run("an event nobody can read", deadLetter)
	t.Run("the database is down", databaseDown)
	for _, name := range []string{"users", "products", "orders", "notifications", "gateway", "users-dapr", "products-dapr",
		"orders-dapr", "notifications-dapr", "gateway-dapr", "sentry", "placement", "scheduler", "redis", "postgres"} {
		t.Run("kill -9 "+name, func(t *testing.T) { killed(t, name) })
	}
	t.Run("a backlog and a crowd", crowdPasses)
	t.Run("a flood", floodStops)
	t.Run("components hang", componentsHang)
	t.Run("images fail", imagesFail)
	t.Run("products hangs", func(t *testing.T) { hung(t, "products", "GET /api/v1/products/1") })
	t.Run("the database hangs", func(t *testing.T) { hung(t, "postgres", "GET /api/v1/orders") })
	t.Run("everything hangs", everythingHangs)
	t.Run("kill -9 everything", powerCut)
	t.Run("a second one beside it", second)
	t.Run("certificates are renewed", renewed)
	t.Run("all is well", allIsWell)
	t.Run("and adds up", addsUp)
}

// place buys one headphone and returns the order's id.
func place(t *testing.T) string {
	t.Helper()
	var order client.Order
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(strings.Replace(journey.Order, `"quantity":2`, `"quantity":1`, 1)), 201, &order))
	return order.ID
}

// productsDown: a clear 503 for whoever needs it, at once after a few (the breaker), everybody else is served, and all is
// well again by itself.
func productsDown(t *testing.T) {
	back := running.StopUntil(t, "products")
	var last client.Answer
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
	if problem.Code != "service_unavailable" || last.Header.Get("Content-Type") != "application/problem+json" || last.Header.Get("Retry-After") == "" {
		t.Errorf("%v %s", last.Header, last.Body)
	}
	a, err := buyer.Do(t.Context(), "POST /api/v1/orders", client.Raw(journey.Order))
	must(t, err)
	if a.Status != 503 && a.Status != 504 {
		t.Errorf("an order without stock to ask for: %d %s", a.Status, a.Body)
	}
	platform.Eventually(t, 20*time.Second, func() error {
		if _, err := buyer.Do(t.Context(), "GET /api/v1/products/1", nil); err != nil {
			return err
		}
		return breaker("products", true)
	})
	must(t, buyer.Call(t.Context(), "GET /api/v1/orders", nil, 200, nil))
	a, err = nobody.Do(t.Context(), "GET /health/services", nil)
	must(t, err)
	if a.Status != 503 || !strings.Contains(string(a.Body), `"products":{"status":"degraded"`) {
		t.Errorf("health: %d %s", a.Status, a.Body)
	}
	back()
	platform.Eventually(t, 40*time.Second, func() error {
		if err := buyer.Call(t.Context(), "GET /api/v1/products/1", nil, 200, nil); err != nil {
			return err
		}
		return breaker("products", false)
	})
	journey.AwaitStatus(t, buyer, place(t), "paid")
}

// breaker reads the gateway's log: it says when it stops asking a service, and when it asks again.
func breaker(service string, open bool) error {
	text, err := os.ReadFile(running.Process("gateway").Log)
	if err != nil {
		return err
	}
	last := ""
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"msg":"breaker"`) && strings.Contains(line, `"service":"`+service+`"`) {
			last = line
		}
	}
	if strings.Contains(last, `"to":"open"`) != open {
		return fmt.Errorf("the breaker of %s last said %q", service, last)
	}
	return nil
}

// brokerDown: orders are accepted while nobody can be told, and everything catches up.
func brokerDown(t *testing.T) {
	back := running.StopUntil(t, "redis")
	var orders []string
	for range 10 {
		orders = append(orders, place(t))
	}
	back()
	for _, id := range orders {
		journey.AwaitStatus(t, buyer, id, "paid")
		journey.AwaitNotifications(t, buyer, id, "orders.placed", "orders.paid")
	}
}

// deadLetter: an event that cannot be handled is kept with its reason, shown to operators, and theirs to replay or discard; the
// events after it are heard.
func deadLetter(t *testing.T) {
	token, _, err := running.Token("orders")
	must(t, err)
	id := shop.NewID().String()
	sidecar := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port("orders-dapr", "http"))}
	a, err := sidecar.Do(t.Context(), "POST /v1.0/publish/pubsub/orders.paid", client.Raw(
		`{"specversion":"1.0","id":"`+id+`","source":"orders","type":"orders.paid","data":{"order_id":5}}`),
		"dapr-api-token", token, "Content-Type", "application/cloudevents+json")
	must(t, err)
	must(t, a.Into(204, nil))
	journey.AwaitStatus(t, buyer, place(t), "paid")
	letters := func(args ...string) string {
		out, err := running.Command(t.Context(), append([]string{"dead-letters"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("dead-letters %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	platform.Eventually(t, 30*time.Second, func() error {
		if out := letters(); !strings.Contains(out, id) || !strings.Contains(out, "notifications") || !strings.Contains(out, "malformed") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	if out := letters("replay", id); !strings.Contains(out, "NOT replayed: 400") {
		t.Error(out)
	}
	if out := letters("discard", id); !strings.Contains(out, "discarded") {
		t.Error(out)
	}
	if out := letters(); !strings.Contains(out, "no dead letters") {
		t.Error(out)
	}
}

// databaseDown: a clear 503, no stack trace, and back by itself.
func databaseDown(t *testing.T) {
	back := running.StopUntil(t, "postgres")
	a, err := buyer.Do(t.Context(), "GET /api/v1/orders", nil)
	must(t, err)
	if a.Status != 503 || !strings.Contains(string(a.Body), `"code":"unavailable"`) || strings.Contains(string(a.Body), "127.0.0.1") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	back()
	platform.Eventually(t, 40*time.Second, func() error { return buyer.Call(t.Context(), "GET /api/v1/orders", nil, 200, nil) })
	journey.AwaitStatus(t, buyer, eventuallyPlaced(t), "paid")
}

// killed: an order placed around a crash of any part is paid, and told once.
func killed(t *testing.T, name string) {
	before := place(t)
	running.KillAndWait(t, name)
	after := eventuallyPlaced(t)
	for _, id := range []string{before, after} {
		journey.AwaitStatus(t, buyer, id, "paid")
		journey.AwaitNotifications(t, buyer, id, "orders.placed", "orders.paid")
	}
}

// powerCut: everything is ended at once, the supervisor too. It starts again without a hand, the data is as it was, and what
// was under way goes on.
func powerCut(t *testing.T) {
	before := len(bought(t))
	waiting := place(t)
	t.Logf("ready %.1fs after its start", running.PowerCut(t).Seconds())
	journey.AwaitStatus(t, buyer, waiting, "paid")
	journey.AwaitNotifications(t, buyer, waiting, "orders.placed", "orders.paid")
	if after := len(bought(t)); after != before+1 {
		t.Errorf("%d orders before, %d after one more", before, after)
	}
}

// second: a platform on the same ports is refused with a word about who has them, and the first goes on.
func second(t *testing.T) {
	out, err := running.Beside(t.Context(), "failures-second").CombinedOutput()
	want := fmt.Sprintf("port %d, which gateway needs, is taken by pid %d", running.Port("gateway", "app"), running.Process("gateway").PID)
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("want %q, got: %v\n%s", want, err, out)
	}
	must(t, nobody.Call(t.Context(), "GET /health/services", nil, 200, nil))
}

// eventuallyPlaced buys as a patient customer does, who tries again when told that a part is not available.
func eventuallyPlaced(t *testing.T) (id string) {
	t.Helper()
	platform.Eventually(t, 60*time.Second, func() error {
		a, err := buyer.Do(t.Context(), "POST /api/v1/orders", client.Raw(strings.Replace(journey.Order, `"quantity":2`, `"quantity":1`, 1)))
		if err != nil {
			return err
		}
		var order client.Order
		if err := a.Into(201, &order); err != nil {
			return err
		}
		id = order.ID
		return nil
	})
	return id
}

func allIsWell(t *testing.T) {
	state, err := running.State()
	must(t, err)
	for _, p := range state.Processes {
		text, err := os.ReadFile(p.Log)
		must(t, err)
		if at := strings.Index(string(text), "WARNING: DATA RACE"); at >= 0 {
			t.Errorf("%s:\n%.3000s", p.Name, text[at:])
		}
	}
	platform.Eventually(t, 30*time.Second, func() error { return nobody.Call(t.Context(), "GET /health/services", nil, 200, nil) })
}

// bought are the buyer's own orders. An admin's list has those of others, too.
func bought(t *testing.T) (all []purchase) {
	t.Helper()
	var me struct{ ID string }
	must(t, buyer.Call(t.Context(), "GET /api/v1/users/me", nil, 200, &me))
	for cursor := ""; ; {
		var page struct {
			Items      []purchase
			NextCursor *string `json:"next_cursor"`
		}
		must(t, buyer.Call(t.Context(), "GET /api/v1/orders?limit=100&user_id="+me.ID+cursor, nil, 200, &page))
		all = append(all, page.Items...)
		if page.NextCursor == nil {
			return all
		}
		cursor = "&cursor=" + *page.NextCursor
	}
}

type purchase struct {
	Status string
	Items  []struct{ Quantity int }
}

// addsUp: what was sold is what left the stock, to the piece; what crashes reserved and nobody bought is released when
// it expires, and until then is counted as reserved.
func addsUp(t *testing.T) {
	sold := 0
	for _, order := range bought(t) {
		if order.Status != "paid" {
			t.Errorf("an order is %s", order.Status)
		}
		sold += order.Items[0].Quantity
	}
	var level client.Level
	must(t, buyer.Call(t.Context(), "GET /api/v1/products/1/inventory", nil, 200, &level))
	if level.OnHand != 50-sold || level.Available != level.OnHand-level.Reserved {
		t.Errorf("%d sold of 50, and the stock is %+v", sold, level)
	}
}
