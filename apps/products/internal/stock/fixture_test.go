package stock_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/products/internal/category"
	"sidecart/apps/products/internal/image"
	"sidecart/apps/products/internal/product"
	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func newDB(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations,
		image.Migrations, stock.Migrations)
}

// open creates the products 1, 2, 3 ... with the given quantities.
func open(t testing.TB, hold time.Duration, quantities ...int) (*pgxpool.Pool, *stock.Service) {
	t.Helper()
	db := newDB(t)
	c, err := category.NewService(event.NewOutbox(db)).Create(t.Context(), category.NewCategory{Name: "Things"})
	if err != nil {
		t.Fatal(err)
	}
	price := shop.MustMoney("1.00")
	for i, n := range quantities {
		_, err := product.NewService(event.NewOutbox(db), "en", "USD").Create(t.Context(), product.NewProduct{
			Name: "Thing", SKU: fmt.Sprintf("T-%d", i+1), Price: &price, CategoryID: c.ID, InitialQuantity: n})
		if err != nil {
			t.Fatal(err)
		}
	}
	return db, stock.NewService(event.NewOutbox(db), hold)
}

func newOrder() shop.OrderID { return shop.OrderID{UUID: shop.NewID()} }

func items(pairs ...int) (all []stock.Item) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, stock.Item{ProductID: int64(pairs[i]), Quantity: pairs[i+1]})
	}
	return all
}

func expect(t testing.TB, s *stock.Service, id int64, onHand, reserved int) {
	t.Helper()
	l, err := s.Level(t.Context(), id)
	if err != nil || l.OnHand != onHand || l.Reserved != reserved || l.Available != onHand-reserved {
		t.Errorf("product %d: %+v, want %d on hand and %d reserved (%v)", id, l, onHand, reserved, err)
	}
}

// ledgerAddsUp checks that the movements of each product add up to on_hand, and the held reservations to reserved.
func ledgerAddsUp(t testing.TB, db *pgxpool.Pool) {
	t.Helper()
	var wrong int
	err := db.QueryRow(t.Context(), `
		select count(*) from stock s where s.on_hand <> (select coalesce(sum(delta), 0) from movements m where m.product_id = s.product_id)
		or s.reserved <> (select coalesce(sum(l.quantity), 0) from reservation_lines l join reservations r using (order_id)
			where l.product_id = s.product_id and r.state = 'held')`).Scan(&wrong)
	if err != nil || wrong > 0 {
		t.Errorf("%d products do not add up (%v)", wrong, err)
	}
}
