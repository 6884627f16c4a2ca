package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/e2e"
	"sidecart/tests/platform"
)

// shipAndDeliver: an admin ships an order, and the workflow delivers it after AUTO_DELIVER_AFTER.
func shipAndDeliver(t *testing.T) {
	buyer := newBuyer(t)
	var order client.Order
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(e2e.Order), 201, &order))
	path := "/api/v1/orders/" + order.ID
	parcel := client.Raw(`{"carrier":"UPS","tracking_number":"1Z999"}`)
	must(t, buyer.Call(t.Context(), "POST "+path+"/ship", parcel, 403, nil))
	e2e.AwaitStatus(t, buyer, order.ID, "paid")
	must(t, admin.Call(t.Context(), "POST "+path+"/ship", parcel, 200, &order))
	var diagnostics struct {
		Admin *struct {
			TraceID  string                           `json:"trace_id"`
			Workflow struct{ Name, Status string }    `json:"workflow"`
			Payment  struct{ State, Provider string } `json:"payment"`
			Notified []struct{ Kind, Channel string } `json:"notifications"`
		}
	}
	platform.Eventually(t, 20*time.Second, func() error {
		must(t, admin.Call(t.Context(), "GET "+path, nil, 200, &diagnostics))
		if a := diagnostics.Admin; a == nil || a.Workflow.Name != "fulfil" {
			return fmt.Errorf("an admin sees %+v", a)
		}
		return nil
	})
	diagnostics.Admin = nil
	if order.Status != "shipped" {
		t.Errorf("%+v", order)
	}
	must(t, buyer.Call(t.Context(), "POST "+path+"/cancel", nil, 409, nil))
	order = e2e.AwaitStatus(t, buyer, order.ID, "delivered")
	if n := len(order.History); n != 4 {
		t.Errorf("%d steps: %+v", n, order.History)
	}
	must(t, buyer.Call(t.Context(), "GET "+path, nil, 200, &diagnostics))
	if diagnostics.Admin != nil {
		t.Errorf("a buyer sees diagnostics: %+v", diagnostics.Admin)
	}
	platform.Eventually(t, 60*time.Second, func() error { // the workflow has ended and is purged
		if err := admin.Call(t.Context(), "GET "+path, nil, 200, &diagnostics); err != nil {
			return err
		}
		if a := diagnostics.Admin; a == nil || len(a.TraceID) != 32 || a.Workflow.Status != "purged" || a.Payment.State != "approved" {
			return fmt.Errorf("an admin sees %+v", a)
		}
		notified := fmt.Sprint(diagnostics.Admin.Notified)
		for _, want := range []string{"{orders.placed in_app}", "{orders.placed email}", "{orders.shipped in_app}"} {
			if !strings.Contains(notified, want) {
				return fmt.Errorf("notifications %s, want %s", notified, want)
			}
		}
		return nil
	})
	must(t, admin.Call(t.Context(), "POST "+path+"/refund", client.Raw(`{"reason":"it broke","restock":true}`), 200, nil))
	awaitSettled(t, buyer, path, "refunded")
	var report struct {
		Orders   int
		Revenue  json.Number
		Statuses map[string]int
	}
	must(t, buyer.Call(t.Context(), "GET /api/v1/orders/analytics", nil, 403, nil))
	must(t, admin.Call(t.Context(), "GET /api/v1/orders/analytics", nil, 200, &report))
	if report.Orders < 1 || report.Revenue == "0.00" || report.Statuses["refunded"] < 1 {
		t.Errorf("%+v", report)
	}
}

// partialRefund refunds one of two units before the shipment, and then cancels the rest. All of it is restocked.
func partialRefund(t *testing.T) {
	var before, after client.Level
	must(t, admin.Call(t.Context(), "GET /api/v1/products/1/inventory", nil, 200, &before))
	buyer := newBuyer(t)
	var order client.Order
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(e2e.Order), 201, &order))
	path := "/api/v1/orders/" + order.ID
	e2e.AwaitStatus(t, buyer, order.ID, "paid")
	must(t, admin.Call(t.Context(), "POST "+path+"/refund", client.Raw(`{"items":[{"product_id":1,"quantity":1}]}`), 200, nil))
	awaitSettled(t, buyer, path, "partially_refunded")
	must(t, admin.Call(t.Context(), "GET /api/v1/products/1/inventory", nil, 200, &after))
	if after.OnHand != before.OnHand-1 {
		t.Errorf("after the refund: %+v, before %+v", after, before)
	}
	must(t, buyer.Call(t.Context(), "POST "+path+"/cancel", nil, 200, nil))
	awaitSettled(t, buyer, path, "cancelled")
	must(t, admin.Call(t.Context(), "GET /api/v1/products/1/inventory", nil, 200, &after))
	if after != before {
		t.Errorf("after the cancellation: %+v, before %+v", after, before)
	}
}

