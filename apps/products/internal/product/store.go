package product

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

// chooseSlugs are those of new products, each another one. It looks whether they can be put on sale, so that one that is
// refused does not use up a number; the constraints decide where two are put on sale at once. It fails with ErrSKUTaken,
// ErrSlugTaken or ErrNoCategory.
func chooseSlugs(ctx context.Context, tx pgx.Tx, all []NewProduct) ([]string, error) {
	chosen, skus, categories := make([]string, len(all)), make([]string, len(all)), make([]int64, len(all))
	for i, in := range all {
		chosen[i], skus[i], categories[i] = in.slug(), in.SKU, in.CategoryID
	}
	var found []string
	var unknown, known bool
	err := tx.QueryRow(ctx, `
		select array(select slug from products where slug = any($1)), exists (select from products where sku = any($2)),
			exists (select from unnest($3::bigint[]) wanted where not exists (select from categories where id = wanted))`,
		chosen, skus, categories).Scan(&found, &known, &unknown)
	switch {
	case err != nil:
		return nil, err
	case unknown:
		return nil, ErrNoCategory
	case known:
		return nil, ErrSKUTaken
	}
	taken := map[string]bool{}
	for _, slug := range found {
		taken[slug] = true
	}
	for _, in := range all {
		if in.Slug != "" && taken[in.Slug] {
			return nil, ErrSlugTaken
		}
		taken[in.Slug] = true
	}
	for i, in := range all {
		if in.Slug == "" && taken[chosen[i]] {
			chosen[i] = uniqueSlug(chosen[i])
		}
		taken[chosen[i]] = true
	}
	return chosen, nil
}

// constraintFault is the fault that the refusal of a constraint stands for.
func constraintFault(err error) error {
	switch {
	case postgres.IsViolation(err, "products_sku_key"):
		return ErrSKUTaken
	case postgres.IsViolation(err, "products_slug_key"):
		return ErrSlugTaken
	case postgres.IsViolation(err, "products_category_id_fkey"):
		return ErrNoCategory
	}
	return err
}

// lockRow fails with ErrNotFound, also for what is archived.
func lockRow(ctx context.Context, tx pgx.Tx, id int64) error {
	return postgres.ExecOne(ctx, tx, ErrNotFound, `select from products where id = $1 and archived_at is null for no key update`, id)
}

// archiveRow leaves everything else as it was.
func archiveRow(ctx context.Context, tx pgx.Tx, id int64) error {
	_, err := tx.Exec(ctx, `update products set archived_at = now(), version = version + 1, updated_at = now() where id = $1`, id)
	return err
}

// subtree is a category and all below it.
func subtree(ctx context.Context, db postgres.Reader, category int64) ([]int64, error) {
	return postgres.All(ctx, db, pgx.RowTo[int64], `
		with recursive below as (
			select $1::bigint as id union select c.id from categories c join below on c.parent_id = below.id
		)
		select id from below`, category)
}

// parseSearch makes a search of what somebody typed: each word, at most 8, as what begins with it, and as what the languages of
// the products make of it; and where no product has such a word, up to three that look like it. A word that is too common in one
// of the languages is left out, unless nothing else is left. It is empty where there is no letter and no digit.
//
// A word has one beginning: its shortest stem of four letters or more, else itself ("photo" of "photos", but not "cha", the Spanish
// stem of "chair"). For Postgres adds up how often it expects each form, and of several beginnings of one word it expects so many
// that it reads all products instead of an index.
func parseSearch(ctx context.Context, db postgres.Reader, text string) (string, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[string], `
		with words as (
			select word, position from regexp_split_to_table(plain($1), ' ') with ordinality as w (word, position)
			where word <> '' order by position limit 8
		), meant as (
			select w.word, w.position, array(
				select k.word from product_words k
				where k.word % w.word and length(w.word) >= 4 and w.word !~ '[0-9]' and not exists (
					select from product_words k
					where k.word >= w.word collate "C" and k.word < (w.word || chr(1114111)) collate "C")
				order by similarity(k.word, w.word) desc, k.word limit 3
			) as others
			from words w
		), languages as (
			select stemmer(language) as language from product_languages union select 'simple'
		), known as (
			select m.position, m.word, array(
				select distinct form
				from languages l, unnest(m.word || m.others) said, unnest(tsvector_to_array(to_tsvector(l.language, said))) form
			) as forms, exists (select from languages l where to_tsvector(l.language, m.word) = '') as common
			from meant m
		), searched as (
			select k.position, k.common, quote_literal(beginning) || ':*' || coalesce((
				select string_agg(' | ' || quote_literal(form), '') from unnest(k.forms) form where not starts_with(form, beginning)), '') as forms
			from known k, coalesce((
				select form from unnest(k.forms) form where starts_with(k.word, form) and length(form) >= 4 order by length(form) limit 1
			), k.word) as beginning
		)
		select coalesce(
			string_agg('(' || forms || ')', ' & ' order by position) filter (where not common),
			string_agg('(' || forms || ')', ' & ' order by position), '')::tsquery::text
		from searched`, text)
}

