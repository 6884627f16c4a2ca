package journey_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sidecart/kit/auth"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/tests/client"
	"sidecart/tests/journey"
	"sidecart/tests/platform"
)

var (
	running   *platform.Platform
	nobody    client.Client
	admin     client.Client
	collected *traces
)

func TestMain(m *testing.M) {
	_ = os.Setenv("RATE_LIMIT_SCALE", "1000") // limits have tests of their own
	_ = os.Setenv("RESERVATION_TTL", "20s")
	_ = os.Setenv("AUTO_DELIVER_AFTER", "3s")
	_ = os.Setenv("WORKFLOW_RETENTION", "1s")
	_ = os.Setenv("CART_TTL", "20s")
	var err error
	if collected, err = collect(); err != nil {
		fmt.Fprintln(os.Stderr, "collect traces:", err)
		os.Exit(1)
	}
	os.Exit(platform.Main(m, "journey", 10000, func(p *platform.Platform) {
		running, nobody = p, client.Client{Base: p.URL()}
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestJourneys goes through the platform's life in order: the first test finds it empty.
func TestJourneys(t *testing.T) {
	t.Run("first order", func(t *testing.T) { admin = journey.FirstOrder(t, nobody.Base) })
	if t.Failed() {
		return
	}
	var later []func(t *testing.T) // what takes long by nature goes on beside the others
	t.Run("a cart is left behind", func(t *testing.T) { later = append(later, leaveCart(t)) })
	t.Run("second account", secondAccount)
	t.Run("bad input", badInput)
	t.Run("tokens", tokens)
	t.Run("wholesale", wholesale)
	t.Run("an export is taken slowly", func(t *testing.T) { later = append(later, exportSlowly(t)) })
	t.Run("payment", payment)
	t.Run("cancel", cancel)
	t.Run("shipped and delivered", shipped)
	t.Run("given back", givenBack)
	t.Run("cart", cart)
	t.Run("webhook", webhook)
	t.Run("a reservation without an order", abandoned)
	t.Run("images", images)
	t.Run("trace", trace)
	t.Run("documents", documents)
	t.Run("nothing internal", nothingInternal)
	t.Run("the front page", frontPage)
	t.Run("the page of documents", docsPage)
	for _, end := range later {
		t.Run("and what came of it", end)
	}
	t.Run("the page of live messages", livePage)
	t.Run("no data race", noDataRace)
}

// newBuyer opens an account that is no admin.
func newBuyer(t *testing.T) client.Client {
	t.Helper()
	name := "buyer-" + shop.NewID().String()[24:]
	must(t, nobody.Call(t.Context(), "POST /api/v1/auth/register",
		map[string]string{"username": name, "email": name + "@example.com", "password": "SecurePassword123!"}, 201, nil))
	buyer, err := nobody.SignIn(t.Context(), name, "SecurePassword123!")
	must(t, err)
	return buyer
}

func secondAccount(t *testing.T) {
	buyer := newBuyer(t)
	must(t, buyer.Call(t.Context(), "POST /api/v1/categories", client.Raw(journey.Category), 403, nil))
	var mine client.Page[client.Order]
	must(t, buyer.Call(t.Context(), "GET /api/v1/orders", nil, 200, &mine))
	if len(mine.Items) != 0 {
		t.Errorf("a new buyer sees %+v", mine.Items)
	}
	var all client.Page[client.Order]
	must(t, admin.Call(t.Context(), "GET /api/v1/orders", nil, 200, &all))
	must(t, buyer.Call(t.Context(), "GET /api/v1/orders/"+all.Items[0].ID, nil, 404, nil))
}

func badInput(t *testing.T) {
	with := func(text, old, replacement string) client.Raw {
		if !strings.Contains(text, old) {
			t.Fatalf("no %s in %s", old, text)
		}
		return client.Raw(strings.Replace(text, old, replacement, 1))
	}
	type call struct {
		name, do string
		body     any
		want     int
		has      string
	}
	calls := []call{
		{"username missing", "POST /api/v1/auth/register", with(journey.Register, `"username":"testuser",`, ``), 422, `"username":"is required"`},
		{"username as a number", "POST /api/v1/auth/register", with(journey.Register, `"testuser"`, `5`), 422, `"username":"must be a string"`},
		{"no e-mail address", "POST /api/v1/auth/register", with(journey.Register, `test@example.com`, `test`), 422, `"email"`},
		{"a role of one's own", "POST /api/v1/auth/register", with(journey.Register, `{`, `{"role":"admin",`), 422, `"role":"is not a known field"`},
		{"taken", "POST /api/v1/auth/register", client.Raw(journey.Register), 409, `"username_taken"`},
		{"wrong password", "POST /api/v1/auth/login", client.Form{"username": {"testuser"}, "password": {"x"}}, 401, `"wrong_credentials"`},
		{"password missing", "POST /api/v1/auth/login", client.Form{"username": {"testuser"}}, 422, `"password":"is required"`},
		{"category without a name", "POST /api/v1/categories", client.Raw(`{}`), 422, `"name":"is required"`},
		{"category name as a list", "POST /api/v1/categories", client.Raw(`{"name":["x"]}`), 422, `"name":"must be a string"`},
		{"category with an unknown field", "POST /api/v1/categories", with(journey.Category, `{`, `{"id":9,`), 422, `"id":"is not a known field"`},
		{"product without a price", "POST /api/v1/products", with(journey.Product, `"price":299.99,`, ``), 422, `"price":"is required"`},
		{"negative price", "POST /api/v1/products", with(journey.Product, `299.99`, `-1`), 422, `"price":"must not be negative"`},
		{"price as a text", "POST /api/v1/products", with(journey.Product, `299.99`, `"299.99"`), 422, `"price"`},
		{"three decimals", "POST /api/v1/products", with(journey.Product, `299.99`, `299.999`), 422, `"price"`},
		{"product of no category", "POST /api/v1/products", with(journey.Product, `"category_id":1`, `"category_id":999999999`), 422, `"category_id"`},
		{"SKU taken", "POST /api/v1/products", client.Raw(journey.Product), 409, `"sku_taken"`},
		{"no items", "POST /api/v1/orders", with(journey.Order, `[{"product_id":1,"quantity":2}]`, `[]`), 422, `"items"`},
		{"zero", "POST /api/v1/orders", with(journey.Order, `"quantity":2`, `"quantity":0`), 422, `"items[0].quantity"`},
		{"negative", "POST /api/v1/orders", with(journey.Order, `"quantity":2`, `"quantity":-2`), 422, `"items[0].quantity"`},
		{"unknown product", "POST /api/v1/orders", with(journey.Order, `"product_id":1`, `"product_id":999999999`), 422, `"items[0].product_id"`},
		{"short stock", "POST /api/v1/orders", with(journey.Order, `"quantity":2`, `"quantity":999`), 409, `"items[0].quantity":"only 48 left"`},
		{"no city", "POST /api/v1/orders", with(journey.Order, `"city":"Anytown",`, ``), 422, `"shipping_address.city":"is required"`},
		{"limit", "GET /api/v1/orders?limit=101", nil, 422, `"limit"`},
		{"cursor", "GET /api/v1/orders?cursor=x", nil, 422, `"cursor"`},
		{"no such order", "GET /api/v1/orders/0192f0c1-2d3e-7abc-8def-0123456789ab", nil, 404, `"order_not_found"`},
		{"wrong method", "DELETE /api/v1/orders", nil, 405, `"method_not_allowed"`},
		{"no such route", "GET /api/v1/nothing", nil, 404, ``},
	}
	huge := client.Raw(`{"name":"` + strings.Repeat("x", 2<<20) + `"}`)
	for _, path := range []string{"auth/register", "auth/login", "categories", "products", "orders"} {
		calls = append(calls,
			call{path + " malformed", "POST /api/v1/" + path, client.Raw(`{"name":`), 400, `"malformed"`},
			call{path + " empty", "POST /api/v1/" + path, client.Raw(``), 400, `"malformed"`},
			call{path + " of 2 MB", "POST /api/v1/" + path, huge, 413, `"body_too_large"`})
	}
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			a, err := admin.Do(t.Context(), c.do, c.body)
			must(t, err)
			if a.Status != c.want || !strings.Contains(string(a.Body), c.has) {
				t.Errorf("%s: %d %.300s", c.do, a.Status, a.Body)
			}
			if media := a.Header.Get("Content-Type"); media != "application/problem+json" {
				t.Errorf("%s: content type %q", c.do, media)
			}
		})
	}
}

func tokens(t *testing.T) {
	secret, err := running.Secret("JWT_SECRET_KEY")
	must(t, err)
	ours, err := auth.NewSigner(secret)
	must(t, err)
	ours.Issuer = fmt.Sprintf("http://localhost:%d", running.Port("gateway", "app"))
	who := kittest.NewCaller(shop.Admin)
	good, err := ours.Sign(who, time.Minute)
	must(t, err)
	expired, err := ours.Sign(who, -time.Minute)
	must(t, err)
	foreign, err := kittest.Signer.Sign(who, time.Minute)
	must(t, err)
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	for _, call := range []string{"POST /api/v1/categories", "POST /api/v1/products", "POST /api/v1/orders", "GET /api/v1/orders", "GET /api/v1/notifications", "GET /api/v1/users/me"} {
		for name, token := range map[string]string{"none at all": "", "expired": expired, "alg none": none, "another key": foreign, "cut": parts[0] + "." + parts[1]} {
			a, err := client.Client{Base: nobody.Base, Token: token}.Do(t.Context(), call, client.Raw(`{}`))
			must(t, err)
			if a.Status != http.StatusUnauthorized {
				t.Errorf("%s with %s: %d %s", call, name, a.Status, a.Body)
			}
		}
	}
	must(t, client.Client{Base: nobody.Base, Token: good}.Call(t.Context(), "GET /api/v1/orders", nil, 200, nil))
}

// buy places an order for one of product 1 with a payment token.
func buy(t *testing.T, buyer client.Client, token string) (order client.Order) {
	t.Helper()
	body := strings.Replace(journey.Order, `"payment_method"`, fmt.Sprintf(`"payment_token":%q,"payment_method"`, token), 1)
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(body), 201, &order))
	return order
}

