// Package remote is the end-to-end test of an empty platform that runs elsewhere, such as in containers: it has an
// address of the gateway, and nothing else. Compiled, it is the container `tests` of docker-compose.test.yml.
package remote

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sidecart/kit/shop"
	"sidecart/tests/client"
	"sidecart/tests/e2e"
	"sidecart/tests/platform"
)

var (
	url    = flag.String("url", "", "the gateway's address; without it there is nothing to test")
	mail   = flag.String("mail", "", "the address of MailHog's page")
	links  = flag.String("links", "http://localhost:8000", "the platform's public URL, with which links in mails begin")
	closed = flag.String("closed", "", "addresses, host:port, that must not be reachable from here, comma-separated")

	anonymous, admin client.Client
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *url == "" {
		fmt.Println("no -url: nothing is tested")
		return
	}
	anonymous = client.Client{Base: *url}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRemote runs its parts in order: the first one is the first on an empty platform.
func TestRemote(t *testing.T) {
	awaitReady(t)
	t.Run("first order", func(t *testing.T) { admin = e2e.FirstOrder(t, *url) })
	if t.Failed() {
		return
	}
	t.Run("payments", payments)
	t.Run("shipped and refunded", shipAndRefund)
	t.Run("images", images)
	t.Run("cart", cart)
	t.Run("links of mails", linksOfMails)
	t.Run("nothing but the gateway", onlyTheGateway)
	t.Run("nothing is stuck", nothingStuck)
}

// awaitReady waits until the platform reports that all of it works: containers start in any order.
func awaitReady(t *testing.T) {
	t.Helper()
	platform.Eventually(t, 2*time.Minute, func() error {
		return anonymous.Call(t.Context(), "GET /health/services", nil, 200, nil)
	})
}

func newBuyer(t *testing.T) client.Client {
	t.Helper()
	name := "buyer-" + shop.NewID().String()[24:]
	must(t, anonymous.Call(t.Context(), "POST /api/v1/auth/register",
		map[string]string{"username": name, "email": name + "@example.com", "password": "SecurePassword123!"}, 201, nil))
	buyer, err := anonymous.SignIn(t.Context(), name, "SecurePassword123!")
	must(t, err)
	return buyer
}

func place(t *testing.T, buyer client.Client, token string) (order client.Order) {
	t.Helper()
	body := strings.Replace(e2e.Order, `"payment_method"`, fmt.Sprintf(`"payment_token":%q,"payment_method"`, token), 1)
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(body), 201, &order))
	return order
}

// payments: a declined order is cancelled, a late payment arrives, and a paid order can be cancelled. Stock is as if
// only the late one had been placed.
func payments(t *testing.T) {
	before := stock(t)
	buyer := newBuyer(t)
	e2e.AwaitStatus(t, buyer, place(t, buyer, "tok_declined").ID, "cancelled")
	e2e.AwaitStatus(t, buyer, place(t, buyer, "tok_timeout").ID, "paid")
	paid := e2e.AwaitStatus(t, buyer, place(t, buyer, "").ID, "paid")
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders/"+paid.ID+"/cancel", nil, 200, nil))
	want := client.Level{OnHand: before.OnHand - 2, Available: before.Available - 2}
	platform.Eventually(t, time.Minute, func() error {
		if got := stock(t); got != want {
			return fmt.Errorf("stock %+v, want %+v", got, want)
		}
		return nil
	})
}

func stock(t *testing.T) (level client.Level) {
	t.Helper()
	must(t, admin.Call(t.Context(), "GET /api/v1/products/1/inventory", nil, 200, &level))
	return level
}

