package product

import (
	"context"
	"embed"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the products' tables; they stand on the categories'.
var Migrations = postgres.Migrations{Name: "product", Files: postgres.Sub(files)}

// Service does what can be done with products.
type Service struct{ db *pgxpool.Pool }

// NewService works on an open database.
func NewService(db *pgxpool.Pool) *Service { return &Service{db} }

// Create puts a product on sale with its first stock, and tells products.changed. It fails with ErrInvalid, ErrCategory
// or ErrSKU.
func (s *Service) Create(ctx context.Context, in New) (p Product, err error) {
	if in, err = in.normal(); err != nil {
		return p, err
	}
	return idempotency.Do(ctx, s.db, in.Key, func(tx pgx.Tx) (p Product, err error) {
		id, err := insert(ctx, tx, in)
		if err != nil {
			return p, err
		}
		if err := stock.Open(ctx, tx, id, in.InitialQuantity); err != nil {
			return p, err
		}
		if p, err = get(ctx, tx, id); err != nil {
			return p, err
		}
		return p, event.Emit(ctx, tx, shop.ProductChanged{ProductID: p.ID, SKU: p.SKU, Name: p.Name, Price: p.Price, Currency: p.Currency})
	})
}

// List is the products on sale, newest first.
func (s *Service) List(ctx context.Context, f Filter, q web.PageQuery) (page web.Page[Product], err error) {
	var before int64
	if err := q.Cursor.Into(&before); err != nil {
		return page, err
	}
	found, err := list(ctx, s.db, f, before, q.Limit+1)
	if err != nil {
		return page, err
	}
	return web.NewPage(found, q.Limit, func(p Product) any { return p.ID })
}

// Get is one product. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Product, error) { return get(ctx, s.db, id) }

// Prices is what some products cost at this moment, by id. What was never on sale is left out.
func (s *Service) Prices(ctx context.Context, ids []int64) ([]Price, error) {
	return pricesOf(ctx, s.db, ids)
}
