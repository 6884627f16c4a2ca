package category

import (
	"context"
	"embed"
	"reflect"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/products/internal/slug"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the tables of categories.
var Migrations = postgres.Migrations{Name: "category", Files: postgres.Sub(files)}

// Service creates, changes, deletes and lists categories.
type Service struct{ db *event.Outbox }

// NewService takes an open database.
func NewService(db *event.Outbox) *Service { return &Service{db} }

// Create adds a category. A slug made from the name gets a number where it is taken. It fails with ErrNoParent, or with
// ErrSlugTaken if the given slug is taken.
func (s *Service) Create(ctx context.Context, in NewCategory) (c Category, err error) {
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Category, error) {
		if err := lockSlugs(ctx, tx); err != nil {
			return c, err
		}
		if in.Slug == "" {
			if in.Slug, err = freeSlug(ctx, tx, slug.Of(in.Name)); err != nil {
				return c, err
			}
		}
		return insert(ctx, tx, in)
	})
}

// Update changes a category. It fails with ErrNotFound, web.ErrPreconditionFailed, ErrSlugTaken, ErrNoParent, or with
// ErrCycle if the category would become its own descendant.
func (s *Service) Update(
	ctx context.Context, id int64, ifMatch web.IfMatch, update CategoryUpdate,
) (c Category, err error) {
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

// Delete removes an empty category. It fails with ErrNotFound, web.ErrPreconditionFailed, or with ErrInUse while the
// category has subcategories or products on sale.
func (s *Service) Delete(ctx context.Context, id int64, ifMatch web.IfMatch) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := lock(ctx, tx, id, ifMatch); err != nil {
			return err
		}
		return deleteRow(ctx, tx, id)
	})
}

// lock locks a category for the transaction. It fails with ErrNotFound or web.ErrPreconditionFailed.
func lock(ctx context.Context, tx pgx.Tx, id int64, ifMatch web.IfMatch) (Category, error) {
	if err := lockRow(ctx, tx, id); err != nil {
		return Category{}, err
	}
	c, err := get(ctx, tx, id)
	if err != nil {
		return c, err
	}
	return c, ifMatch.Check(c.Version)
}

// List returns categories, oldest first.
func (s *Service) List(ctx context.Context, q web.PageQuery) (web.Page[Category], error) {
	return web.PageOf(q, 0, func(after int64, limit int) ([]Category, error) {
		return list(ctx, s.db, after, limit)
	}, func(c Category) int64 { return c.ID })
}

// Tree returns all root categories with their descendants.
func (s *Service) Tree(ctx context.Context) (web.Page[Category], error) {
	all, err := listAll(ctx, s.db)
	return web.Page[Category]{Items: tree(all)}, err
}

// Get returns a category. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Category, error) { return get(ctx, s.db, id) }
