package product

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/products/internal/image"
	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the tables of products. They reference the tables of categories.
var Migrations = postgres.Migrations{Name: "product", Files: postgres.Sub(files)}

// Service creates, changes, archives and searches products.
type Service struct {
	db        *event.Outbox
	defaults  Defaults
	listSlots chan struct{} // holds one element for each list that is being read
}

// maxConcurrentLists bounds the lists that a replica reads concurrently to a quarter of its connections. Further ones
// wait in order of arrival, so that many searches leave connections and processors for reservations.
const maxConcurrentLists = 4

// NewService takes the default language of products, one of Languages, and the shop's currency: that of products whose
// input has none, and that in which lists compare prices unless they have another.
func NewService(db *event.Outbox, language, currency string) *Service {
	return &Service{db, Defaults{language, currency}, make(chan struct{}, maxConcurrentLists)}
}

// Create puts a product on sale with its initial stock and emits products.changed. SKUs differ in more than case. It
// fails with ErrInvalid, ErrNoCategory, ErrSKUTaken, or with ErrSlugTaken if the given slug is taken.
func (s *Service) Create(ctx context.Context, in NewProduct) (p Product, err error) {
	if in, err = in.withDefaults(s.defaults); err != nil {
		return p, err
	}
	for range 3 {
		p, err = s.create(ctx, in)
		if in.Slug != "" || !errors.Is(err, ErrSlugTaken) {
			break
		} // another transaction took the generated slug after the check; the next check sees it
	}
	return p, err
}

func (s *Service) create(ctx context.Context, in NewProduct) (Product, error) {
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Product, error) {
		c := changes{created: []NewProduct{in}}
		ids, err := c.save(ctx, tx)
		if err != nil {
			return Product{}, err
		}
		return get(ctx, tx, ids[in.SKU])
	})
}

// Update changes a product and emits products.changed. It fails with ErrNotFound, web.ErrPreconditionFailed,
// ErrInvalid, ErrNoCategory or ErrSlugTaken.
func (s *Service) Update(
	ctx context.Context, id int64, ifMatch web.IfMatch, update ProductUpdate,
) (p Product, err error) {
	err = s.db.Tx(ctx, func(tx event.TX) error {
		if p, err = lock(ctx, tx, id, ifMatch); err != nil {
			return err
		}
		var c changes
		if result, err := c.update(p, update); err != nil || result == Unchanged {
			return err
		}
		if _, err := c.save(ctx, tx); err != nil {
			return err
		}
		p, err = get(ctx, tx, id)
		return err
	})
	return p, err
}

// Archive takes a product off sale permanently and emits products.archived. Orders with the product continue, and its
// SKU stays taken. It fails with ErrNotFound or web.ErrPreconditionFailed.
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

// lock locks a product for the transaction. It fails with ErrNotFound or web.ErrPreconditionFailed.
func lock(ctx context.Context, tx pgx.Tx, id int64, ifMatch web.IfMatch) (Product, error) {
	if err := lockRow(ctx, tx, id); err != nil {
		return Product{}, err
	}
	p, err := get(ctx, tx, id)
	if err != nil {
		return p, err
	}
	return p, ifMatch.Check(p.Version)
}

// List returns the products on sale that match a filter. A search tolerates typos: where no product has a word, similar
// words match too. It fails with ErrInvalid for a cursor of another list, an unknown currency or a search of too many
// words.
func (s *Service) List(ctx context.Context, f Filter, pq web.PageQuery) (page ProductPage, err error) {
	sort := f.sortOrder()
	var after cursor
	if err := pq.Cursor.Into(&after); err != nil {
		return page, err
	}
	select {
	case s.listSlots <- struct{}{}:
		defer func() { <-s.listSlots }()
	case <-ctx.Done():
		return page, context.Cause(ctx)
	}
	q, err := s.resolve(ctx, f)
	if err != nil {
		return page, err
	}
	cursors, err := search(ctx, s.db, q, sort, after, pq.Limit+1)
	if err != nil {
		return page, err
	}
	found, err := web.NewPage(cursors, pq, func(c cursor) any { return c })
	if err != nil {
		return page, err
	}
	page.NextCursor = found.NextCursor
	if page.Items, err = listByCursors(ctx, s.db, found.Items); err != nil || !f.Facets {
		return page, err
	}
	counts, err := count(ctx, s.db, q)
	page.Facets = facets(counts, q.currency)
	return page, err
}

// resolve looks up the subcategories and the search terms of a filter.
func (s *Service) resolve(ctx context.Context, f Filter) (q query, err error) {
	q.Filter, q.currency = f, cmp.Or(strings.ToUpper(f.Currency), s.defaults.Currency)
	if f.Currency == "" && (f.comparesPrices() || f.Facets) {
		if q.currency, err = comparedCurrency(ctx, s.db, f, s.defaults.Currency); err != nil {
			return q, err
		}
	}
	if _, err := (shop.Money{}).In(q.currency); err != nil {
		return q, fault.ErrInvalid.With("currency", "is not a currency of ISO 4217")
	}
	if f.CategoryID != nil {
		if q.categories, err = subtree(ctx, s.db, *f.CategoryID); err != nil {
			return q, err
		}
	}
	if f.Query != "" {
		q.tsquery, err = parseSearch(ctx, s.db, f.Query)
	}
	return q, err
}

// Get returns a product on sale. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Product, error) { return get(ctx, s.db, id) }

// Prices returns the current prices of products, by id. Unknown ids are left out.
func (s *Service) Prices(ctx context.Context, ids []int64) ([]Price, error) {
	return listPrices(ctx, s.db, ids)
}
