package product

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// insert fails with ErrSKU, ErrSlug or ErrCategory. It looks first, so that a refused product does not use up a number; the
// constraints decide where two are put on sale at once.
func insert(ctx context.Context, tx pgx.Tx, in New) (id int64, err error) {
	slug := in.Slug
	if slug == "" {
		slug = shop.Slug(in.Name + " " + in.SKU)
	}
	var shelf, skuTaken, slugTaken bool
	err = tx.QueryRow(ctx, `
		select exists (select from categories where id = $1), exists (select from products where sku = $2),
			exists (select from products where slug = $3)`, in.CategoryID, in.SKU, slug).Scan(&shelf, &skuTaken, &slugTaken)
	switch {
	case err != nil:
		return 0, err
	case !shelf:
		return 0, ErrCategory
	case skuTaken:
		return 0, ErrSKU
	case slugTaken && in.Slug != "":
		return 0, ErrSlug
	case slugTaken: // names and SKUs that differ in what a slug has not
		slug = shop.Slug(slug[:min(len(slug), 80)] + " " + shop.NewID().String())
	}
	err = tx.QueryRow(ctx, `
		insert into products (name, description, sku, slug, price, currency, category_id, brand, attributes, metadata, low_stock_threshold)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning id`,
		in.Name, in.Description, in.SKU, slug, in.Price, in.Currency, in.CategoryID, in.Brand,
		in.Attributes, in.Metadata, in.LowStockThreshold).Scan(&id)
	return id, refusal(err)
}

// refusal is the fault that the refusal of a constraint stands for.
func refusal(err error) error {
	switch {
	case postgres.Violates(err, "products_sku_key"):
		return ErrSKU
	case postgres.Violates(err, "products_slug_key"):
		return ErrSlug
	case postgres.Violates(err, "products_category_id_fkey"):
		return ErrCategory
	}
	return err
}

// lockRow fails with ErrNotFound, also for what is archived.
func lockRow(ctx context.Context, tx pgx.Tx, id int64) error {
	tag, err := tx.Exec(ctx, `select from products where id = $1 and archived_at is null for no key update`, id)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotFound
	}
	return err
}

// update fails with ErrSlug or ErrCategory. The row is locked.
func update(ctx context.Context, tx pgx.Tx, p Product) error {
	_, err := tx.Exec(ctx, `
		update products set name = $2, description = $3, slug = $4, price = $5, currency = $6, category_id = $7, brand = $8,
			attributes = $9, metadata = $10, version = version + 1, updated_at = now()
		where id = $1`,
		p.ID, p.Name, p.Description, p.Slug, p.Price, p.Currency, p.CategoryID, p.Brand, p.Attributes, p.Metadata)
	return refusal(err)
}

// archive leaves everything else as it was.
func archive(ctx context.Context, tx pgx.Tx, id int64) error {
	_, err := tx.Exec(ctx, `update products set archived_at = now(), version = version + 1, updated_at = now() where id = $1`, id)
	return err
}

// list is newest first: ids grow. before is the id of the last product seen, 0 at the start.
func list(ctx context.Context, db postgres.Reader, f Filter, before int64, limit int) ([]Product, error) {
	rows, err := db.Query(ctx, `
		select p.id, p.name, p.description, p.sku, p.slug, p.price, p.currency, p.category_id, p.brand, p.attributes, p.metadata,
			p.low_stock_threshold, p.version, s.on_hand - s.reserved as available, s.on_hand > s.reserved as in_stock,
			p.created_at, p.updated_at
		from products p join stock s on s.product_id = p.id
		where p.archived_at is null and ($1 = 0 or p.id < $1) and ($2 = 0 or p.category_id = $2) and ($3 = '' or p.brand = $3)
		order by p.id desc limit $4`, before, f.CategoryID, f.Brand, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Product])
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, id int64) (Product, error) {
	rows, err := db.Query(ctx, `
		select p.id, p.name, p.description, p.sku, p.slug, p.price, p.currency, p.category_id, p.brand, p.attributes, p.metadata,
			p.low_stock_threshold, p.version, s.on_hand - s.reserved as available, s.on_hand > s.reserved as in_stock,
			p.created_at, p.updated_at
		from products p join stock s on s.product_id = p.id
		where p.id = $1 and p.archived_at is null`, id)
	if err != nil {
		return Product{}, err
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Product])
	if errors.Is(err, pgx.ErrNoRows) {
		return p, ErrNotFound
	}
	return p, err
}

// pricesOf has archived products too, and never answers nil.
func pricesOf(ctx context.Context, db postgres.Reader, ids []int64) ([]Price, error) {
	rows, err := db.Query(ctx, `
		select p.id as product_id, p.sku, p.name, p.price as unit_price, p.currency,
			case when p.archived_at is null then s.on_hand - s.reserved else 0 end as available, p.archived_at is not null as archived
		from products p join stock s on s.product_id = p.id
		where p.id = any($1) order by p.id`, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Price])
}
