package cart_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

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

// storeFake is a fake of the sidecar's state store with versions. A write fails with the error of beforeWrite.
type storeFake struct {
	mu          sync.Mutex
	carts       map[shop.UserID]cart.StoredCart
	versions    map[shop.UserID]int
	beforeWrite func() error
}

func newStoreFake() *storeFake {
	return &storeFake{
		carts: map[shop.UserID]cart.StoredCart{}, versions: map[shop.UserID]int{}, beforeWrite: func() error { return nil },
	}
}

func (f *storeFake) store() cart.Store {
	write := func(owner shop.UserID, version string, do func()) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if err := f.beforeWrite(); err != nil {
			return err
		}
		_, exists := f.carts[owner]
		if exists != (version != "") || exists && version != strconv.Itoa(f.versions[owner]) {
			return sidecar.ErrConcurrentUpdate
		}
		f.versions[owner]++
		do()
		return nil
	}
	return cart.Store{
		Load: func(_ context.Context, owner shop.UserID) (cart.StoredCart, string, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			c, exists := f.carts[owner]
			if !exists {
				return c, "", nil
			}
			return c, strconv.Itoa(f.versions[owner]), nil
		},
		Save: func(_ context.Context, owner shop.UserID, c cart.StoredCart, version string) error {
			return write(owner, version, func() { f.carts[owner] = c })
		},
		Delete: func(_ context.Context, owner shop.UserID, version string) error {
			return write(owner, version, func() { delete(f.carts, owner) })
		},
	}
}

// prices is a fake of the products service: products below 100 cost 10.00, 50 are in stock, and 98 is archived.
func prices(_ context.Context, products []int64) (map[int64]cart.Price, error) {
	found := map[int64]cart.Price{}
	for _, id := range products {
		if id < 100 {
			found[id] = cart.Price{
				ProductID: id, SKU: fmt.Sprint("SKU-", id), Name: "Thing", UnitPrice: shop.MustMoney("10.00"), Currency: "USD",
				Available: 50, Archived: id == 98,
			}
		}
	}
	return found, nil
}

type fixture struct {
	*cart.Service
	db           *pgxpool.Pool
	app          *web.App
	store        *storeFake
	onReserve    func() // is called while an order is being placed
	reservations map[shop.OrderID][]order.Reserved
	lostResponse error // is returned for the next reservation, which is made
}

func open(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{
		db:    kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations),
		store: newStoreFake(), onReserve: func() {}, reservations: map[shop.OrderID][]order.Reserved{},
	}
	var mu sync.Mutex
	reserve := func(_ context.Context, id shop.OrderID, items []order.OrderItem) (lines []order.Reserved, err error) {
		f.onReserve()
		mu.Lock()
		defer mu.Unlock()
		if lines, earlier := f.reservations[id]; earlier {
			return lines, nil
		}
		for i, item := range items {
			if item.Quantity > 50 {
				return nil, order.ErrOutOfStock.With(fmt.Sprintf("items[%d].quantity", i), "only 50 left")
			}
			lines = append(lines, order.Reserved{
				ProductID: item.ProductID, Quantity: item.Quantity, UnitPrice: shop.MustMoney("10.00"), Currency: "USD",
			})
		}
		f.reservations[id] = lines
		err, f.lostResponse = f.lostResponse, nil
		return lines, err
	}
	release := func(_ context.Context, id shop.OrderID) error {
		mu.Lock()
		defer mu.Unlock()
		delete(f.reservations, id)
		return nil
	}
	orders := order.NewService(event.NewOutbox(f.db), order.Calls{Reserve: reserve, Release: release})
	f.Service = cart.NewService(f.db, f.store.store(), prices, orders)
	f.app = web.New("orders", web.Config{Verify: kittest.Verify})
	f.Routes(f.app)
	f.Subscribe(event.NewHub(f.app, "orders", event.NewOutbox(f.db)))
	return f
}

func orderCount(t *testing.T, f *fixture) int {
	t.Helper()
	return len(kittest.Emitted(t, f.db))
}

func checkout() order.Checkout {
	return order.Checkout{
		ShippingAddress: order.NewAddress{Street: "s", City: "c", PostalCode: "p", Country: "c"}, PaymentMethod: "paypal",
	}
}

func fill(t *testing.T, f *fixture, caller shop.Caller, product int64, quantity int) {
	t.Helper()
	if _, err := f.Set(t.Context(), caller.ID, order.OrderItem{ProductID: product, Quantity: quantity}); err != nil {
		t.Fatal(err)
	}
}
