package category

import (
	"context"
	"embed"
	"reflect"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the categories' tables.
var Migrations = postgres.Migrations{Name: "category", Files: postgres.Sub(files)}

// Service does what can be done with categories.
type Service struct{ db *event.Outbox }

// NewService works on an open database.
func NewService(db *event.Outbox) *Service { return &Service{db} }

// Create opens a category. It fails with ErrNoParent, or ErrSlugTaken where a slug was asked for that is taken; a slug made
// from the name gets a number instead.
func (s *Service) Create(ctx context.Context, in NewCategory) (c Category, err error) {
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Category, error) {
		slug := in.Slug
		if slug == "" {
			if slug, err = freeSlug(ctx, tx, shop.Slug(in.Name)); err != nil {
				return c, err
			}
		}
		return insert(ctx, tx, in, slug)
	})
}

// Update changes what is named, if the category is still the one that the caller read. It fails with ErrNotFound,
// web.ErrPreconditionFailed, ErrSlugTaken, ErrNoParent, or ErrCycle where the category would come to be below itself.
func (s *Service) Update(ctx context.Context, id int64, ifMatch web.IfMatch, update CategoryUpdate) (c Category, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if c, err = lock(ctx, tx, id, ifMatch); err != nil {
			return err
		}
		changed := update.applyTo(c)
		if reflect.DeepEqual(c, changed) {
			return nil
		}
		if err := updateRow(ctx, tx, changed); err != nil {
			return err
		}
		c, err = get(ctx, tx, id)
		return err
	})
	return c, err
}

// Delete closes an empty category, if it is still the one that the caller read. It fails with ErrNotFound, web.ErrPreconditionFailed,
// or ErrInUse while there are products on sale or categories in it.
func (s *Service) Delete(ctx context.Context, id int64, ifMatch web.IfMatch) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := lock(ctx, tx, id, ifMatch); err != nil {
			return err
		}
		return deleteRow(ctx, tx, id)
	})
}

// lock keeps a category from being changed until the transaction ends. It fails with ErrNotFound or web.ErrPreconditionFailed.
func lock(ctx context.Context, tx pgx.Tx, id int64, ifMatch web.IfMatch) (Category, error) {
	if err := lockRow(ctx, tx, id); err != nil {
		return Category{}, err
	}
	c, err := get(ctx, tx, id)
	if err != nil {
		return c, err
	}
	return c, ifMatch.Check(c.matches)
}

// List is all categories in the order they were opened.
func (s *Service) List(ctx context.Context, q web.PageQuery) (web.Page[Category], error) {
	return web.PageOf(q, 0, func(after int64, most int) ([]Category, error) {
		return list(ctx, s.db, after, most)
	}, func(c Category) int64 { return c.ID })
}

// Tree is all categories, each with those below it.
func (s *Service) Tree(ctx context.Context) (page web.Page[Category], err error) {
	all, err := listAll(ctx, s.db)
	if err != nil {
		return page, err
	}
	return web.Page[Category]{Items: tree(all)}, nil
}

// Get is one category. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Category, error) { return get(ctx, s.db, id) }
