package product

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/fault"
	"sidecart/kit/postgres"
)

// A frequent word must not cost more than a rare one: only the newest matches are ranked, and only the newest counted.
const (
	maxRanked  = 10_000
	maxCounted = 20_000
)

// query is a filter with its subcategories and its search terms.
type query struct {
	Filter
	categories []int64
	tsquery    string
	currency   string // in which prices are compared
}

// subtree returns a category and its descendants.
func subtree(ctx context.Context, db postgres.Reader, category int64) ([]int64, error) {
	return postgres.All(ctx, db, pgx.RowTo[int64], `
		with recursive below as (
			select $1::bigint as id union select c.id from categories c join below on c.parent_id = below.id
		)
		select id from below`, category)
}

// comparedCurrency returns the currency in which a list without one compares prices: the shop's, unless no product on
// sale has it and all have the same other one. If they have several others, a filter or an order by price fails with
// ErrInvalid.
func comparedCurrency(ctx context.Context, db postgres.Reader, f Filter, shops string) (string, error) {
	currency, err := postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[string], `
		select case when lowest is null then $1::text when lowest = highest then lowest
			when exists (select from products where archived_at is null and currency = $1) then $1 else '' end
		from (select min(currency) as lowest, max(currency) as highest from products where archived_at is null) used`, shops)
	if err == nil && currency == "" && f.comparesPrices() {
		err = fault.ErrInvalid.With("currency", "is required: products have several currencies, and none has "+shops)
	}
	return cmp.Or(currency, shops), err
}

// conditions of matching products (p).
func (q query) conditions() *postgres.Conditions {
	c := &postgres.Conditions{}
	c.And(`p.archived_at is null`)
	if q.Query != "" {
		c.And(`p.search @@ ?::tsquery`, q.tsquery)
	}
	if q.CategoryID != nil {
		c.And(`p.category_id = any(?)`, q.categories)
	}
	postgres.AndSet(c, `p.brand_key = fold_key(?)`, q.Brand)
	if q.Currency != "" || q.comparesPrices() {
		c.And(`p.currency = ?`, q.currency)
	}
	postgres.AndSet(c, `p.price >= ?`, q.MinPrice)
	postgres.AndSet(c, `p.price <= ?`, q.MaxPrice)
	if q.InStock != nil {
		// kind is 'out' exactly while nothing is available. This avoids reading stock, whose rows change often.
		out := `exists (select from stock_alerts a where a.product_id = p.id and a.kind = 'out')`
		if *q.InStock {
			out = "not " + out
		}
		c.And(out)
	}
	for _, name := range slices.Sorted(maps.Keys(q.Attributes)) {
		value := q.Attributes[name]
		c.And(`p.attribute_keys && (attribute_keys(?) || attribute_keys(?))`,
			map[string]AttributeValue{name: StringValue(value)}, map[string]AttributeValue{name: parseValue(value)})
	}
	return c
}

// sortOrders are the parts of the SQL of each sort order. price and name are columns of the cursor.
var sortOrders = map[Sort]struct{ by, after, price, name string }{
	Relevance:  {`f.rank desc, f.id desc`, `(f.rank, f.id) < (?, ?)`, `null::numeric`, `''`},
	Newest:     {`f.id desc`, `f.id < ?`, `null::numeric`, `''`},
	Cheapest:   {`f.price, f.id`, `(f.price, f.id) > (?, ?)`, `f.price`, `''`},
	Dearest:    {`f.price desc, f.id desc`, `(f.price, f.id) < (?, ?)`, `f.price`, `''`},
	Alphabetic: {`f.name collate "und-x-icu", f.id`, `(f.name collate "und-x-icu", f.id) > (?, ?)`, `null::numeric`, `f.name`},
}

// searchSQL selects the cursors of matching products. It is planned for its arguments each time.
func (q query) searchSQL(sort Sort, after cursor, limit int) (string, []any) {
	c, order := q.conditions(), sortOrders[sort]
	rank, newest := "0", ""
	if sort == Relevance {
		rank = c.Fill(`(ts_rank(p.search, ?::tsquery) * 1000000)::int`, q.tsquery)
		newest = fmt.Sprint("order by p.id desc limit ", maxRanked)
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
	sql := fmt.Sprintf(`
		with f as not materialized (
			select p.id, p.price, p.name, %s as rank from products p where %s %s
		)
		select '%s' as sort, f.id, %s as price, %s as name, f.rank from f where %s order by %s limit %d`,
		rank, c, newest, sort, order.price, order.name, from, order.by, limit)
	return sql, append([]any{pgx.QueryExecModeCacheDescribe}, c.Args...)
}

func search(
	ctx context.Context, db postgres.Reader, q query, sort Sort, after cursor, limit int,
) ([]cursor, error) {
	sql, args := q.searchSQL(sort, after, limit)
	return postgres.All(ctx, db, pgx.RowToStructByName[cursor], sql, args...)
}

// countSQL counts matching products by brand, category and price band in one scan. Spellings of a brand are counted
// together as the most frequent one.
func (q query) countSQL() (string, []any) {
	c := q.conditions()
	band, newest := c.Fill(`case when p.currency = ? then width_bucket(p.price, ?::numeric[]) end`, q.currency, priceBands), ""
	if q.Query != "" {
		newest = fmt.Sprint("order by p.id desc limit ", maxCounted)
	}
	sql := fmt.Sprintf(`
		with counted as (
			select brand, category_id, band, count(*) as products from (
				select p.brand, p.category_id, %s as band from products p where %s %s
			) matching group by grouping sets ((brand), (category_id), (band))
		), merged as (
			select (array_agg(brand order by products desc, brand collate "C"))[1] as brand, category_id, band,
				sum(products)::bigint as products
			from counted group by fold_key(brand), category_id, band
		)
		select n.brand, n.category_id, c.name, n.band, n.products
		from merged n left join categories c on c.id = n.category_id
		order by n.band, n.products desc, n.brand collate "und-x-icu", c.name collate "und-x-icu", c.id`, band, c, newest)
	return sql, append([]any{pgx.QueryExecModeCacheDescribe}, c.Args...)
}

func count(ctx context.Context, db postgres.Reader, q query) ([]facetCount, error) {
	sql, args := q.countSQL()
	return postgres.All(ctx, db, pgx.RowToStructByName[facetCount], sql, args...)
}
