package category

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/products/internal/slug"
	"sidecart/kit/postgres"
)

// insert fails with ErrSlugTaken or ErrNoParent. It checks before it inserts, so that a refused category does not use
// up an id; the constraints decide between concurrent inserts.
func insert(ctx context.Context, tx pgx.Tx, in NewCategory) (Category, error) {
	var parent, taken bool
	err := tx.QueryRow(ctx, `
		select $1::bigint is null or exists (select from categories where id = $1),
			exists (select from categories where slug = $2)`,
		in.ParentID, in.Slug).Scan(&parent, &taken)
	switch {
	case err != nil:
		return Category{}, err
	case !parent:
		return Category{}, ErrNoParent
	case taken:
		return Category{}, ErrSlugTaken
	}
	c, err := postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowToStructByName[Category], `
		insert into categories (name, description, slug, parent_id) values ($1, $2, $3, $4)
		returning id, name, description, slug, parent_id, 0 as product_count, version, created_at, updated_at`,
		in.Name, in.Description, in.Slug, in.ParentID)
	return c, constraintFault(err)
}

// constraintFault returns the fault of a violated constraint.
func constraintFault(err error) error {
	switch {
	case postgres.IsViolation(err, "categories_slug_key"):
		return ErrSlugTaken
	case postgres.IsViolation(err, "categories_parent_id_fkey"):
		return ErrNoParent
	case postgres.IsViolation(err, "categories_no_cycle"), postgres.IsViolation(err, "categories_check"):
		return ErrCycle
	}
	return err
}

// lockSlugs makes concurrent transactions that add categories wait for one another, so that the slug which is made of a
// name stays free.
func lockSlugs(ctx context.Context, tx pgx.Tx) error {
	return postgres.Exec(ctx, tx, `select pg_advisory_xact_lock(hashtext('category slugs'))`)
}

// freeSlug returns base, or base-2, base-3 ... if it is taken, always as one that a client may send.
func freeSlug(ctx context.Context, tx pgx.Tx, base string) (string, error) {
	free, err := postgres.One(ctx, tx, nil, pgx.RowTo[string], `
		select slug from (
			select n, case n when 1 then $1 else rtrim(left($1, $2 - 1 - length(n::text)), '-') || '-' || n end as slug
			from generate_series(1, 1000) as n) as candidates
		where not exists (select from categories where categories.slug = candidates.slug) order by n limit 1`,
		base, slug.MaxLength)
	if err == nil && free == "" {
		return slug.Unique(base), nil
	}
	return free, err
}

// lockRow fails with ErrNotFound. Concurrent transactions may still reference the row as a parent.
func lockRow(ctx context.Context, tx pgx.Tx, id int64) error {
	return postgres.ExecOne(ctx, tx, ErrNotFound, `select from categories where id = $1 for no key update`, id)
}

// updateRow writes a locked category. It fails with ErrSlugTaken, ErrNoParent or ErrCycle.
func updateRow(ctx context.Context, tx pgx.Tx, c Category) error {
	_, err := tx.Exec(ctx, `
		update categories set name = $2, description = $3, slug = $4, parent_id = $5,
			version = version + 1, updated_at = now()
		where id = $1`, c.ID, c.Name, c.Description, c.Slug, c.ParentID)
	return constraintFault(err)
}

// deleteRow fails with ErrInUse. Archived products lose their category.
func deleteRow(ctx context.Context, tx pgx.Tx, id int64) error {
	if _, err := tx.Exec(ctx, `
		update products set category_id = null where category_id = $1 and archived_at is not null`, id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `delete from categories where id = $1`, id)
	if postgres.IsViolation(err, "products_category_id_fkey") || postgres.IsViolation(err, "categories_parent_id_fkey") {
		return ErrInUse
	}
	return err
}

// selectCategories selects categories (c) and counts the products of each one.
const selectCategories = `
	select c.id, c.name, c.description, c.slug, c.parent_id, c.version, c.created_at, c.updated_at,
		(select count(*) from products p where p.category_id = c.id and p.archived_at is null) as product_count
	from categories c`

func list(ctx context.Context, db postgres.Reader, after int64, limit int) ([]Category, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Category],
		selectCategories+` where c.id > $1 order by c.id limit $2`, after, limit)
}

// listAll returns all categories by name. It counts the products of all of them in one scan.
func listAll(ctx context.Context, db postgres.Reader) ([]Category, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Category], `
		select c.id, c.name, c.description, c.slug, c.parent_id, c.version, c.created_at, c.updated_at,
			coalesce(n.products, 0) as product_count
		from categories c
		left join (select category_id, count(*) as products from products where archived_at is null group by category_id) n
			on n.category_id = c.id
		order by c.name collate "und-x-icu", c.id`)
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, id int64) (Category, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[Category], selectCategories+` where c.id = $1`, id)
}
