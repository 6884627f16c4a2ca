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
	"sidecart/apps/products/internal/product"
	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// twentyProducts creates 20 products with a stock of 1,000 each, and returns their rows with only the SKU set.
func twentyProducts(t *testing.T) (*pgxpool.Pool, []product.Row) {
	t.Helper()
	db := newDB(t)
	c, err := category.NewService(event.NewOutbox(db)).Create(t.Context(), category.NewCategory{Name: "Things"})
	if err != nil {
		t.Fatal(err)
	}
	price, rows := shop.MustMoney("1.00"), make([]product.Row, 20)
	for i := range rows {
		rows[i].SKU = fmt.Sprintf("T-%d", i+1)
		if _, err := product.NewService(event.NewOutbox(db), "en", "USD").Create(t.Context(), product.NewProduct{
			Name: "Thing", SKU: rows[i].SKU, Price: &price, CategoryID: c.ID, InitialQuantity: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	return db, rows
}

// TestNoDeadlock upserts products in descending order while orders reserve, commit and release the same products in
// ascending order.
func TestNoDeadlock(t *testing.T) {
	for name, change := range map[string]func(r *product.Row, round int){
		"thresholds": func(r *product.Row, round int) { n := 1 + round%2; r.LowStockThreshold = &n },
		"slugs":      func(r *product.Row, round int) { slug := fmt.Sprint("thing-", r.SKU[2:], "-", round); r.Slug = &slug },
	} {
		t.Run(name, func(t *testing.T) {
			const rounds = 40
			db, rows := twentyProducts(t)
			stocks := stock.NewService(event.NewOutbox(db), time.Hour)
			slices.Reverse(rows)
			var items []stock.Item
			for i := range rows {
				items = append(items, stock.Item{ProductID: int64(i + 1), Quantity: 1})
			}
			ctx, stop := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					for ctx.Err() == nil {
						order := shop.OrderID{UUID: shop.NewID()}
						_, err := stocks.Reserve(t.Context(), order, items)
						if err == nil {
							err = stocks.Commit(t.Context(), order)
						}
						if err == nil {
							err = stocks.Release(t.Context(), order)
						}
						if err != nil {
							t.Errorf("order: %v", err)
							return
						}
					}
				})
			}
			for round := range rounds {
				for i := range rows {
					change(&rows[i], round)
				}
				err := event.NewOutbox(db).Tx(t.Context(), func(tx event.TX) error {
					_, err := product.Upsert(t.Context(), tx, product.Defaults{Language: "en", Currency: "USD"}, rows)
					return err
				})
				if err != nil {
					t.Errorf("upsert: %v", err)
					break
				}
			}
			stop()
			all.Wait()
		})
	}
}
