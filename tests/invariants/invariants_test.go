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
	"sidecart/tests/invariants"
	"sidecart/tests/journey"
	"sidecart/tests/platform"
)

var (
	running *platform.Platform
	admin   client.Client
	signer  *auth.Signer
	crashes string // the folder whose files say where a process dies
)

// TestMain runs two replicas of products and of orders beside everything else.
func TestMain(m *testing.M) {
	var err error
	if crashes, err = os.MkdirTemp("", "crashes-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = os.Setenv("CRASH_AT", crashes)
	_ = os.Setenv("RATE_LIMIT_SCALE", "100000")
	code := platform.Main(m, "invariants", 8200, func(p *platform.Platform) { running = p }, "--replicas", "products=2,orders=2")
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
	admin = journey.FirstOrder(t, running.URL())
	if t.Failed() {
		return
	}
	secret, err := running.Secret("JWT_SECRET_KEY")
	must(t, err)
	signer, err = auth.NewSigner(secret)
	must(t, err)
	signer.Issuer = fmt.Sprintf("http://localhost:%d", running.Port("gateway", "app"))
	t.Run("flash sale", flashSale)
	t.Run("crash points", crashPoints)
	t.Run("chaos", chaos)
	t.Run("months of orders", months)
	t.Run("what is broken is found", found)
}

// buyer is somebody with a valid token, whom the users service has never seen: a thousand registrations are another test.
func buyer(t *testing.T) client.Client {
	t.Helper()
	token, err := signer.Sign(shop.Caller{ID: shop.UserID{UUID: shop.NewID()}, SessionID: uuid.New(), Role: shop.User}, time.Hour)
	must(t, err)
	return client.Client{Base: running.URL(), Token: token}
}

func product(t *testing.T, sku string, stock int) (id int64) {
	t.Helper()
	var made struct{ ID int64 }
	must(t, admin.Call(t.Context(), "POST /api/v1/products", map[string]any{
		"name": "Product " + sku, "description": "for the test", "sku": sku, "price": 19.99, "category_id": 1, "brand": "TechBrand", "initial_quantity": stock,
	}, 201, &made))
	return made.ID
}

// items is a basket of single pieces; a product may be in it more than once.
func items(products ...int64) client.Raw {
	var lines []string
	for _, id := range products {
		lines = append(lines, fmt.Sprintf(`{"product_id":%d,"quantity":1}`, id))
	}
	return client.Raw(strings.Replace(journey.Order, `[{"product_id":1,"quantity":2}]`, "["+strings.Join(lines, ",")+"]", 1))
}

func withToken(body client.Raw, payment string) client.Raw {
	return client.Raw(strings.Replace(string(body), `"payment_method"`, fmt.Sprintf(`"payment_token":%q,"payment_method"`, payment), 1))
}

// buy places an order as a patient customer does: with a key, and again until there is an answer. The id is empty where
// there was not enough left.
func buy(ctx context.Context, who client.Client, body client.Raw) (id string, err error) {
	key := uuid.NewString()
	for {
		a, err := who.Do(ctx, "POST /api/v1/orders", body, "Idempotency-Key", key)
		switch {
		case err != nil, a.Status >= 500, a.Status == http.StatusTooManyRequests,
			a.Status == http.StatusConflict && !strings.Contains(string(a.Body), `"out_of_stock"`): // the first try still runs
			select {
			case <-ctx.Done():
				return "", fmt.Errorf("no answer in time; the last was %d %.200s, %w", a.Status, a.Body, err)
			case <-time.After(200 * time.Millisecond):
			}
		case a.Status == http.StatusConflict:
			return "", nil
		default:
			var order client.Order
			err = a.Into(http.StatusCreated, &order)
			return order.ID, err
		}
	}
}

// holds waits until all invariants hold, with nothing excused.
func holds(t *testing.T, within time.Duration) []invariants.Finding {
	t.Helper()
	var findings []invariants.Finding
	platform.Eventually(t, within, func() (err error) {
		if findings, err = check(t.Context()); err != nil {
			return err
		}
		return invariants.Wrong(findings)
	})
	return findings
}

func check(ctx context.Context) ([]invariants.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	d, err := invariants.Open(ctx, running.Secret)
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // only read
	return d.Check(ctx, 0)
}

// crashPoints lets a process die at each point of the code that has a name, while an order passes it. The order comes to its
// end all the same.
func crashPoints(t *testing.T) {
	id := product(t, "CRASH", 500)
	points := pointsInCode(t)
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			file := filepath.Join(crashes, crash.FileName(point))
			must(t, os.WriteFile(file, nil, 0o600))
			t.Cleanup(func() { _ = os.Remove(file) }) // nobody shall die there later
			who := buyer(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			switch noun, _, _ := strings.Cut(point, ": "); noun {
			case "give up", "undo", "release":
				order, err := buy(ctx, who, withToken(items(id), "tok_declined"))
				must(t, err)
				journey.AwaitStatus(t, who, order, "cancelled")
				journey.AwaitTold(t, who, order, "orders.placed", "orders.payment_failed", "orders.cancelled")
			case "change":
				order := paid(ctx, t, who, items(id))
				must(t, insist(ctx, who, "POST /api/v1/orders/"+order+"/cancel", nil))
				journey.AwaitStatus(t, who, order, "cancelled")
				journey.AwaitTold(t, who, order, "orders.placed", "orders.paid", "orders.cancelled")
			case "refund", "give back", "return":
				order := paid(ctx, t, who, items(id))
				must(t, insist(ctx, admin, "POST /api/v1/orders/"+order+"/refund", map[string]any{}))
				journey.AwaitStatus(t, who, order, "refunded")
				journey.AwaitTold(t, who, order, "orders.placed", "orders.paid", "orders.refunded")
			default:
				order := paid(ctx, t, who, items(id))
				journey.AwaitTold(t, who, order, "orders.placed", "orders.paid")
			}
			// An event that was with a sidecar whose app just died is handed out again after 90 s; the recovery sweep
			// is earlier.
			platform.Eventually(t, 2*time.Minute, func() error {
				if _, err := os.Stat(file); err == nil {
					return fmt.Errorf("nobody has died at %q", point)
				}
				return nil
			})
		})
	}
	holds(t, 2*time.Minute)
}

func paid(ctx context.Context, t *testing.T, who client.Client, body client.Raw) (order string) {
	t.Helper()
	order, err := buy(ctx, who, body)
	must(t, err)
	journey.AwaitStatus(t, who, order, "paid")
	return order
}

// insist asks with one key until there is an answer, which may be that the order is past that point: an answer before was lost.
func insist(ctx context.Context, who client.Client, call string, body any) error {
	key := uuid.NewString()
	for {
		a, err := who.Do(ctx, call, body, "Idempotency-Key", key)
		switch {
		case err == nil && a.Status == http.StatusConflict:
			return nil
		case err == nil && a.Status < 500 && a.Status != http.StatusTooManyRequests:
			return a.Into(http.StatusOK, nil)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: no answer in time; the last was %d %.200s, %w", call, a.Status, a.Body, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
