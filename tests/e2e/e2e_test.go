package e2e_test

import (
	"fmt"
	"os"
	"strconv"
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
	admin     client.Client
	collected *traceCollector
)

const rateLimitScale = 1000

func TestMain(m *testing.M) {
	_ = os.Setenv("RATE_LIMIT_SCALE", strconv.Itoa(rateLimitScale)) // the limits have other tests
	_ = os.Setenv("RESERVATION_TTL", "20s")
	_ = os.Setenv("AUTO_DELIVER_AFTER", "3s")
	_ = os.Setenv("WORKFLOW_RETENTION", "1s")
	_ = os.Setenv("CART_TTL", "20s")
	var err error
	if collected, err = newCollector(); err != nil {
		fmt.Fprintln(os.Stderr, "collect traces:", err)
		os.Exit(1)
	}
	os.Exit(platform.Main(m, "e2e", 10000, func(p *platform.Platform) {
		running, anonymous = p, client.Client{Base: p.URL()}
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestEndToEnd runs its subtests in order: the first one starts with an empty platform.
func TestEndToEnd(t *testing.T) {
	t.Run("first order", func(t *testing.T) { admin = e2e.FirstOrder(t, anonymous.Base) })
	if t.Failed() {
		return
	}
	var later []func(t *testing.T) // long-running tests continue during the others
	t.Run("cart expiry", func(t *testing.T) { later = append(later, expireCart(t)) })
	t.Run("second account", secondAccount)
	t.Run("bad input", badInput)
	t.Run("tokens", tokens)
	t.Run("import and export", importExport)
	t.Run("slow export", func(t *testing.T) { later = append(later, slowExport(t)) })
	t.Run("payment", payment)
	t.Run("cancel", cancel)
	t.Run("shipped and delivered", shipAndDeliver)
	t.Run("partial refund", partialRefund)
	t.Run("cart", cart)
	t.Run("webhook", webhook)
	t.Run("orphaned reservation", orphanedReservation)
	t.Run("images", images)
	t.Run("trace", trace)
	t.Run("API documents", apiDocs)
	t.Run("nothing internal", nothingInternal)
	t.Run("front page", frontPage)
	t.Run("API docs", docsPage)
	t.Run("pages of mails", mailPages)
	for _, end := range later {
		t.Run("result of a long-running test", end)
	}
	t.Run("live page", livePage)
	t.Run("no data race", noDataRace)
}

// newBuyer registers and signs in a user who is not an admin.
func newBuyer(t *testing.T) client.Client {
	t.Helper()
	name := "buyer-" + shop.NewID().String()[24:]
	must(t, anonymous.Call(t.Context(), "POST /api/v1/auth/register",
		map[string]string{"username": name, "email": name + "@example.com", "password": "SecurePassword123!"}, 201, nil))
	buyer, err := anonymous.SignIn(t.Context(), name, "SecurePassword123!")
	must(t, err)
	return buyer
}

func secondAccount(t *testing.T) {
	buyer := newBuyer(t)
	must(t, buyer.Call(t.Context(), "POST /api/v1/categories", client.Raw(e2e.Category), 403, nil))
	var orders client.Page[client.Order]
	must(t, buyer.Call(t.Context(), "GET /api/v1/orders", nil, 200, &orders))
	if len(orders.Items) != 0 {
		t.Errorf("a new buyer sees %+v", orders.Items)
	}
	var all client.Page[client.Order]
	must(t, admin.Call(t.Context(), "GET /api/v1/orders", nil, 200, &all))
	must(t, buyer.Call(t.Context(), "GET /api/v1/orders/"+all.Items[0].ID, nil, 404, nil))
}

// placeOrder orders product 1 with a payment token.
func placeOrder(t *testing.T, buyer client.Client, token string) (order client.Order) {
	t.Helper()
	body := strings.Replace(e2e.Order, `"payment_method"`, fmt.Sprintf(`"payment_token":%q,"payment_method"`, token), 1)
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(body), 201, &order))
	return order
}

func payment(t *testing.T) {
	buyer := newBuyer(t)
	for token, want := range map[string]string{"tok_declined": "cancelled", "tok_insufficient_funds": "cancelled", "tok_error": "paid", "tok_timeout": "paid"} {
		order := e2e.AwaitStatus(t, buyer, placeOrder(t, buyer, token).ID, want)
		if last := order.History[len(order.History)-1]; last.Status != want || last.Reason == "" {
			t.Errorf("%s: %+v", token, order.History)
		}
		kinds := []string{"orders.placed", "orders." + want}
		if want == "cancelled" {
			kinds = append(kinds, "orders.payment_failed")
		}
		e2e.AwaitNotifications(t, buyer, order.ID, kinds...)
	}
	awaitStock(t, client.Level{OnHand: 44, Reserved: 0, Available: 44})
}

func awaitStock(t *testing.T, want client.Level) {
	t.Helper()
	platform.Eventually(t, 60*time.Second, func() error {
		var level client.Level
		if err := admin.Call(t.Context(), "GET /api/v1/products/1/inventory", nil, 200, &level); err != nil {
			return err
		}
		if level != want {
			return fmt.Errorf("stock %+v, want %+v", level, want)
		}
		return nil
	})
}

func cancel(t *testing.T) {
	buyer := newBuyer(t)
	paid := e2e.AwaitStatus(t, buyer, placeOrder(t, buyer, "").ID, "paid")
	must(t, newBuyer(t).Call(t.Context(), "POST /api/v1/orders/"+paid.ID+"/cancel", nil, 404, nil))
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders/"+paid.ID+"/cancel", nil, 200, nil))
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders/"+paid.ID+"/cancel", nil, 409, nil))
	for range 5 { // concurrent with the charge
		order := placeOrder(t, buyer, "")
		must(t, buyer.Call(t.Context(), "POST /api/v1/orders/"+order.ID+"/cancel", nil, 200, nil))
		e2e.AwaitStatus(t, buyer, order.ID, "cancelled")
	}
	awaitStock(t, client.Level{OnHand: 44, Reserved: 0, Available: 44}) // all of it is restocked
}

// orphanedReservation reserves stock as orders does, without an order: the stock is released after the TTL.
func orphanedReservation(t *testing.T) {
	token, _, err := running.Token("orders")
	must(t, err)
	orders := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port("orders-dapr", "http"))}
	res, err := orders.Do(t.Context(), "PUT /reservations/"+shop.NewID().String(), client.Raw(`{"items":[{"product_id":1,"quantity":7}]}`),
		"dapr-app-id", "products", "dapr-api-token", token)
	must(t, err)
	must(t, res.Into(200, nil))
	awaitStock(t, client.Level{OnHand: 44, Reserved: 7, Available: 37})
	awaitStock(t, client.Level{OnHand: 44, Reserved: 0, Available: 44})
}