// query is a filter with what it means at this moment.
type query struct {
	Filter
	categories []int64
	tsquery    string // a tsquery
}

// conditions of what is on sale (p) and passes.
func (q query) conditions() *postgres.Conditions {
	c := &postgres.Conditions{}
	c.And(`p.archived_at is null`)
	if q.Query != "" {
		c.And(`p.search @@ ?::tsquery`, q.tsquery)
	}
	if q.CategoryID != 0 {
		c.And(`p.category_id = any(?)`, q.categories)
	}
	if q.Brand != "" {
		c.And(`p.brand = ?`, q.Brand)
	}
	if q.MinPrice != nil {
		c.And(`p.price >= ?`, q.MinPrice)
	}
	if q.MaxPrice != nil {
		c.And(`p.price <= ?`, q.MaxPrice)
	}
	if q.InStock != nil {
		// kind is 'out' exactly while nothing is available; the hot rows of stock stay out of it
		out := `exists (select from stock_alerts a where a.product_id = p.id and a.kind = 'out')`
		if *q.InStock {
			out = "not " + out
		}
		c.And(out)
	}
	for _, name := range slices.Sorted(maps.Keys(q.Attributes)) {
		value := q.Attributes[name]
		c.And(`(p.attributes @> ? or p.attributes @> ?)`, attribute(name, StringValue(value)), attribute(name, parseValue(value)))
	}
	return c
}

// A word that most products have must not cost more than one that few have: so many that fit, the newest, are compared by how
// well they do, and so many are counted.
const (
	maxRanked  = 10_000
	maxCounted = 20_000
)

// sortOrders of a list: how it is sorted, where it goes on, and what a position holds beside the id.
var sortOrders = map[Sort]struct{ by, after, price, name string }{
	Relevance:  {`f.rank desc, f.id desc`, `(f.rank, f.id) < (?, ?)`, `null::numeric`, `''`},
	Newest:     {`f.id desc`, `f.id < ?`, `null::numeric`, `''`},
	Cheapest:   {`f.price, f.id`, `(f.price, f.id) > (?, ?)`, `f.price`, `''`},
	Dearest:    {`f.price desc, f.id desc`, `(f.price, f.id) < (?, ?)`, `f.price`, `''`},
	Alphabetic: {`f.name, f.id`, `(f.name, f.id) > (?, ?)`, `null::numeric`, `f.name`},
}

// searchSQL is what search sends: first which products, by the indexes, and then all of those few.
func (q query) searchSQL(sort Sort, after cursor, limit int) (string, []any) {
	c, order := q.conditions(), sortOrders[sort]
	rank, most := "0", ""
	if sort == Relevance {
		rank, most = c.Fill(`(ts_rank(p.search, ?::tsquery) * 1000000)::int`, q.tsquery), fmt.Sprint("order by p.id desc limit ", maxRanked)
	}
	from := "true"
	if after.Sort != "" {
		key := []any{after.ID}
		switch sort {
		case Relevance:
			key = []any{after.Rank, after.ID}
		case Cheapest, Dearest:
			key = []any{after.Price, after.ID}
		case Alphabetic:
			key = []any{after.Name, after.ID}
		}
		from = c.Fill(order.after, key...)
	}
	return fmt.Sprintf(`
		with f as not materialized (
			select p.id, p.price, p.name, %s as rank from products p where %s %s
		)
		select '%s' as sort, f.id, %s as price, %s as name, f.rank from f where %s order by %s limit %d`,
		rank, c, most, sort, order.price, order.name, from, order.by, limit), c.Args
}

// selectProducts is what people see of a product (p), with its stock (s).
const selectProducts = `
	select p.id, p.name, p.description, p.sku, p.slug, p.price, p.currency, p.category_id, p.brand, p.language, p.attributes, p.metadata,
		coalesce((
			select json_agg(json_build_object('id', i.id, 'product_id', i.product_id, 'media_type', i.media_type, 'width', i.width,
				'height', i.height, 'alt', i.alt, 'position', i.position, 'created_at', i.created_at) order by i.position)
			from product_images i where i.product_id = p.id), '[]') as images,
		p.low_stock_threshold, p.version, s.on_hand - s.reserved as available, s.on_hand > s.reserved as in_stock,
		p.created_at, p.updated_at
	from products p join stock s on s.product_id = p.id`

// selectByIDs is products in the order of their ids' list.
const selectByIDs = selectProducts + ` join unnest($1::bigint[]) with ordinality as f (id, position) on f.id = p.id order by f.position`

