package cart_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/cart"
	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

const purchase = `{"shipping_address":{"street":"123 Main St","city":"Anytown","state":"NY","postal_code":"12345","country":"USA"},"payment_method":"credit_card"}`

// storeFake stands in for the sidecar's state store, versions included. saves is asked before each write.
type storeFake struct {
	mu    sync.Mutex
	carts map[shop.UserID]cart.StoredCart
	at    map[shop.UserID]int
	saves func() error
}

func newMemory() *storeFake {
	return &storeFake{carts: map[shop.UserID]cart.StoredCart{}, at: map[shop.UserID]int{}, saves: func() error { return nil }}
}

func (m *storeFake) store() cart.Store {
	write := func(owner shop.UserID, version string, do func()) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if err := m.saves(); err != nil {
			return err
		}
		if _, there := m.carts[owner]; there != (version != "") || there && version != strconv.Itoa(m.at[owner]) {
			return sidecar.ErrConcurrentUpdate
		}
		m.at[owner]++
		do()
		return nil
	}
	return cart.Store{
		Load: func(_ context.Context, owner shop.UserID) (cart.StoredCart, string, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			k, there := m.carts[owner]
			if !there {
				return k, "", nil
			}
			return k, strconv.Itoa(m.at[owner]), nil
		},
		Save: func(_ context.Context, owner shop.UserID, k cart.StoredCart, version string) error {
			return write(owner, version, func() { m.carts[owner] = k })
		},
		Drop: func(_ context.Context, owner shop.UserID, version string) error {
			return write(owner, version, func() { delete(m.carts, owner) })
		},
	}
}

// prices stands in for the products service: every product below 100 costs 10.00 and there are 50; 98 is archived.
func prices(_ context.Context, products []int64) (map[int64]cart.Price, error) {
	found := map[int64]cart.Price{}
	for _, id := range products {
		if id < 100 {
			found[id] = cart.Price{ProductID: id, SKU: fmt.Sprint("SKU-", id), Name: "Thing", UnitPrice: shop.MustMoney("10.00"), Currency: "USD", Available: 50, Archived: id == 98}
		}
	}
	return found, nil
}

type fixture struct {
	*cart.Service
	db      *pgxpool.Pool
	app     *web.App
	memory  *storeFake
	reserve func() // is called while an order is being made
	held    map[shop.OrderID][]order.Reserved
	lost    error // of the next reservation, which is made
}

func open(t *testing.T) *fixture {
	t.Helper()
	p := &fixture{db: kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations), memory: newMemory(), reserve: func() {},
		held: map[shop.OrderID][]order.Reserved{}}
	var mu sync.Mutex
	reserve := func(_ context.Context, id shop.OrderID, items []order.OrderItem) (lines []order.Reserved, err error) {
		p.reserve()
		mu.Lock()
		defer mu.Unlock()
		if lines, earlier := p.held[id]; earlier {
			return lines, nil
		}
		for i, item := range items {
			if item.Quantity > 50 {
				return nil, order.ErrOutOfStock.With(fmt.Sprintf("items[%d].quantity", i), "only 50 left")
			}
			lines = append(lines, order.Reserved{ProductID: item.ProductID, Quantity: item.Quantity, UnitPrice: shop.MustMoney("10.00"), Currency: "USD"})
		}
		p.held[id] = lines
		err, p.lost = p.lost, nil
		return lines, err
	}
	orders := order.NewService(event.NewOutbox(p.db), order.Calls{Reserve: reserve, Release: func(_ context.Context, id shop.OrderID) error {
		mu.Lock()
		defer mu.Unlock()
		delete(p.held, id)
		return nil
	}})
	p.Service = cart.NewService(p.db, p.memory.store(), prices, orders)
	p.app = web.New("orders", web.Config{Verify: kittest.Verify})
	p.Routes(p.app)
	p.Subscribe(event.NewHub(p.app, "orders", event.NewOutbox(p.db)))
	return p
}

