package product_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
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

// twenty is a shop with so many products of a thousand each, as lines that say only their SKU.
func twenty(t *testing.T) (*pgxpool.Pool, []product.Row) {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations, image.Migrations, stock.Migrations)
	c, err := category.NewService(event.NewOutbox(db)).Create(t.Context(), category.NewCategory{Name: "Things"})
	if err != nil {
		t.Fatal(err)
	}
	price, lines := shop.MustMoney("1.00"), make([]product.Row, 20)
	for i := range lines {
		lines[i].SKU = fmt.Sprintf("T-%d", i+1)
		if _, err := product.NewService(event.NewOutbox(db), "en").Create(t.Context(), product.NewProduct{
			Name: "Thing", SKU: lines[i].SKU, Price: &price, CategoryID: c.ID, InitialQuantity: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	return db, lines
}

// TestNoDeadlock has lists of goods that begin with the last product change what reservations, sales and returns of the same
// products lock, who begin with the first.
func TestNoDeadlock(t *testing.T) {
	for name, change := range map[string]func(l *product.Row, round int){
		"thresholds": func(l *product.Row, round int) { n := 1 + round%2; l.LowStockThreshold = &n },
		"addresses":  func(l *product.Row, round int) { slug := fmt.Sprint("thing-", l.SKU[2:], "-", round); l.Slug = &slug },
	} {
		t.Run(name, func(t *testing.T) {
			const rounds = 40
			db, lines := twenty(t)
			shelves := stock.NewService(event.NewOutbox(db), time.Hour)
			slices.Reverse(lines)
			var wanted []stock.Item
			for i := range lines {
				wanted = append(wanted, stock.Item{ProductID: int64(i + 1), Quantity: 1})
			}
			ctx, stop := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					for ctx.Err() == nil {
						order := shop.OrderID{UUID: shop.NewID()}
						_, err := shelves.Reserve(t.Context(), order, wanted)
						if err == nil {
							err = shelves.Commit(t.Context(), order)
						}
						if err == nil {
							err = shelves.Release(t.Context(), order)
						}
						if err != nil {
							t.Errorf("an order beside the list: %v", err)
							return
						}
					}
				})
			}
			for round := range rounds {
				for i := range lines {
					change(&lines[i], round)
				}
				err := event.NewOutbox(db).Tx(t.Context(), func(tx event.TX) error {
					_, err := product.Upsert(t.Context(), tx, "en", lines)
					return err
				})
				if err != nil {
					t.Errorf("the list: %v", err)
					break
				}
			}
			stop()
			all.Wait()
		})
	}
}