func shipAndRefund(t *testing.T) {
	buyer := newBuyer(t)
	order := e2e.AwaitStatus(t, buyer, place(t, buyer, "").ID, "paid")
	path := "/api/v1/orders/" + order.ID
	parcel := client.Raw(`{"carrier":"UPS","tracking_number":"1Z999"}`)
	must(t, buyer.Call(t.Context(), "POST "+path+"/ship", parcel, 403, nil))
	must(t, admin.Call(t.Context(), "POST "+path+"/ship", parcel, 200, nil))
	must(t, admin.Call(t.Context(), "POST "+path+"/deliver", nil, 200, nil))
	must(t, admin.Call(t.Context(), "POST "+path+"/refund", client.Raw(`{"reason":"it broke","restock":true}`), 200, nil))
	e2e.AwaitStatus(t, buyer, order.ID, "refunded")
	e2e.AwaitNotifications(t, buyer, order.ID,
		"orders.placed", "orders.paid", "orders.shipped", "orders.delivered", "orders.refunded")
}

// cart: a checkout that is repeated places one order.
func cart(t *testing.T) {
	buyer := newBuyer(t)
	must(t, buyer.Call(t.Context(), "PUT /api/v1/cart/items/1", client.Raw(`{"quantity":2}`), 200, nil))
	body := client.Raw(`{"shipping_address":{"street":"123 Main St","city":"Anytown","state":"NY","postal_code":"12345",` +
		`"country":"USA"},"payment_method":"credit_card"}`)
	var first, again client.Order
	for _, order := range []*client.Order{&first, &again} {
		res, err := buyer.Do(t.Context(), "POST /api/v1/cart/checkout", body, "Idempotency-Key", "cart")
		must(t, err)
		must(t, res.Into(201, order))
	}
	if first.ID != again.ID {
		t.Errorf("two orders: %+v and %+v", first, again)
	}
	e2e.AwaitStatus(t, buyer, first.ID, "paid")
}

var link = regexp.MustCompile(`https?://[^\s"<>]+`)

// linksOfMails: what MailHog has received links to the platform's public URL only.
func linksOfMails(t *testing.T) {
	if *mail == "" {
		t.Skip("no -mail")
	}
	platform.Eventually(t, time.Minute, func() error {
		text, err := get(t.Context(), *mail+"/api/v2/messages?limit=250")
		if err != nil {
			return err
		}
		var found struct {
			Items []struct {
				MIME struct{ Parts []struct{ Body string } }
			}
		}
		if err := json.Unmarshal(text, &found); err != nil {
			return err
		}
		begins := 0
		for _, m := range found.Items {
			for _, part := range m.MIME.Parts {
				body := strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(part.Body)
				for _, l := range link.FindAllString(body, -1) {
					if strings.HasPrefix(l, *links+"/") {
						begins++
					} else if !strings.HasPrefix(l, "http://www.w3.org/") {
						t.Fatalf("a mail links to %s, not to %s", l, *links)
					}
				}
			}
		}
		if begins == 0 {
			return fmt.Errorf("%d mails, and no link to %s", len(found.Items), *links)
		}
		return nil
	})
}

func get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %.200s", address, res.StatusCode, text)
	}
	return text, err
}

// onlyTheGateway: from where clients are, nothing of the platform responds but the gateway.
func onlyTheGateway(t *testing.T) {
	var attempts sync.WaitGroup
	for _, address := range strings.FieldsFunc(*closed, func(c rune) bool { return c == ',' || c == ' ' }) {
		attempts.Go(func() {
			conn, err := net.DialTimeout("tcp", address, 3*time.Second)
			if err == nil {
				t.Errorf("%s is reachable", address)
				_ = conn.Close()
			}
		})
	}
	attempts.Wait()
	for _, path := range []string{"/metrics", "/dapr/config", "/v1.0/healthz", "/revocations"} {
		must(t, anonymous.Call(t.Context(), "GET "+path, nil, 404, nil))
	}
}

// nothingStuck: all parts work, and no payment differs from its order.
func nothingStuck(t *testing.T) {
	must(t, anonymous.Call(t.Context(), "GET /health/services", nil, 200, nil))
	var discrepancies client.Page[json.RawMessage]
	must(t, admin.Call(t.Context(), "GET /api/v1/payments/discrepancies", nil, 200, &discrepancies))
	if len(discrepancies.Items) > 0 {
		t.Errorf("discrepancies: %s", discrepancies.Items)
	}
}