func TestCart(t *testing.T) {
	p := open(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	kittest.Run(t, p.app, p.db, []kittest.Call{
		{Name: "no token", Do: "GET /cart", Want: 401},
		{Name: "empty", As: alice, Do: "GET /cart", Want: 200, Has: []string{`{"items":[],"total":null,"orderable":false,"notices":[]}`}},
		{Name: "checkout of nothing", As: alice, Do: "POST /cart/checkout", Body: purchase, Want: 409, Has: []string{`"cart_empty"`}},
		{Name: "put", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":2}`, Want: 200, Has: []string{`"total":20.00`, `"orderable":true`, `"sku":"SKU-1"`}},
		{Name: "put another number", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":3}`, Want: 200, Has: []string{`"quantity":3`, `"total":30.00`}},
		{Name: "put another product", As: alice, Do: "PUT /cart/items/2", Body: `{"quantity":60}`, Want: 200, Has: []string{`"total":630.00`, `"orderable":false`, `"code":"short","message":"only 50 left"`}},
		{Name: "none", As: alice, Do: "PUT /cart/items/2", Body: `{"quantity":0}`, Want: 422, Has: []string{`"quantity"`}},
		{Name: "too many", As: alice, Do: "PUT /cart/items/2", Body: `{"quantity":1001}`, Want: 422},
		{Name: "no quantity", As: alice, Do: "PUT /cart/items/2", Body: `{}`, Want: 422, Has: []string{`"quantity":"is required"`}},
		{Name: "no such product", As: alice, Do: "PUT /cart/items/100", Body: `{"quantity":1}`, Want: 404, Has: []string{`"product_not_found"`}},
		{Name: "not on sale any more", As: alice, Do: "PUT /cart/items/98", Body: `{"quantity":1}`, Want: 409, Has: []string{`"product_not_on_sale"`}},
		{Name: "not a product", As: alice, Do: "PUT /cart/items/x", Body: `{"quantity":1}`, Want: 404},
		{Name: "another's is another's", As: bob, Do: "GET /cart", Want: 200, Has: []string{`"items":[]`}},
		{Name: "what is short", As: alice, Do: "POST /cart/checkout", Body: purchase, Want: 409, Has: []string{`"out_of_stock"`, `"items[1].quantity":"only 50 left"`}},
		{Name: "stays in the cart", As: alice, Do: "GET /cart", Want: 200, Has: []string{`"total":630.00`}},
		{Name: "remove", As: alice, Do: "DELETE /cart/items/2", Want: 200, Has: []string{`"total":30.00`}},
		{Name: "remove again", As: alice, Do: "DELETE /cart/items/2", Want: 200, Has: []string{`"total":30.00`}},
		{Name: "half an address", As: alice, Do: "POST /cart/checkout", Body: `{"shipping_address":{"street":"x"},"payment_method":"shells"}`, Want: 422,
			Has: []string{`"shipping_address.city"`, `"payment_method"`}},
		{Name: "a card number", As: alice, Do: "POST /cart/checkout", Body: strings.Replace(purchase, `"payment_method"`, `"payment_token":"4242-4242-4242-4242","payment_method"`, 1),
			Want: 422, Has: []string{`"payment_token"`}, HasNot: []string{"4242"}},
		{Name: "checkout", As: alice, Do: "POST /cart/checkout", Body: purchase, Want: 201, Emits: []string{"orders.placed"},
			Header: map[string]string{"Idempotency-Key": "a"}, Has: []string{`"status":"pending"`, `"total":30.00`}},
		{Name: "empties it", As: alice, Do: "GET /cart", Want: 200, Has: []string{`"items":[]`}},
		{Name: "once", As: alice, Do: "POST /cart/checkout", Body: purchase, Want: 201, Header: map[string]string{"Idempotency-Key": "a"}, Has: []string{`"total":30.00`}},
		{Name: "put for another day", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":2}`, Want: 200},
		{Name: "export", Do: "GET /export/" + alice.ID.String(), Want: 200, Has: []string{`{"orders":[{"id":"`, `"history":[{"status":"pending"`, `"cart":[{"product_id":1,"quantity":2,`}},
		{Name: "export of nothing", Do: "GET /export/" + bob.ID.String(), Want: 200, Has: []string{`{"orders":[],"cart":[]}`}},
		{Name: "forget her", Do: "POST /events/users.erased", Body: `{"id":"0192f0c1-2d3e-7abc-8def-000000000001","type":"users.erased","data":{"user_id":"` + alice.ID.String() + `"}}`,
			Want: 200, Has: []string{"SUCCESS"}},
		{Name: "her cart is forgotten, an order on its way keeps its address", Do: "GET /export/" + alice.ID.String(), Want: 200, Has: []string{`"cart":[]`, `"123 Main St"`}},
		{Name: "put for another day", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":2}`, Want: 200},
		{Name: "empty it", As: alice, Do: "DELETE /cart", Want: 204},
		{Name: "empty it again", As: alice, Do: "DELETE /cart", Want: 204},
		{Name: "it is empty", As: alice, Do: "GET /cart", Want: 200, Has: []string{`"items":[]`}},
	})
}

func TestTwentyTabsLoseNothing(t *testing.T) {
	p, alice := open(t), kittest.NewCaller(shop.User)
	var tabs sync.WaitGroup
	for product := range int64(20) {
		tabs.Go(func() {
			for { // somebody who is told that it is crowded tries again
				_, err := p.Put(context.Background(), alice.ID, order.OrderItem{ProductID: product + 1, Quantity: int(product) + 1})
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
	c, err := p.Get(t.Context(), alice.ID)
	if err != nil || len(c.Items) != 20 || c.Total.String() != "2100.00" {
		t.Errorf("%d lines, %v, %v", len(c.Items), c.Total, err)
	}
}

func orderCount(t *testing.T, p *fixture) int {
	t.Helper()
	return len(kittest.Emitted(t, p.db))
}

func address() cart.Checkout {
	return cart.Checkout{ShippingAddress: order.Address{Street: "s", City: "c", PostalCode: "p", Country: "c"}, PaymentMethod: "paypal"}
}

func fill(t *testing.T, p *fixture, who shop.Caller, product int64, quantity int) {
	t.Helper()
	if _, err := p.Put(t.Context(), who.ID, order.OrderItem{ProductID: product, Quantity: quantity}); err != nil {
		t.Fatal(err)
	}
}

func TestTwoCheckoutsAtOnceBuyOnce(t *testing.T) {
	p, alice := open(t), kittest.NewCaller(shop.User)
	for range 10 {
		fill(t, p, alice, 1, 2)
		var both sync.WaitGroup
		var placed atomic.Int32
		for range 8 {
			both.Go(func() {
				_, err := p.Checkout(context.Background(), alice.ID, address())
				switch {
				case err == nil:
					placed.Add(1)
				case !errors.Is(err, cart.ErrCheckout) && !errors.Is(err, cart.ErrEmpty) && !errors.Is(err, cart.ErrConflict):
					t.Error(err)
				}
			})
		}
		both.Wait()
		if n := orderCount(t, p); n != 1 || placed.Load() != 1 {
			t.Fatalf("%d orders, %d were told so", n, placed.Load())
		}
	}
}

func TestOneKeyIsOneCheckout(t *testing.T) {
	p, alice := open(t), kittest.NewCaller(shop.User)
	fill(t, p, alice, 1, 2)
	answers := make(chan string, 10)
	var all sync.WaitGroup
	for range cap(answers) {
		all.Go(func() {
			_, body := kittest.Do(t, p.app, kittest.Call{As: alice, Do: "POST /cart/checkout", Body: purchase, Header: map[string]string{"Idempotency-Key": "k"}})
			answers <- string(body)
		})
	}
	all.Wait()
	first := kittest.Field[string](t, []byte(<-answers), "id")
	for range cap(answers) - 1 {
		if other := kittest.Field[string](t, []byte(<-answers), "id"); other != first {
			t.Errorf("two orders: %s and %s", first, other)
		}
	}
	if n := orderCount(t, p); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// TestAKeyIsOneCart has products keep what a checkout asks for and its answer be lost. Then the buyer wants more.
func TestAKeyIsOneCart(t *testing.T) {
	p, alice := open(t), kittest.NewCaller(shop.User)
	checkout := func(name, key string, want int, has string, emits ...string) kittest.Call {
		return kittest.Call{Name: name, As: alice, Do: "POST /cart/checkout", Body: purchase, Header: map[string]string{"Idempotency-Key": key},
			Want: want, Has: []string{has}, Emits: emits}
	}
	p.lost = sidecar.ErrUpstream
	kittest.Run(t, p.app, p.db, []kittest.Call{
		{Name: "one", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":1}`, Want: 200},
		checkout("lost", "k", 503, `"service_unavailable"`),
		{Name: "three", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":3}`, Want: 200},
		checkout("the same key for another cart", "k", 422, `"idempotency_key_reused"`),
		{Name: "nothing is bought", As: alice, Do: "GET /cart", Want: 200, Has: []string{`"quantity":3`}, AndThen: func(t *testing.T, _ []byte) {
			if len(p.held) != 0 {
				t.Errorf("what nobody wants any more is held: %v", p.held)
			}
		}},
		checkout("another key", "l", 201, `"total":30.00`, "orders.placed"),
		checkout("again", "l", 201, `"total":30.00`),
		{Name: "all is bought", As: alice, Do: "GET /cart", Want: 200, Has: []string{`"items":[]`}},
	})
	p.lost = sidecar.ErrUpstream
	kittest.Run(t, p.app, p.db, []kittest.Call{
		{Name: "two", As: alice, Do: "PUT /cart/items/1", Body: `{"quantity":2}`, Want: 200},
		checkout("lost", "m", 503, `"service_unavailable"`),
		checkout("the same again", "m", 201, `"total":20.00`, "orders.placed"),
	})
	if len(p.held) != 2 {
		t.Errorf("%d reservations for two orders", len(p.held))
	}
}

func TestWhatWasAddedMeanwhileStays(t *testing.T) {
	p, alice := open(t), kittest.NewCaller(shop.User)
	fill(t, p, alice, 1, 2)
	p.reserve = func() {
		fill(t, p, alice, 1, 5)
		fill(t, p, alice, 2, 1)
	}
	o, err := p.Checkout(t.Context(), alice.ID, address())
	if err != nil || o.Total.String() != "20.00" {
		t.Fatalf("%+v, %v", o, err)
	}
	c, err := p.Get(t.Context(), alice.ID)
	if err != nil || len(c.Items) != 2 || c.Items[0].Quantity != 3 || c.Items[1].Quantity != 1 {
		t.Errorf("three and one were not ordered: %+v, %v", c, err)
	}
}

// TestCutOffAfterTheOrder dies, as far as the cart can see, between the order and the emptying: nothing can be written any
// more. Whoever looks next finds the order, and the cart without what it bought.
func TestCutOffAfterTheOrder(t *testing.T) {
	p, alice := open(t), kittest.NewCaller(shop.User)
	fill(t, p, alice, 1, 2)
	p.reserve = func() { // the next write is the emptying
		p.memory.mu.Lock()
		defer p.memory.mu.Unlock()
		p.memory.saves = func() error { return errors.New("the power went out") }
	}
	if _, err := p.Checkout(t.Context(), alice.ID, address()); err != nil {
		t.Fatalf("the order is there, whatever became of the cart: %v", err)
	}
	p.memory.saves = func() error { return nil }
	fill(t, p, alice, 2, 1)
	c, err := p.Get(t.Context(), alice.ID)
	if err != nil || len(c.Items) != 1 || c.Items[0].ProductID != 2 || orderCount(t, p) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestCutOffBeforeTheOrder finds a cart whose checkout died before there was an order: for a moment nobody can know, then
// it is the buyer's again, with everything in it.
func TestCutOffBeforeTheOrder(t *testing.T) {
	p, alice := open(t), kittest.NewCaller(shop.User)
	fill(t, p, alice, 1, 2)
	kept := p.memory.carts[alice.ID]
	kept.Checkout = &cart.PendingCheckout{OrderID: shop.OrderID{UUID: shop.NewID()}, Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, Since: time.Now()}
	p.memory.carts[alice.ID] = kept
	if _, err := p.Checkout(t.Context(), alice.ID, address()); !errors.Is(err, cart.ErrCheckout) {
		t.Fatalf("another checkout may still be on its way: %v", err)
	}
	kept.Checkout.Since = time.Now().Add(-time.Minute)
	if o, err := p.Checkout(t.Context(), alice.ID, address()); err != nil || o.Total.String() != "20.00" {
		t.Fatalf("%+v, %v", o, err)
	}
}
