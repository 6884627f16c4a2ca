package product

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

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
}

// subtree returns a category and its descendants.
func subtree(ctx context.Context, db postgres.Reader, category int64) ([]int64, error) {
	return postgres.All(ctx, db, pgx.RowTo[int64], `
		with recursive below as (
			select $1::bigint as id union select c.id from categories c join below on c.parent_id = below.id
		)
		select id from below`, category)
}

// parseSearch turns a search text into a tsquery. Each of its first 8 words matches what begins with it and its stems
// in the languages of the products, and if no product has such a word, up to three similar words. Stop words of any of
// the languages are left out, unless no other word is left. The result is empty for a text without letters and digits.
//
// Each word has exactly one prefix term: its shortest stem of four letters or more, otherwise itself ("photo" of
// "photos", but not "cha", the Spanish stem of "chair"). Postgres adds up the expected rows of all terms: with several
// prefix terms for a word it expects so many that it scans the table instead of an index.
func parseSearch(ctx context.Context, db postgres.Reader, text string) (string, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[string], `
		with words as (
			select word, position from regexp_split_to_table(plain($1), ' ') with ordinality as w (word, position)
			where word <> '' order by position limit 8
		), corrected as (
			select w.word, w.position, array(
				select k.word from product_words k
				where k.word % w.word and length(w.word) >= 4 and w.word !~ '[0-9]' and not exists (
					select from product_words k
					where k.word >= w.word collate "C" and k.word < (w.word || chr(1114111)) collate "C")
				order by similarity(k.word, w.word) desc, k.word limit 3
			) as alike
			from words w
		), languages as (
			select stemmer(language) as language from product_languages union select 'simple'
		), stemmed as (
			select c.position, c.word, array(
				select distinct stem
				from languages l, unnest(c.word || c.alike) w,
					unnest(tsvector_to_array(to_tsvector(l.language, w))) stem
			) as stems, exists (select from languages l where to_tsvector(l.language, c.word) = '') as stop_word
			from corrected c
		), terms as (
			select s.position, s.stop_word, quote_literal(prefix) || ':*' || coalesce((
				select string_agg(' | ' || quote_literal(stem), '')
				from unnest(s.stems) stem where not starts_with(stem, prefix)), '') as term
			from stemmed s, coalesce((
				select stem from unnest(s.stems) stem where starts_with(s.word, stem) and length(stem) >= 4
				order by length(stem) limit 1
			), s.word) as prefix
		)
		select coalesce(
			string_agg('(' || term || ')', ' & ' order by position) filter (where not stop_word),
			string_agg('(' || term || ')', ' & ' order by position), '')::tsquery::text
		from terms`, text)
}

// conditions of matching products (p).
func (q query) conditions() *postgres.Conditions {
	c := &postgres.Conditions{}
	c.And(`p.archived_at is null`)
	if q.Query != "" {
		c.And(`p.search @@ ?::tsquery`, q.tsquery)
	}
	if q.CategoryID != 0 {
		c.And(`p.category_id = any(?)`, q.categories)
	}
	postgres.AndSet(c, `p.brand = ?`, q.Brand)
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
		c.And(`(p.attributes @> ? or p.attributes @> ?)`,
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
	Alphabetic: {`f.name, f.id`, `(f.name, f.id) > (?, ?)`, `null::numeric`, `f.name`},
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

// countSQL counts matching products by brand, category and price band in one scan.
func (q query) countSQL() (string, []any) {
	c := q.conditions()
	bands, newest := c.Fill(`?::numeric[]`, priceBands), ""
	if q.Query != "" {
		newest = fmt.Sprint("order by p.id desc limit ", maxCounted)
	}
	sql := fmt.Sprintf(`
		with counted as (
			select brand, category_id, band, count(*) as products from (
				select p.brand, p.category_id, width_bucket(p.price, %s) as band from products p where %s %s
			) matching group by grouping sets ((brand), (category_id), (band))
		)
		select n.brand, n.category_id, c.name, n.band, n.products
		from counted n left join categories c on c.id = n.category_id
		order by n.band, n.products desc, n.brand, c.name`, bands, c, newest)
	return sql, append([]any{pgx.QueryExecModeCacheDescribe}, c.Args...)
}

func count(ctx context.Context, db postgres.Reader, q query) ([]facetCount, error) {
	sql, args := q.countSQL()
	return postgres.All(ctx, db, pgx.RowToStructByName[facetCount], sql, args...)
}
