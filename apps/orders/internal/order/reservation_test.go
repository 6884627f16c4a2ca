package order_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// stockFake stands in for the products service, and remembers what it holds. Product 2 costs euros where abroad is true, product 3 too
// much for anybody.
type stockFake struct {
	mu     sync.Mutex
	held   map[shop.OrderID][]order.OrderItem
	gone   map[shop.OrderID]bool
	abroad bool
	after  func() // is called when something was reserved
}

var errGone = fault.New(fault.Conflict, "reservation_released", "the reservation has expired or was given back")

func openStockFake(t *testing.T) (*order.Service, *stockFake) {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	sh := &stockFake{held: map[shop.OrderID][]order.OrderItem{}, gone: map[shop.OrderID]bool{}, after: func() {}}
	others := calls(sh.reserve)
	others.Release = sh.release
	return order.NewService(event.NewOutbox(db), others), sh
}

func (sh *stockFake) reserve(_ context.Context, id shop.OrderID, items []order.OrderItem) (lines []order.Reserved, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	defer sh.after()
	if sh.gone[id] {
		return nil, errGone
	}
	if _, earlier := sh.held[id]; !earlier {
		sh.held[id] = items
	}
	for _, item := range sh.held[id] {
		l := order.Reserved{ProductID: item.ProductID, Quantity: item.Quantity, UnitPrice: shop.MustMoney("1.00"), Currency: "USD"}
		switch {
		case item.ProductID == 2 && sh.abroad:
			l.Currency = "EUR"
		case item.ProductID == 3:
			l.UnitPrice = shop.MustMoney("999999999999.999999")
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func (sh *stockFake) release(_ context.Context, id shop.OrderID) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.gone[id] = true
	delete(sh.held, id)
	return nil
}

func (sh *stockFake) holds(t *testing.T, when string, want int) {
	t.Helper()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.held) != want {
		t.Errorf("%s: %d orders hold stock, want %d", when, len(sh.held), want)
	}
}

func newOrderOf(key idempotency.Key, products ...int64) order.NewOrder {
	b := order.NewOrder{Key: key, PaymentMethod: "credit_card"}
	for _, id := range products {
		b.Items = append(b.Items, order.OrderItem{ProductID: id, Quantity: 100})
	}
	return b
}

// TestWhatIsRefusedHoldsNothing: and who asks again with the same key is told the same.
func TestWhatIsRefusedHoldsNothing(t *testing.T) {
	s, sh := openStockFake(t)
	sh.abroad = true
	alice := kittest.NewCaller(shop.User).ID
	for name, c := range map[string]struct {
		products []int64
		want     *fault.Error
	}{
		"currencies": {[]int64{1, 2}, order.ErrMixedCurrencies},
		"too much":   {[]int64{1, 3}, fault.ErrInvalid},
	} {
		for _, key := range []idempotency.Key{{}, idempotency.New(name, alice, "POST /orders"), idempotency.New(name, alice, "POST /orders")} {
			if _, err := s.Place(t.Context(), alice, newOrderOf(key, c.products...)); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
			sh.holds(t, name, 0)
		}
	}
}

// TestWhatMayHaveBeenKeptStaysReserved: nobody knows whether an order was made where the answer did not come.
func TestWhatMayHaveBeenKeptStaysReserved(t *testing.T) {
	s, sh := openStockFake(t)
	alice := kittest.NewCaller(shop.User).ID
	key := idempotency.New("k", alice, "POST /orders")
	ctx, hangUp := context.WithCancel(t.Context())
	sh.after = hangUp
	if _, err := s.Place(ctx, alice, newOrderOf(key, 1)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	sh.holds(t, "cut off", 1)
	if _, err := s.Place(t.Context(), alice, newOrderOf(key, 1)); err != nil {
		t.Error(err)
	}
	sh.holds(t, "bought", 1)
}

// TestARefusalLeavesTheOrderOfAnother: the same call came twice, and what the second was told has changed meanwhile.
func TestARefusalLeavesTheOrderOfAnother(t *testing.T) {
	s, sh := openStockFake(t)
	alice, id := kittest.NewCaller(shop.User).ID, shop.OrderID{UUID: shop.NewID()}
	if _, err := s.PlaceWithID(t.Context(), alice, id, newOrderOf(idempotency.Key{}, 1, 2)); err != nil {
		t.Fatal(err)
	}
	sh.abroad = true
	if _, err := s.PlaceWithID(t.Context(), alice, id, newOrderOf(idempotency.Key{}, 1, 2)); !errors.Is(err, order.ErrMixedCurrencies) {
		t.Error(err)
	}
	sh.holds(t, "bought", 1)
}

// TestTwoIDsOfOneKey: a call that took so long that its key was taken over is answered with the other's order, and holds nothing.
func TestTwoIDsOfOneKey(t *testing.T) {
	s, sh := openStockFake(t)
	alice := kittest.NewCaller(shop.User).ID
	key := idempotency.New("k", alice, "POST /orders")
	first, err := s.Place(t.Context(), alice, newOrderOf(key, 1))
	if err != nil {
		t.Fatal(err)
	}
	late := shop.OrderID{UUID: shop.NewID()}
	if o, err := s.PlaceWithID(t.Context(), alice, late, newOrderOf(key, 1)); err != nil || o.ID != first.ID {
		t.Errorf("%v, %v", o.ID, err)
	}
	other := shop.OrderID{UUID: shop.NewID()}
	if _, err := s.PlaceWithID(t.Context(), alice, other, newOrderOf(idempotency.New("k", alice, "POST /orders", []byte("another")), 1)); !errors.Is(err, idempotency.ErrReused) {
		t.Error(err)
	}
	sh.holds(t, "bought once", 1)
}

// TestOtherItemsUnderOneID are not what was asked for.
func TestOtherItemsUnderOneID(t *testing.T) {
	s, sh := openStockFake(t)
	alice, id := kittest.NewCaller(shop.User).ID, shop.OrderID{UUID: shop.NewID()}
	sh.held[id] = []order.OrderItem{{ProductID: 1, Quantity: 1}}
	if _, err := s.PlaceWithID(t.Context(), alice, id, newOrderOf(idempotency.Key{}, 1)); !errors.Is(err, idempotency.ErrReused) {
		t.Error(err)
	}
	sh.holds(t, "refused", 0)
}