// search has the statement planned each time, for what is asked this time. What it found is read by another that is
// planned once.
func search(ctx context.Context, db postgres.Reader, q query, sort Sort, after cursor, limit int) ([]cursor, error) {
	sql, args := q.searchSQL(sort, after, limit)
	return postgres.All(ctx, db, pgx.RowToStructByName[cursor], sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}

func listByIDs(ctx context.Context, db postgres.Reader, found []cursor) ([]Product, error) {
	ids := make([]int64, len(found))
	for i, p := range found {
		ids[i] = p.ID
	}
	return postgres.All(ctx, db, pgx.RowToStructByName[Product], selectByIDs, ids)
}

// countSQL is what count sends: three countings in one look at what passes.
func (q query) countSQL() (string, []any) {
	c := q.conditions()
	limits, most := c.Fill(`?::numeric[]`, priceBands), ""
	if q.Query != "" {
		most = fmt.Sprint("order by p.id desc limit ", maxCounted)
	}
	return fmt.Sprintf(`
		with counted as (
			select brand, category_id, band, count(*) as products from (
				select p.brand, p.category_id, width_bucket(p.price, %s) as band from products p where %s %s
			) passing group by grouping sets ((brand), (category_id), (band))
		)
		select n.brand, n.category_id, c.name, n.band, n.products
		from counted n left join categories c on c.id = n.category_id order by n.brand, c.name, n.band`, limits, c, most), c.Args
}

func count(ctx context.Context, db postgres.Reader, q query) ([]facetCount, error) {
	sql, args := q.countSQL()
	return postgres.All(ctx, db, pgx.RowToStructByName[facetCount], sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, id int64) (Product, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[Product], selectProducts+` where p.id = $1 and p.archived_at is null`, id)
}

// listPrices has archived products too, and never answers nil.
func listPrices(ctx context.Context, db postgres.Reader, ids []int64) ([]Price, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Price], `
		select p.id as product_id, p.sku, p.name, p.price as unit_price, p.currency,
			case when p.archived_at is null then s.on_hand - s.reserved else 0 end as available, p.archived_at is not null as archived
		from products p join stock s on s.product_id = p.id
		where p.id = any($1) order by p.id`, ids)
}

// lockBySKU are the products that have one of the lines' SKUs, archived ones too, locked in key order.
func lockBySKU(ctx context.Context, tx pgx.Tx, lines []Row) (map[string]existingProduct, error) {
	skus := make([]string, len(lines))
	for i, l := range lines {
		skus[i] = l.SKU
	}
	all, err := postgres.All(ctx, tx, pgx.RowToStructByName[existingProduct], `
		select p.id, p.name, p.description, p.sku, p.slug, p.price, p.currency, coalesce(p.category_id, 0) as category_id, p.brand,
			p.language, p.attributes, p.metadata, '[]'::json as images, p.low_stock_threshold, p.version, 0 as available, false as in_stock,
			p.created_at, p.updated_at, p.archived_at is not null as archived
		from products p where p.sku = any($1) order by p.id for no key update`, skus)
	there := make(map[string]existingProduct, len(all))
	for _, k := range all {
		there[k.SKU] = k
	}
	return there, err
}

// insert answers the ids by SKU. It fails with ErrSKUTaken, ErrSlugTaken or ErrNoCategory for any of them.
func insert(ctx context.Context, tx pgx.Tx, all []NewProduct) (map[string]int64, error) {
	ids := make(map[string]int64, len(all))
	if len(all) == 0 {
		return ids, nil
	}
	addresses, err := chooseSlugs(ctx, tx, all)
	if err != nil {
		return nil, err
	}
	rows := make([]map[string]any, len(all))
	for i, in := range all {
		rows[i] = map[string]any{"position": i, "name": in.Name, "description": in.Description, "sku": in.SKU, "slug": addresses[i], "price": in.Price,
			"currency": in.Currency, "category_id": in.CategoryID, "brand": in.Brand, "language": in.Language, "attributes": in.Attributes, "metadata": in.Metadata,
			"low_stock_threshold": in.LowStockThreshold}
	}
	made, err := tx.Query(ctx, `
		insert into products (name, description, sku, slug, price, currency, category_id, brand, language, attributes, metadata, low_stock_threshold)
		select name, description, sku, slug, price, currency, category_id, brand, language, attributes, metadata, low_stock_threshold
		from jsonb_to_recordset($1) as r (position int, name text, description text, sku text, slug text, price numeric, currency text,
			category_id bigint, brand text, language text, attributes jsonb, metadata jsonb, low_stock_threshold int)
		order by position returning id, sku`, rows)
	if err != nil {
		return nil, constraintFault(err)
	}
	var id int64
	var sku string
	_, err = pgx.ForEachRow(made, []any{&id, &sku}, func() error {
		ids[sku] = id
		return nil
	})
	return ids, constraintFault(err)
}

// updateRows fails with ErrSlugTaken or ErrNoCategory for any of them. The rows are locked.
func updateRows(ctx context.Context, tx pgx.Tx, all []Product) error {
	batch := &pgx.Batch{}
	for _, p := range all {
		batch.Queue(`
			update products set name = $2, description = $3, slug = $4, price = $5, currency = $6, category_id = $7, brand = $8,
				attributes = $9, metadata = $10, language = $11, version = version + 1, updated_at = now()
			where id = $1`, p.ID, p.Name, p.Description, p.Slug, p.Price, p.Currency, p.CategoryID, p.Brand, p.Attributes, p.Metadata, p.Language)
	}
	return constraintFault(tx.SendBatch(ctx, batch).Close())
}
