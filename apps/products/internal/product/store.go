package product

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// insert fails with ErrSKU or ErrCategory. It looks first, so that a refused product does not use up a number; the
// constraints decide where two are put on sale at once.
func insert(ctx context.Context, tx pgx.Tx, in New) (id int64, err error) {
	var shelf, taken bool
	err = tx.QueryRow(ctx, `
		select exists (select from categories where id = $1), exists (select from products where sku = $2)`,
		in.CategoryID, in.SKU).Scan(&shelf, &taken)
	switch {
	case err != nil:
		return 0, err
	case !shelf:
		return 0, ErrCategory
	case taken:
		return 0, ErrSKU
	}
	err = tx.QueryRow(ctx, `
		insert into products (name, description, sku, slug, price, currency, category_id, brand, attributes, low_stock_threshold)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id`,
		in.Name, in.Description, in.SKU, shop.Slug(in.Name+" "+in.SKU), in.Price, in.Currency, in.CategoryID, in.Brand,
		in.Attributes, in.LowStockThreshold).Scan(&id)
	switch {
	case postgres.Violates(err, "products_sku_key"):
		return 0, ErrSKU
	case postgres.Violates(err, "products_category_id_fkey"):
		return 0, ErrCategory
	}
	return id, err
}

// list is newest first: ids grow. before is the id of the last product seen, 0 at the start.
func list(ctx context.Context, db postgres.Reader, f Filter, before int64, limit int) ([]Product, error) {
	rows, err := db.Query(ctx, `
		select p.id, p.name, p.description, p.sku, p.slug, p.price, p.currency, p.category_id, p.brand, p.attributes,
			p.low_stock_threshold, s.on_hand - s.reserved as available, s.on_hand > s.reserved as in_stock,
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
		select p.id, p.name, p.description, p.sku, p.slug, p.price, p.currency, p.category_id, p.brand, p.attributes,
			p.low_stock_threshold, s.on_hand - s.reserved as available, s.on_hand > s.reserved as in_stock,
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
