package invariants_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/auth"
	"sidecart/kit/crash"
	"sidecart/kit/shop"
	"sidecart/tests/client"
	"sidecart/tests/e2e"
	"sidecart/tests/invariants"
	"sidecart/tests/platform"
)

var (
	running *platform.Platform
	admin   client.Client
	signer  *auth.Signer
	crashes string // the folder whose files name the point at which a process exits
)

// TestMain runs two replicas of products and of orders.
func TestMain(m *testing.M) {
	var err error
	if crashes, err = os.MkdirTemp("", "crashes-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = os.Setenv("CRASH_AT", crashes)
	_ = os.Setenv("RATE_LIMIT_SCALE", "100000")
	use := func(p *platform.Platform) { running = p }
	code := platform.Main(m, "invariants", 8200, use, "--replicas", "products=2,orders=2")
	_ = os.RemoveAll(crashes)
	os.Exit(code)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestInvariants(t *testing.T) {
	admin = e2e.FirstOrder(t, running.URL())
	if t.Failed() {
		return
	}
	secret, err := running.Secret("JWT_SECRET_KEY")
	must(t, err)
	signer, err = auth.NewSigner(secret)
	must(t, err)
	signer.Issuer = fmt.Sprintf("http://localhost:%d", running.Port("gateway", "app"))
	t.Run("free items", freeItems)
	t.Run("flash sale", flashSale)
	t.Run("crash points", crashPoints)
	t.Run("chaos", chaos)
	t.Run("seed data", seedData)
	t.Run("broken rules are found", brokenRulesAreFound)
}

// buyer is a user with a valid token user is not registered: a thousand registrations would take too long.
func buyer(t *testing.T) client.Client {
	t.Helper()
	caller := shop.Caller{ID: shop.UserID{UUID: shop.NewID()}, SessionID: uuid.New(), Role: shop.User}
	token, err := signer.Sign(caller, time.Hour)
	must(t, err)
	return client.Client{Base: running.URL(), Token: token}
}

func product(t *testing.T, sku string, stock int) (id int64) {
	t.Helper()
	var created struct{ ID int64 }
	must(t, admin.Call(t.Context(), "POST /api/v1/products", map[string]any{
		"name": "Product " + sku, "description": "for the test", "sku": sku, "price": 19.99, "category_id": 1,
		"brand": "TechBrand", "initial_quantity": stock,
	}, 201, &created))
	return created.ID
}

// items is an order of single items; a product may be in it more than once.
func items(products ...int64) client.Raw {
	var lines []string
	for _, id := range products {
		lines = append(lines, fmt.Sprintf(`{"product_id":%d,"quantity":1}`, id))
	}
	return client.Raw(strings.Replace(e2e.Order, `[{"product_id":1,"quantity":2}]`, "["+strings.Join(lines, ",")+"]", 1))
}

func withToken(body client.Raw, payment string) client.Raw {
	return client.Raw(strings.Replace(string(body), `"payment_method"`, fmt.Sprintf(`"payment_token":%q,"payment_method"`, payment), 1))
}

// buy places an order with an idempotency key, and retries until there is a response. The id is empty when the product
// is out of stock.
func buy(ctx context.Context, user client.Client, body client.Raw) (id string, err error) {
	key := uuid.NewString()
	for {
		res, err := user.Do(ctx, "POST /api/v1/orders", body, "Idempotency-Key", key)
		switch {
		case err != nil, res.Status >= 500, res.Status == http.StatusTooManyRequests,
			res.Status == http.StatusConflict && !strings.Contains(string(res.Body), `"out_of_stock"`): // the first attempt is still running
			select {
			case <-ctx.Done():
				return "", fmt.Errorf("no response in time; the last was %d %.200s, %w", res.Status, res.Body, err)
			case <-time.After(200 * time.Millisecond):
			}
		case res.Status == http.StatusConflict:
			return "", nil
		default:
			var order client.Order
			err = res.Into(http.StatusCreated, &order)
			return order.ID, err
		}
	}
}

// holds waits until all invariants hold, without a grace period.
func holds(t *testing.T, within time.Duration) []invariants.Result {
	t.Helper()
	var results []invariants.Result
	platform.Eventually(t, within, func() (err error) {
		if results, err = check(t.Context()); err != nil {
			return err
		}
		return invariants.Wrong(results)
	})
	return results
}

func check(ctx context.Context) ([]invariants.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	d, err := invariants.Open(ctx, running.Secret)
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // only read
	return d.Check(ctx, 0)
}

// crashPoints lets a process exit at each named point of the code while an order passes it. The order is completed all
// the same.
func crashPoints(t *testing.T) {
	id := product(t, "CRASH", 500)
	points := pointsInCode(t)
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			file := filepath.Join(crashes, crash.FileName(point))
			must(t, os.WriteFile(file, nil, 0o600))
			t.Cleanup(func() { _ = os.Remove(file) }) // no process exits there later
			user := buyer(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			switch step, _, _ := strings.Cut(point, ": "); {
			case step == "cancel", step == "compensate", point == "stock: released":
				order, err := buy(ctx, user, withToken(items(id), "tok_declined"))
				must(t, err)
				e2e.AwaitStatus(t, user, order, "cancelled")
				e2e.AwaitNotifications(t, user, order, "orders.placed", "orders.payment_failed", "orders.cancelled")
			case step == "change":
				order := paid(ctx, t, user, items(id))
				must(t, insist(ctx, user, "POST /api/v1/orders/"+order+"/cancel", nil))
				e2e.AwaitStatus(t, user, order, "cancelled")
				e2e.AwaitNotifications(t, user, order, "orders.placed", "orders.paid", "orders.cancelled")
			case step == "refund", point == "stock: restocked":
				order := paid(ctx, t, user, items(id))
				must(t, insist(ctx, admin, "POST /api/v1/orders/"+order+"/refund", map[string]any{}))
				e2e.AwaitStatus(t, user, order, "refunded")
				e2e.AwaitNotifications(t, user, order, "orders.placed", "orders.paid", "orders.refunded")
			default:
				order := paid(ctx, t, user, items(id))
				e2e.AwaitNotifications(t, user, order, "orders.placed", "orders.paid")
			}
			// The broker delivers an event again after 90 s when the app has exited; the recovery sweep is earlier.
			platform.Eventually(t, 2*time.Minute, func() error {
				if _, err := os.Stat(file); err == nil {
					return fmt.Errorf("no process has exited at %q", point)
				}
				return nil
			})
		})
	}
	holds(t, 2*time.Minute)
}

func paid(ctx context.Context, t *testing.T, user client.Client, body client.Raw) (order string) {
	t.Helper()
	order, err := buy(ctx, user, body)
	must(t, err)
	e2e.AwaitStatus(t, user, order, "paid")
	return order
}

// insist retries a request with one key until there is a response. A conflict is a success: an earlier response was
// lost.
func insist(ctx context.Context, user client.Client, call string, body any) error {
	key := uuid.NewString()
	for {
		res, err := user.Do(ctx, call, body, "Idempotency-Key", key)
		switch {
		case err == nil && res.Status == http.StatusConflict:
			return nil
		case err == nil && res.Status < 500 && res.Status != http.StatusTooManyRequests:
			return res.Into(http.StatusOK, nil)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: no response in time; the last was %d %.200s, %w", call, res.Status, res.Body, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
