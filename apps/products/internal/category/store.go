package category

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

// insert fails with ErrSlug or ErrParent. It looks first, so that a refused category does not use up a number; the
// constraints decide where two are opened at once.
func insert(ctx context.Context, tx pgx.Tx, in New, slug string) (Category, error) {
	var parent, taken bool
	err := tx.QueryRow(ctx, `
		select $1::bigint is null or exists (select from categories where id = $1), exists (select from categories where slug = $2)`,
		in.ParentID, slug).Scan(&parent, &taken)
	switch {
	case err != nil:
		return Category{}, err
	case !parent:
		return Category{}, ErrParent
	case taken:
		return Category{}, ErrSlug
	}
	rows, err := tx.Query(ctx, `
		insert into categories (name, description, slug, parent_id) values ($1, $2, $3, $4)
		returning id, name, description, slug, parent_id, 0 as product_count, created_at, updated_at`,
		in.Name, in.Description, slug, in.ParentID)
	if err != nil {
		return Category{}, err
	}
	c, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Category])
	switch {
	case postgres.Violates(err, "categories_slug_key"):
		return c, ErrSlug
	case postgres.Violates(err, "categories_parent_id_fkey"):
		return c, ErrParent
	}
	return c, err
}

// freeSlug is base, or base-2, base-3 ... where that is taken. Two at once may still collide; the second then retries.
func freeSlug(ctx context.Context, tx pgx.Tx, base string) (slug string, err error) {
	err = tx.QueryRow(ctx, `
		select case when n = 1 then $1 else $1 || '-' || n end from generate_series(1, 10000) as n
		where not exists (select from categories where slug = case when n = 1 then $1 else $1 || '-' || n end)
		order by n limit 1`, base).Scan(&slug)
	return slug, err
}

func list(ctx context.Context, db postgres.Reader, after int64, limit int) ([]Category, error) {
	rows, err := db.Query(ctx, `
		select c.id, c.name, c.description, c.slug, c.parent_id, c.created_at, c.updated_at,
			(select count(*) from products p where p.category_id = c.id and p.archived_at is null) as product_count
		from categories c where c.id > $1 order by c.id limit $2`, after, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Category])
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, id int64) (Category, error) {
	rows, err := db.Query(ctx, `
		select c.id, c.name, c.description, c.slug, c.parent_id, c.created_at, c.updated_at,
			(select count(*) from products p where p.category_id = c.id and p.archived_at is null) as product_count
		from categories c where c.id = $1`, id)
	if err != nil {
		return Category{}, err
	}
	c, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Category])
	if errors.Is(err, pgx.ErrNoRows) {
		return c, ErrNotFound
	}
	return c, err
}