func payment(t *testing.T) {
	buyer := newBuyer(t)
	for token, want := range map[string]string{"tok_declined": "cancelled", "tok_insufficient_funds": "cancelled", "tok_error": "paid", "tok_timeout": "paid"} {
		order := journey.AwaitStatus(t, buyer, buy(t, buyer, token).ID, want)
		if last := order.History[len(order.History)-1]; last.Status != want || last.Reason == "" {
			t.Errorf("%s: %+v", token, order.History)
		}
		told := []string{"orders.placed", "orders." + want}
		if want == "cancelled" {
			told = append(told, "orders.payment_failed")
		}
		journey.AwaitTold(t, buyer, order.ID, told...)
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
	paid := journey.AwaitStatus(t, buyer, buy(t, buyer, "").ID, "paid")
	must(t, newBuyer(t).Call(t.Context(), "POST /api/v1/orders/"+paid.ID+"/cancel", nil, 404, nil))
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders/"+paid.ID+"/cancel", nil, 200, nil))
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders/"+paid.ID+"/cancel", nil, 409, nil))
	for range 5 { // at once with the charge, somewhere
		order := buy(t, buyer, "")
		must(t, buyer.Call(t.Context(), "POST /api/v1/orders/"+order.ID+"/cancel", nil, 200, nil))
		journey.AwaitStatus(t, buyer, order.ID, "cancelled")
	}
	awaitStock(t, client.Level{OnHand: 44, Reserved: 0, Available: 44}) // and all of it is back
}

// abandoned reserves as the orders service does that dies before it keeps the order: the stock comes back by itself.
func abandoned(t *testing.T) {
	token, _, err := running.Token("orders")
	must(t, err)
	orders := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port("orders-dapr", "http"))}
	a, err := orders.Do(t.Context(), "PUT /reservations/"+shop.NewID().String(), client.Raw(`{"items":[{"product_id":1,"quantity":7}]}`),
		"dapr-app-id", "products", "dapr-api-token", token)
	must(t, err)
	must(t, a.Into(200, nil))
	awaitStock(t, client.Level{OnHand: 44, Reserved: 7, Available: 37})
	awaitStock(t, client.Level{OnHand: 44, Reserved: 0, Available: 44})
}

