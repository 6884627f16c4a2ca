package product

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

// selectProducts selects products (p) with their images and their stock (s).
const selectProducts = `
	select p.id, p.name, p.description, p.sku, p.slug, p.price, p.currency, p.category_id, p.brand, p.language,
		p.attributes, p.metadata,
		coalesce((
			select json_agg(json_build_object('id', i.id, 'product_id', i.product_id, 'media_type', i.media_type,
				'width', i.width, 'height', i.height, 'alt', i.alt, 'position', i.position,
				'created_at', i.created_at) order by i.position)
			from product_images i where i.product_id = p.id), '[]') as images,
		p.low_stock_threshold, p.version, s.on_hand - s.reserved as available, s.on_hand > s.reserved as in_stock,
		p.created_at, p.updated_at
	from products p join stock s on s.product_id = p.id`

// selectByIDs keeps the order of the ids.
const selectByIDs = selectProducts + `
	join unnest($1::bigint[]) with ordinality as f (id, position) on f.id = p.id order by f.position`

// get fails with ErrNotFound, also for an archived product.
func get(ctx context.Context, db postgres.Reader, id int64) (Product, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[Product],
		selectProducts+` where p.id = $1 and p.archived_at is null`, id)
}

func listByCursors(ctx context.Context, db postgres.Reader, cursors []cursor) ([]Product, error) {
	ids := make([]int64, len(cursors))
	for i, c := range cursors {
		ids[i] = c.ID
	}
	return postgres.All(ctx, db, pgx.RowToStructByName[Product], selectByIDs, ids)
}

// listPrices includes archived products.
func listPrices(ctx context.Context, db postgres.Reader, ids []int64) ([]Price, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Price], `
		select p.id as product_id, p.sku, p.name, p.price as unit_price, p.currency,
			case when p.archived_at is null then s.on_hand - s.reserved else 0 end as available,
			p.archived_at is not null as archived
		from products p join stock s on s.product_id = p.id
		where p.id = any($1) order by p.id`, ids)
}

// lockRow fails with ErrNotFound, also for an archived product.
func lockRow(ctx context.Context, tx pgx.Tx, id int64) error {
	return postgres.ExecOne(ctx, tx, ErrNotFound,
		`select from products where id = $1 and archived_at is null for no key update`, id)
}

// lockBySKU locks the products that have one of the rows' SKUs in any spelling, archived ones too, in key order.
func lockBySKU(ctx context.Context, tx pgx.Tx, rows []Row) (existingProducts, error) {
	skus, lowerCase := make([]string, len(rows)), make([]string, len(rows))
	for i, r := range rows {
		skus[i], lowerCase[i] = r.SKU, strings.ToLower(r.SKU)
	}
	all, err := postgres.All(ctx, tx, pgx.RowToStructByName[existingProduct], `
		select p.id, p.name, p.description, p.sku, p.slug, p.price, p.currency,
			coalesce(p.category_id, 0) as category_id, p.brand, p.language, p.attributes, p.metadata,
			'[]'::json as images, p.low_stock_threshold, p.version, 0 as available, false as in_stock,
			p.created_at, p.updated_at, p.archived_at is not null as archived
		from products p
		where p.id in (select id from products where sku = any($1)
			union select id from products where lower(sku collate "C") = any($2) and not sku_respelled)
		order by p.id for no key update`, skus, lowerCase) // "or" instead of "union" reads all products
	existing := existingProducts{make(map[string]existingProduct, len(all)), make(map[string]string, len(all))}
	for _, p := range all {
		existing.bySKU[p.SKU] = p
		existing.spelling[strings.ToLower(p.SKU)] = p.SKU
	}
	return existing, err
}

func archiveRow(ctx context.Context, tx pgx.Tx, id int64) error {
	_, err := tx.Exec(ctx, `
		update products set archived_at = now(), version = version + 1, updated_at = now() where id = $1`, id)
	return err
}

// insert returns the ids by SKU. It fails with ErrSKUTaken, ErrSlugTaken or ErrNoCategory for any product.
func insert(ctx context.Context, tx pgx.Tx, products []NewProduct) (map[string]int64, error) {
	ids := make(map[string]int64, len(products))
	if len(products) == 0 {
		return ids, nil
	}
	products, err := withSlugs(ctx, tx, products)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `
		insert into products (name, description, sku, slug, price, currency, category_id, brand, language, attributes,
			metadata, low_stock_threshold)
		select name, description, sku, slug, price, currency, category_id, brand, language, attributes, metadata,
			low_stock_threshold
		from rows from (jsonb_to_recordset($1) as (name text, description text, sku text, slug text, price numeric,
			currency text, category_id bigint, brand text, language text, attributes jsonb, metadata jsonb,
			low_stock_threshold int)) with ordinality as r
		order by ordinality returning id, sku`, products)
	if err != nil {
		return nil, constraintFault(err)
	}
	var id int64
	var sku string
	_, err = pgx.ForEachRow(rows, []any{&id, &sku}, func() error {
		ids[sku] = id
		return nil
	})
	return ids, constraintFault(err)
}

// withSlugs gives each product a slug of its own. It checks before the insert, so that a refused product does not use
// up an id; the constraints decide between concurrent inserts. It fails with ErrSKUTaken, ErrSlugTaken or
// ErrNoCategory.
func withSlugs(ctx context.Context, tx pgx.Tx, products []NewProduct) ([]NewProduct, error) {
	var slugs, skus []string
	var categories []int64
	for _, p := range products {
		slugs, skus = append(slugs, p.slug()), append(skus, strings.ToLower(p.SKU))
		categories = append(categories, p.CategoryID)
	}
	var taken []string
	var skuTaken, noCategory bool
	err := tx.QueryRow(ctx, `
		select array(select slug from products where slug = any($1)),
			exists (select from products where lower(sku collate "C") = any($2) and not sku_respelled),
			exists (select from unnest($3::bigint[]) wanted where not exists (select from categories where id = wanted))`,
		slugs, skus, categories).Scan(&taken, &skuTaken, &noCategory)
	switch {
	case err != nil:
		return nil, err
	case noCategory:
		return nil, ErrNoCategory
	case skuTaken:
		return nil, ErrSKUTaken
	}
	return assignSlugs(products, taken)
}

// updateRows writes locked products. It fails with ErrSlugTaken or ErrNoCategory for any of them.
func updateRows(ctx context.Context, tx pgx.Tx, products []Product) error {
	batch := &pgx.Batch{}
	for _, p := range products {
		batch.Queue(`
			update products set name = $2, description = $3, slug = $4, price = $5, currency = $6, category_id = $7,
				brand = $8, attributes = $9, metadata = $10, language = $11, version = version + 1, updated_at = now()
			where id = $1`, p.ID, p.Name, p.Description, p.Slug, p.Price, p.Currency, p.CategoryID,
			p.Brand, p.Attributes, p.Metadata, p.Language)
	}
	return constraintFault(tx.SendBatch(ctx, batch).Close())
}

// constraintFault returns the fault of a violated constraint.
func constraintFault(err error) error {
	switch {
	case postgres.IsViolation(err, "products_sku_key"), postgres.IsViolation(err, "products_sku_spelling"):
		return ErrSKUTaken
	case postgres.IsViolation(err, "products_slug_key"):
		return ErrSlugTaken
	case postgres.IsViolation(err, "products_category_id_fkey"):
		return ErrNoCategory
	}
	return err
}