// awaitSettled waits until all refunds of an order are settled.
func awaitSettled(t *testing.T, buyer client.Client, path, status string) {
	t.Helper()
	platform.Eventually(t, 60*time.Second, func() error {
		var o struct {
			Status  string
			Refunds []struct {
				SettledAt *string `json:"settled_at"`
			}
		}
		if err := buyer.Call(t.Context(), "GET "+path, nil, 200, &o); err != nil {
			return err
		}
		if o.Status != status || len(o.Refunds) == 0 {
			return fmt.Errorf("status %s with %d refunds, want %s", o.Status, len(o.Refunds), status)
		}
		for _, r := range o.Refunds {
			if r.SettledAt == nil {
				return fmt.Errorf("a refund is not settled")
			}
		}
		return nil
	})
}

// cart: items have prices, concurrent changes are not lost, and a repeated checkout places one order.
func cart(t *testing.T) {
	buyer := newBuyer(t)
	type view struct {
		Items     []struct{ Quantity int }
		Total     *json.Number
		Orderable bool
	}
	var c view
	must(t, buyer.Call(t.Context(), "GET /api/v1/cart", nil, 200, &c))
	must(t, buyer.Call(t.Context(), "PUT /api/v1/cart/items/1", client.Raw(`{"quantity":1}`), 200, &c))
	var tabs sync.WaitGroup
	for range 4 {
		tabs.Go(func() {
			for n := range 5 {
				res, err := buyer.Do(t.Context(), "PUT /api/v1/cart/items/1", map[string]int{"quantity": n + 2})
				if err != nil || res.Status != 200 && res.Status != 503 {
					t.Errorf("%d %s, %v", res.Status, res.Body, err)
				}
			}
		})
	}
	tabs.Wait()
	must(t, buyer.Call(t.Context(), "PUT /api/v1/cart/items/1", client.Raw(`{"quantity":2}`), 200, &c))
	if c.Total == nil || *c.Total != "599.98" || !c.Orderable {
		t.Errorf("%+v", c)
	}
	body := client.Raw(`{"shipping_address":{"street":"123 Main St","city":"Anytown","state":"NY","postal_code":"12345",` +
		`"country":"USA"},"payment_method":"credit_card"}`)
	var first, again client.Order
	for _, order := range []*client.Order{&first, &again} {
		res, err := buyer.Do(t.Context(), "POST /api/v1/cart/checkout", body, "Idempotency-Key", "cart")
		must(t, err)
		must(t, res.Into(201, order))
	}
	if first.ID != again.ID || first.Total != "599.98" {
		t.Errorf("%+v and %+v", first, again)
	}
	must(t, buyer.Call(t.Context(), "GET /api/v1/cart", nil, 200, &c))
	if len(c.Items) != 0 {
		t.Errorf("the cart still has %+v", c)
	}
	e2e.AwaitStatus(t, buyer, first.ID, "paid")
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders/"+first.ID+"/cancel", nil, 200, nil))
}

// webhook: after a timeout, the payment provider reports the result of a charge in a signed webhook through the
// gateway.
func webhook(t *testing.T) {
	key, err := running.Secret("payment-webhook-key")
	must(t, err)
	buyer := newBuyer(t)
	order := placeOrder(t, buyer, "tok_timeout")
	body := fmt.Sprintf(`{"id":"m-1","type":"charge.approved","order_id":%q}`, order.ID)
	at := strconv.FormatInt(time.Now().Unix(), 10)
	sign := func(key string) string {
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(at + "." + body))
		return "t=" + at + ",v1=" + hex.EncodeToString(h.Sum(nil))
	}
	_, right, _ := strings.Cut(sign(key), ",")
	rolled := sign("another key") + "," + right // while a key is rolled
	for _, c := range []struct {
		signature string
		want      int
	}{{"", 401}, {sign("another key"), 401}, {sign(key), 204}, {sign(key), 204}, {rolled, 204}} {
		res, err := anonymous.Do(t.Context(), "POST /api/v1/payments/webhooks/simulated", client.Raw(body),
			"Payment-Signature", c.signature)
		must(t, err)
		if res.Status != c.want {
			t.Errorf("%q: %d %s", c.signature, res.Status, res.Body)
		}
	}
	e2e.AwaitStatus(t, buyer, order.ID, "paid")
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders/"+order.ID+"/cancel", nil, 200, nil))
	awaitSettled(t, buyer, "/api/v1/orders/"+order.ID, "cancelled")
	must(t, admin.Call(t.Context(), "GET /api/v1/payments/discrepancies", nil, 200, nil))
}
