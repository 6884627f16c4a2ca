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

// stockFake is a fake of the products service with its reservations. Product 2 costs euros if euros is true, and
// product 3 exceeds the largest total.
type stockFake struct {
	mu           sync.Mutex
	reservations map[shop.OrderID][]order.OrderItem
	released     map[shop.OrderID]bool
	euros        bool
	afterReserve func()
}

var errReleased = fault.New(fault.Conflict, "reservation_released", "the reservation has expired or was released")

func openStockFake(t *testing.T) (*order.Service, *stockFake) {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	f := &stockFake{
		reservations: map[shop.OrderID][]order.OrderItem{}, released: map[shop.OrderID]bool{}, afterReserve: func() {},
	}
	others := calls(f.reserve)
	others.Release = f.release
	return order.NewService(event.NewOutbox(db), others), f
}

func (f *stockFake) reserve(_ context.Context, id shop.OrderID, items []order.OrderItem) (lines []order.Reserved, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.afterReserve()
	if f.released[id] {
		return nil, errReleased
	}
	if _, earlier := f.reservations[id]; !earlier {
		f.reservations[id] = items
	}
	for _, item := range f.reservations[id] {
		l := order.Reserved{ProductID: item.ProductID, Quantity: item.Quantity, UnitPrice: shop.MustMoney("1.00"), Currency: "USD"}
		switch {
		case item.ProductID == 2 && f.euros:
			l.Currency = "EUR"
		case item.ProductID == 3:
			l.UnitPrice = shop.MustMoney("999999999999.999999")
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func (f *stockFake) release(_ context.Context, id shop.OrderID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.released[id] = true
	delete(f.reservations, id)
	return nil
}

func (f *stockFake) wantReservations(t *testing.T, when string, want int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.reservations) != want {
		t.Errorf("%s: %d reservations, want %d", when, len(f.reservations), want)
	}
}

func newOrderOf(key idempotency.Key, products ...int64) order.NewOrder {
	in := order.NewOrder{Checkout: order.Checkout{Key: key, PaymentMethod: "credit_card"}}
	for _, id := range products {
		in.Items = append(in.Items, order.OrderItem{ProductID: id, Quantity: 100})
	}
	return in
}

// TestRefusedOrderIsReleased: a repeated request with the same key is refused in the same way.
func TestRefusedOrderIsReleased(t *testing.T) {
	s, f := openStockFake(t)
	f.euros = true
	alice := kittest.NewCaller(shop.User).ID
	for name, c := range map[string]struct {
		products []int64
		want     *fault.Error
	}{
		"currencies": {[]int64{1, 2}, order.ErrMixedCurrencies},
		"too large":  {[]int64{1, 3}, fault.ErrInvalid},
	} {
		key := idempotency.New(name, alice, "POST /orders")
		for _, key := range []idempotency.Key{{}, key, key} {
			if _, err := s.Place(t.Context(), alice, newOrderOf(key, c.products...)); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
			f.wantReservations(t, name, 0)
		}
	}
}

// TestUnknownResultKeepsReservation: the client disconnects, and the order may have been created.
func TestUnknownResultKeepsReservation(t *testing.T) {
	s, f := openStockFake(t)
	alice := kittest.NewCaller(shop.User).ID
	key := idempotency.New("k", alice, "POST /orders")
	ctx, disconnect := context.WithCancel(t.Context())
	f.afterReserve = disconnect
	if _, err := s.Place(ctx, alice, newOrderOf(key, 1)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	f.wantReservations(t, "disconnected", 1)
	if _, err := s.Place(t.Context(), alice, newOrderOf(key, 1)); err != nil {
		t.Error(err)
	}
	f.wantReservations(t, "placed", 1)
}

// TestRefusalKeepsTheOrder: a repeated request is refused after the first one placed the order.
func TestRefusalKeepsTheOrder(t *testing.T) {
	s, f := openStockFake(t)
	alice, id := kittest.NewCaller(shop.User).ID, shop.OrderID{UUID: shop.NewID()}
	if _, err := s.PlaceWithID(t.Context(), alice, id, newOrderOf(idempotency.Key{}, 1, 2)); err != nil {
		t.Fatal(err)
	}
	f.euros = true
	_, err := s.PlaceWithID(t.Context(), alice, id, newOrderOf(idempotency.Key{}, 1, 2))
	if !errors.Is(err, order.ErrMixedCurrencies) {
		t.Error(err)
	}
	f.wantReservations(t, "placed", 1)
}

// TestTwoIDsOfOneKey: a request so slow that its key was taken over returns the other order, and its reservation is
// released.
func TestTwoIDsOfOneKey(t *testing.T) {
	s, f := openStockFake(t)
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
	otherKey := idempotency.New("k", alice, "POST /orders", []byte("another"))
	if _, err := s.PlaceWithID(t.Context(), alice, other, newOrderOf(otherKey, 1)); !errors.Is(err, idempotency.ErrReused) {
		t.Error(err)
	}
	f.wantReservations(t, "placed once", 1)
}

// TestOtherReservedItems: the id has a reservation of other items.
func TestOtherReservedItems(t *testing.T) {
	s, f := openStockFake(t)
	alice, id := kittest.NewCaller(shop.User).ID, shop.OrderID{UUID: shop.NewID()}
	f.reservations[id] = []order.OrderItem{{ProductID: 1, Quantity: 1}}
	_, err := s.PlaceWithID(t.Context(), alice, id, newOrderOf(idempotency.Key{}, 1))
	if !errors.Is(err, idempotency.ErrReused) {
		t.Error(err)
	}
	f.wantReservations(t, "refused", 0)
}
