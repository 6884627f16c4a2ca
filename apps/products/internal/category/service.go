package category

import (
	"context"
	"embed"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

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
type Service struct{ db *pgxpool.Pool }

// NewService works on an open database.
func NewService(db *pgxpool.Pool) *Service { return &Service{db} }

// Create opens a category. It fails with ErrParent, or ErrSlug where a slug was asked for that is taken; a slug made
// from the name gets a number instead.
func (s *Service) Create(ctx context.Context, in New) (Category, error) {
	slug, chosen := in.Slug, in.Slug != ""
	if !chosen {
		slug = shop.Slug(in.Name)
	}
	return idempotency.Do(ctx, s.db, in.Key, func(tx pgx.Tx) (c Category, err error) {
		if !chosen {
			if slug, err = freeSlug(ctx, tx, slug); err != nil {
				return c, err
			}
		}
		return insert(ctx, tx, in, slug)
	})
}

// List is all categories in the order they were opened.
func (s *Service) List(ctx context.Context, q web.PageQuery) (page web.Page[Category], err error) {
	var after int64
	if err := q.Cursor.Into(&after); err != nil {
		return page, err
	}
	all, err := list(ctx, s.db, after, q.Limit+1)
	if err != nil {
		return page, err
	}
	return web.NewPage(all, q.Limit, func(c Category) any { return c.ID })
}

// Get is one category. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id int64) (Category, error) { return get(ctx, s.db, id) }
