package product

import (
	"context"
	"embed"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/products/internal/image"
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
type Service struct {
	db        *event.Outbox
	language  string
	listSlots chan struct{} // those that are read at this moment
}

// maxConcurrentLists is how many lists a replica has read at once, a quarter of its connections. Others wait for their turn, so that a
// crowd of searches leaves connections and processors to reservations, and none of the crowd waits much longer than another.
const maxConcurrentLists = 4

// NewService works on an open database. language, one of Languages, is that of products of which nobody says otherwise.
func NewService(db *event.Outbox, language string) *Service {
	return &Service{db, language, make(chan struct{}, maxConcurrentLists)}
}

// Create puts a product on sale with its first stock, and tells products.changed. It fails with ErrInvalid, ErrNoCategory,
// ErrSKUTaken or ErrSlugTaken.
func (s *Service) Create(ctx context.Context, in NewProduct) (Product, error) {
	in, err := in.withDefaults(s.language)
	if err != nil {
		return Product{}, err
	}
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Product, error) {
		ids, err := save(ctx, tx, []NewProduct{in}, nil)
		if err != nil {
			return Product{}, err
		}
		return get(ctx, tx, ids[in.SKU])
	})
}

// Update changes what is named, if the product is still the one that the caller read, and tells products.changed. It fails
// with ErrNotFound, web.ErrPreconditionFailed, ErrInvalid, ErrNoCategory or ErrSlugTaken.
func (s *Service) Update(ctx context.Context, id int64, ifMatch web.IfMatch, update ProductUpdate) (p Product, err error) {
	err = s.db.Tx(ctx, func(tx event.TX) error {
		if p, err = lock(ctx, tx, id, ifMatch); err != nil {
			return err
		}
		p, err = apply(ctx, tx, p, update)
		return err
	})
	return p, err
}

// apply changes a locked product.
func apply(ctx context.Context, tx event.TX, p Product, update ProductUpdate) (Product, error) {
	changed, different, err := update.applyTo(p)
	if err != nil || !different {
		return p, err
	}
	if changed.LowStockThreshold != p.LowStockThreshold {
		if err := stock.SetThresholds(ctx, tx, stock.Threshold{ProductID: p.ID, Threshold: changed.LowStockThreshold}); err != nil {
			return p, err
		}
	}
	if _, err := save(ctx, tx, nil, []Product{changed}); err != nil {
		return p, err
	}
	return get(ctx, tx, p.ID)
}

// Archive takes a product off sale for good, if it is still the one that the caller read, and tells products.archived. Orders
// that have it go on, and its SKU stays taken. It fails with ErrNotFound or web.ErrPreconditionFailed.
func (s *Service) Archive(ctx context.Context, id int64, ifMatch web.IfMatch) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		p, err := lock(ctx, tx, id, ifMatch)
		if err != nil {
			return err
		}
		if err := archiveRow(ctx, tx, id); err != nil {
			return err
		}
		if err := stock.Close(ctx, tx, id); err != nil {
			return err
		}
		if err := image.DeleteAll(ctx, tx, id); err != nil {
			return err
		}
		return event.Emit(ctx, tx, shop.ProductArchived{ProductID: p.ID, SKU: p.SKU})
	})
}

// lock keeps a product from being changed until the transaction ends. It fails with ErrNotFound or web.ErrPreconditionFailed.
func lock(ctx context.Context, tx pgx.Tx, id int64, ifMatch web.IfMatch) (Product, error) {
	if err := lockRow(ctx, tx, id); err != nil {
		return Product{}, err
	}
	p, err := get(ctx, tx, id)
	if err != nil {
		return p, err
	}
	return p, ifMatch.Check(p.matches)
}

// List is the products on sale that a filter lets pass. A search forgives typos: where no product has a word, those that are
// close to it count too. It fails with ErrInvalid for a cursor of another list.
func (s *Service) List(ctx context.Context, f Filter, q web.PageQuery) (page ProductPage, err error) {
	sort := f.sortOrder()
	var after cursor
	if err := q.Cursor.Into(&after); err != nil {
		return page, err
	}
	if after.Sort != "" && after.Sort != sort {
		return page, errCursor
	}
	select {
	case s.listSlots <- struct{}{}:
		defer func() { <-s.listSlots }()
	case <-ctx.Done():
		return page, context.Cause(ctx)
	}
	query, err := s.resolve(ctx, f)
	if err != nil {
		return page, err
	}
	cursors, err := search(ctx, s.db, query, sort, after, q.Limit+1)
	if err != nil {
		return page, err
	}
	found, err := web.NewPage(cursors, q.Limit, func(p cursor) any { return p })
	if err != nil {
		return page, err
	}
	page.NextCursor = found.NextCursor
	if page.Items, err = listByIDs(ctx, s.db, found.Items); err != nil {
		return page, err
	}
	if f.Facets {
		lines, err := count(ctx, s.db, query)
		if err != nil {
			return page, err
		}
		page.Facets = facets(lines)
	}
	return page, nil
}

// resolve finds out what a filter means at this moment: which categories are below the one, which words a search stands for.
func (s *Service) resolve(ctx context.Context, f Filter) (q query, err error) {
	q.Filter = f
	if f.CategoryID != 0 {
		if q.categories, err = subtree(ctx, s.db, f.CategoryID); err != nil {
			return q, err
		}
	}
	if f.Query != "" {
		q.tsquery, err = parseSearch(ctx, s.db, f.Query)
	}
	return q, err
}

// Get is one product. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Product, error) { return get(ctx, s.db, id) }

// Prices is what some products cost at this moment, by id. What was never on sale is left out.
func (s *Service) Prices(ctx context.Context, ids []int64) ([]Price, error) {
	return listPrices(ctx, s.db, ids)
}