func trace(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	res, err := admin.Do(t.Context(), "GET /api/v1/products/999999999", nil, "traceparent", "00-"+id+"-00f067aa0ba902b7-01")
	must(t, err)
	if !strings.Contains(string(res.Body), `"trace_id":"`+id+`"`) {
		t.Errorf("products, behind two sidecars, has another trace: %s", res.Body)
	}
	if !strings.Contains(res.Header.Get("traceparent"), id) || res.Header.Get("X-Request-Id") == "" {
		t.Errorf("headers %v", res.Header)
	}
	// An order is one trace: gateway, sidecars, services, SQL, events and workflow.
	const ordering = "4bf92f3577b34da6a3ce929d0e0e4737"
	res, err = admin.Do(t.Context(), "POST /api/v1/orders", client.Raw(e2e.Order), "traceparent", "00-"+ordering+"-00f067aa0ba902b7-01")
	must(t, err)
	must(t, res.Into(201, nil))
	platform.Eventually(t, 30*time.Second, func() error {
		return collected.missing(ordering,
			"gateway sidecart/kit/web ", "orders sidecart/kit/web ", "products sidecart/kit/web ",
			"gateway dapr-diagnostics ", "orders dapr-diagnostics ", "products dapr-diagnostics ",
			"orders github.com/exaring/otelpgx ", "products github.com/exaring/otelpgx ",
			"notifications dapr-diagnostics pubsub/orders.placed", "notifications sidecart/kit/event consume orders.placed",
			"orders durabletask create_orchestration", "orders durabletask activity")
	})
}

// noDataRace searches the logs: the services of this platform are built with the race detector.
func noDataRace(t *testing.T) {
	state, err := running.State()
	must(t, err)
	for _, p := range state.Processes {
		text, err := os.ReadFile(p.Log)
		must(t, err)
		if at := strings.Index(string(text), "WARNING: DATA RACE"); at >= 0 {
			t.Errorf("%s:\n%.3000s", p.Name, text[at:])
		}
		if p.Restarts > 0 {
			t.Errorf("%s was restarted %d times", p.Name, p.Restarts)
		}
	}
}