func trace(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	a, err := admin.Do(t.Context(), "GET /api/v1/products/999999999", nil, "traceparent", "00-"+id+"-00f067aa0ba902b7-01")
	must(t, err)
	if !strings.Contains(string(a.Body), `"trace_id":"`+id+`"`) {
		t.Errorf("products, behind two sidecars, answered of another trace: %s", a.Body)
	}
	if !strings.Contains(a.Header.Get("traceparent"), id) || a.Header.Get("X-Request-Id") == "" {
		t.Errorf("headers %v", a.Header)
	}
	// An order is one trace: gateway, sidecars, services, SQL, events and workflow.
	const buying = "4bf92f3577b34da6a3ce929d0e0e4737"
	a, err = admin.Do(t.Context(), "POST /api/v1/orders", client.Raw(journey.Order), "traceparent", "00-"+buying+"-00f067aa0ba902b7-01")
	must(t, err)
	must(t, a.Into(201, nil))
	platform.Eventually(t, 30*time.Second, func() error {
		return collected.lacks(buying,
			"gateway sidecart/kit/web ", "orders sidecart/kit/web ", "products sidecart/kit/web ",
			"gateway dapr-diagnostics ", "orders dapr-diagnostics ", "products dapr-diagnostics ",
			"orders github.com/exaring/otelpgx ", "products github.com/exaring/otelpgx ",
			"notifications dapr-diagnostics pubsub/orders.placed", "notifications sidecart/kit/event consume orders.placed",
			"orders durabletask create_orchestration", "orders durabletask activity")
	})
}

// documents compares the one public document with what each service says of itself.
// noDataRace reads the logs: the services of this platform are built with the race detector.
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
