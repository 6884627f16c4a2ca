package cart_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sidecart/apps/orders/internal/cart"
	"sidecart/apps/orders/internal/order"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

const purchase = `{"shipping_address":{"street":"123 Main St","city":"Anytown","state":"NY","postal_code":"12345","country":"USA"},
	"payment_method":"credit_card"}`

func TestCart(t *testing.T) {
	f := open(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	kittest.Run(t, f.app, f.db, []kittest.Call{
		{Name: "no token", Do: "GET /cart", Want: 401},
		{Name: "empty", As: alice, Do: "GET /cart", Want: 200, Has: []string{`{"items":[],"total":null,"orderable":false,"notices":[]}`}},
		{Name: "checkout of nothing", As: alice, Do: "POST /cart/checkout", Body: purchase, Want: 409, Has: []string{`"cart_empty"`}},
		{Name: "set", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":2}`, Want: 200, Has: []string{`"total":20.00`, `"orderable":true`, `"sku":"SKU-1"`}},
		{Name: "a whole number with decimals", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":4.0}`, Want: 200, Has: []string{`"quantity":4`}},
		{Name: "a whole number with an exponent", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":50e-1}`, Want: 200, Has: []string{`"quantity":5`}},
		{Name: "half of one", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":2.5}`, Want: 422, Has: []string{`"quantity":"must be a whole number"`}},
		{Name: "a huge exponent", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":1e999999999}`, Want: 422, Has: []string{`"quantity":"must be a whole number"`}},
		{Name: "set another quantity", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":3}`, Want: 200, Has: []string{`"quantity":3`, `"total":30.00`}},
		{Name: "set another product", As: alice, Do: "PUT /cart/items/2", Body: `{"quantity":60}`, Want: 200, Has: []string{`"total":630.00`, `"orderable":false`, `"code":"short","message":"only 50 left"`}},
		{Name: "zero", As: alice, Do: "PUT /cart/items/2", Body: `{"quantity":0}`, Want: 422, Has: []string{`"quantity"`}},
		{Name: "too many", As: alice, Do: "PUT /cart/items/2", Body: `{"quantity":1001}`, Want: 422},
		{Name: "no quantity", As: alice, Do: "PUT /cart/items/2", Body: `{}`, Want: 422, Has: []string{`"quantity":"is required"`}},
		{Name: "no such product", As: alice, Do: "PUT /cart/items/100", Body: `{"quantity":1}`, Want: 404, Has: []string{`"product_not_found"`}},
		{Name: "not on sale any more", As: alice, Do: "PUT /cart/items/98", Body: `{"quantity":1}`, Want: 409, Has: []string{`"product_not_on_sale"`}},
		{Name: "not a product", As: alice, Do: "PUT /cart/items/x", Body: `{"quantity":1}`, Want: 404},
		{Name: "a cart of another user", As: bob, Do: "GET /cart", Want: 200, Has: []string{`"items":[]`}},
		{Name: "checkout of a short item", As: alice, Do: "POST /cart/checkout", Body: purchase, Want: 409, Has: []string{`"out_of_stock"`, `"items[1].quantity":"only 50 left"`}},
		{Name: "keeps the cart", As: alice, Do: "GET /cart", Want: 200, Has: []string{`"total":630.00`}},
		{Name: "remove", As: alice, Do: "DELETE /cart/items/2", Want: 200, Has: []string{`"total":30.00`}},
		{Name: "remove again", As: alice, Do: "DELETE /cart/items/2", Want: 200, Has: []string{`"total":30.00`}},
		{Name: "half an address", As: alice, Do: "POST /cart/checkout", Body: `{"shipping_address":{"street":"x"},"payment_method":"shells"}`, Want: 422,
			Has: []string{`"shipping_address.city"`, `"payment_method"`}},
		{Name: "a card number", As: alice, Do: "POST /cart/checkout", Body: strings.Replace(purchase, `"payment_method"`, `"payment_token":"4242-4242-4242-4242","payment_method"`, 1),
			Want: 422, Has: []string{`"payment_token"`}, HasNot: []string{"4242"}},
		{Name: "checkout", As: alice, Do: "POST /cart/checkout", Body: purchase, Want: 201, Emits: []string{"orders.placed"},
			Header: map[string]string{"Idempotency-Key": "a"}, Has: []string{`"status":"pending"`, `"total":30.00`}},
		{Name: "empties it", As: alice, Do: "GET /cart", Want: 200, Has: []string{`"items":[]`}},
		{Name: "the same key again", As: alice, Do: "POST /cart/checkout", Body: purchase, Want: 201, Header: map[string]string{"Idempotency-Key": "a"}, Has: []string{`"total":30.00`}},
		{Name: "set after the checkout", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":2}`, Want: 200},
		{Name: "export", Do: "GET /export/" + alice.ID.String(), Want: 200, Has: []string{`{"orders":[{"id":"`, `"history":[{"status":"pending"`, `"cart":[{"product_id":1,"quantity":2,`}},
		{Name: "export of nothing", Do: "GET /export/" + bob.ID.String(), Want: 200, Has: []string{`{"orders":[],"cart":[]}`}},
		{Name: "erase the user", Do: "POST /events/users.erased", Body: `{"id":"0192f0c1-2d3e-7abc-8def-000000000001","type":"users.erased","data":{"user_id":"` + alice.ID.String() + `"}}`,
			Want: 200, Has: []string{"SUCCESS"}},
		{Name: "the cart is empty, an open order keeps its address", Do: "GET /export/" + alice.ID.String(), Want: 200, Has: []string{`"cart":[]`, `"123 Main St"`}},
		{Name: "set after the checkout", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":2}`, Want: 200},
		{Name: "empty it", As: alice, Do: "DELETE /cart", Want: 204},
		{Name: "empty it again", As: alice, Do: "DELETE /cart", Want: 204},
		{Name: "it is empty", As: alice, Do: "GET /cart", Want: 200, Has: []string{`"items":[]`}},
	})
}

func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	f, alice := open(t), kittest.NewCaller(shop.User)
	var tabs sync.WaitGroup
	for product := range int64(20) {
		tabs.Go(func() {
			for { // retry after a conflict
				_, err := f.Set(context.Background(), alice.ID, order.OrderItem{ProductID: product + 1, Quantity: int(product) + 1})
				if err == nil {
					return
				}
				if !errors.Is(err, cart.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	tabs.Wait()
	c, err := f.Get(t.Context(), alice.ID)
	if err != nil || len(c.Items) != 20 || c.Total.String() != "2100.00" {
		t.Errorf("%d items, %v, %v", len(c.Items), c.Total, err)
	}
}

func TestConcurrentCheckoutsPlaceOneOrder(t *testing.T) {
	f, alice := open(t), kittest.NewCaller(shop.User)
	for range 10 {
		fill(t, f, alice, 1, 2)
		var both sync.WaitGroup
		var placed atomic.Int32
		for range 8 {
			both.Go(func() {
				_, err := f.Checkout(context.Background(), alice.ID, checkout())
				switch {
				case err == nil:
					placed.Add(1)
				case !errors.Is(err, cart.ErrCheckout) && !errors.Is(err, cart.ErrEmpty) && !errors.Is(err, cart.ErrConflict):
					t.Error(err)
				}
			})
		}
		both.Wait()
		if n := orderCount(t, f); n != 1 || placed.Load() != 1 {
			t.Fatalf("%d orders, %d successful checkouts", n, placed.Load())
		}
	}
}

func TestOneKeyPlacesOneOrder(t *testing.T) {
	f, alice := open(t), kittest.NewCaller(shop.User)
	fill(t, f, alice, 1, 2)
	responses := make(chan string, 10)
	var all sync.WaitGroup
	for range cap(responses) {
		all.Go(func() {
			_, body := kittest.Do(t, f.app, kittest.Call{
				As: alice, Do: "POST /cart/checkout", Body: purchase, Header: map[string]string{"Idempotency-Key": "k"},
			})
			responses <- string(body)
		})
	}
	all.Wait()
	first := kittest.Field[string](t, []byte(<-responses), "id")
	for range cap(responses) - 1 {
		if other := kittest.Field[string](t, []byte(<-responses), "id"); other != first {
			t.Errorf("two orders: %s and %s", first, other)
		}
	}
	if n := orderCount(t, f); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// TestAKeyIsForOneCart: the response to a reservation is lost, and then the buyer changes the cart.
func TestAKeyIsForOneCart(t *testing.T) {
	f, alice := open(t), kittest.NewCaller(shop.User)
	checkout := func(name, key string, want int, has string, emits ...string) kittest.Call {
		return kittest.Call{
			Name: name, As: alice, Do: "POST /cart/checkout", Body: purchase,
			Header: map[string]string{"Idempotency-Key": key}, Want: want, Has: []string{has}, Emits: emits,
		}
	}
	f.lostResponse = sidecar.ErrUpstream
	kittest.Run(t, f.app, f.db, []kittest.Call{
		{Name: "one", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":1}`, Want: 200},
		checkout("lost", "k", 503, `"service_unavailable"`),
		{Name: "three", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":3}`, Want: 200},
		checkout("the same key for another cart", "k", 422, `"idempotency_key_reused"`),
		{Name: "no order", As: alice, Do: "GET /cart", Want: 200, Has: []string{`"quantity":3`}, AndThen: func(t *testing.T, _ []byte) {
			if len(f.reservations) != 0 {
				t.Errorf("the reservation was not released: %v", f.reservations)
			}
		}},
		checkout("another key", "l", 201, `"total":30.00`, "orders.placed"),
		checkout("again", "l", 201, `"total":30.00`),
		{Name: "everything is ordered", As: alice, Do: "GET /cart", Want: 200, Has: []string{`"items":[]`}},
	})
	f.lostResponse = sidecar.ErrUpstream
	kittest.Run(t, f.app, f.db, []kittest.Call{
		{Name: "two", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":2}`, Want: 200},
		checkout("lost", "m", 503, `"service_unavailable"`),
		checkout("the same again", "m", 201, `"total":20.00`, "orders.placed"),
	})
	if len(f.reservations) != 2 {
		t.Errorf("%d reservations for two orders", len(f.reservations))
	}
}

func TestItemsAddedDuringCheckoutStay(t *testing.T) {
	f, alice := open(t), kittest.NewCaller(shop.User)
	fill(t, f, alice, 1, 2)
	f.onReserve = func() {
		fill(t, f, alice, 1, 5)
		fill(t, f, alice, 2, 1)
	}
	o, err := f.Checkout(t.Context(), alice.ID, checkout())
	if err != nil || o.Total.String() != "20.00" {
		t.Fatalf("%+v, %v", o, err)
	}
	c, err := f.Get(t.Context(), alice.ID)
	if err != nil || len(c.Items) != 2 || c.Items[0].Quantity != 3 || c.Items[1].Quantity != 1 {
		t.Errorf("three and one must stay: %+v, %v", c, err)
	}
}

// TestInterruptedAfterTheOrder: the cart cannot be written after the order is placed. The next request finds the order
// and removes its items from the cart.
func TestInterruptedAfterTheOrder(t *testing.T) {
	f, alice := open(t), kittest.NewCaller(shop.User)
	fill(t, f, alice, 1, 2)
	f.onReserve = func() { // the next write is that of the emptied cart
		f.store.mu.Lock()
		defer f.store.mu.Unlock()
		f.store.beforeWrite = func() error { return errors.New("interrupted") }
	}
	if _, err := f.Checkout(t.Context(), alice.ID, checkout()); err != nil {
		t.Fatalf("the order is placed even if the cart cannot be written: %v", err)
	}
	f.store.beforeWrite = func() error { return nil }
	fill(t, f, alice, 2, 1)
	c, err := f.Get(t.Context(), alice.ID)
	if err != nil || len(c.Items) != 1 || c.Items[0].ProductID != 2 || orderCount(t, f) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestInterruptedBeforeTheOrder: a checkout ended before it placed an order. Until checkoutTimeout its order may still
// come; then the cart can be ordered again, with all its items.
func TestInterruptedBeforeTheOrder(t *testing.T) {
	f, alice := open(t), kittest.NewCaller(shop.User)
	fill(t, f, alice, 1, 2)
	stored := f.store.carts[alice.ID]
	stored.Checkout = &cart.PendingCheckout{
		OrderID: shop.OrderID{UUID: shop.NewID()}, Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, Since: time.Now(),
	}
	f.store.carts[alice.ID] = stored
	if _, err := f.Checkout(t.Context(), alice.ID, checkout()); !errors.Is(err, cart.ErrCheckout) {
		t.Fatalf("the first checkout may still be running: %v", err)
	}
	stored.Checkout.Since = time.Now().Add(-time.Minute)
	if o, err := f.Checkout(t.Context(), alice.ID, checkout()); err != nil || o.Total.String() != "20.00" {
		t.Fatalf("%+v, %v", o, err)
	}
}
