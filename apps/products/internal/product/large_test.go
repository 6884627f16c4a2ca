package product

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/products/internal/category"
	"sidecart/apps/products/internal/image"
	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

const total = 100_000

// fill returns a database of 100,000 products in 40 categories below four roots. One in 50 is out of stock.
func fill(t testing.TB) *pgxpool.Pool {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, Migrations, image.Migrations,
		stock.Migrations)
	for _, sql := range []string{`
		insert into categories (name, slug, parent_id)
		select 'Category ' || n, 'category-' || n, case when n > 4 then 1 + n % 4 end from generate_series(1, 40) n`, `
		insert into products (name, description, sku, slug, price, currency, category_id, brand, attributes, language, archived_at)
		select initcap(first || ' ' || second || ' ' || third),
			'A ' || second || ' ' || third || ' for ' || use || ', number ' || n, 'SKU-' || n, 'product-' || n,
			round((random() * random() * 1500)::numeric, 2), 'USD', 1 + n * 7 % 40, 'Brand ' || n * 13 % 200,
			jsonb_build_object('color', (array['red', 'green', 'blue', 'black', 'white'])[1 + n % 5], 'size', n % 40, 'new', n % 100 = 0),
			(array['en', 'en', 'en', 'en', 'en', 'en', 'en', 'de', 'es', 'simple'])[1 + n % 10], case when n % 500 = 0 then now() end
		from (
			select n, (array[` + words(adjectives) + `])[1 + (n * 31 + n / 50) % 50] as first,
				(array[` + words(materials) + `])[1 + (n * 17 + n / 1250) % 25] as second,
				(array[` + words(things) + `])[1 + (n * 7 + n / 40) % 50] as third,
				(array['home', 'garden', 'travel', 'office'])[1 + n % 4] as use
			from generate_series(1, ` + fmt.Sprint(total) + `) n
		) made`, `
		insert into stock (product_id, on_hand, reserved, reason)
		select id, case when id % 50 = 0 then 0 else 10 end, 0, 'initial' from products`, `
		insert into stock_alerts (product_id, kind) select product_id, 'out' from stock where on_hand = 0`,
		`vacuum analyze products`, `vacuum analyze stock`, `vacuum analyze product_words`, `analyze stock_alerts`,
		`analyze categories`,
	} {
		conn, err := db.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Exec(t.Context(), `set statement_timeout = 0`)
		if err == nil {
			_, err = conn.Exec(t.Context(), sql)
		}
		conn.Release()
		if err != nil {
			t.Fatalf("%.60s: %v", sql, err)
		}
	}
	return db
}

func words(list string) string { return "'" + strings.Join(strings.Fields(list), "','") + "'" }

const (
	adjectives = `wireless portable compact heavy light modern classic vintage rustic elegant sturdy quiet silent rapid gentle smooth
		rough bright dim warm cool soft hard thin thick wide narrow tall short round square curved folding rolling hanging standing
		floating magnetic electric manual solar digital analog smart simple deluxe premium basic royal urban`
	materials = `wooden steel copper brass cotton linen leather glass ceramic plastic bamboo marble granite rubber silicone velvet wool
		silk canvas paper cork aluminium titanium carbon nylon`
	things = `headphones lamp chair table sofa desk rack mirror clock vase bowl plate mug kettle toaster blender mixer grill oven fridge
		freezer fan heater pump drill hammer saw wrench ladder rope tent backpack suitcase wallet watch ring necklace bracelet jacket
		sweater trousers gloves scarf boots sandals socks umbrella camera tripod speaker`
)

func yes(b bool) *bool { return &b }

func number(n int64) *int64 { return &n }

func money(text string) *shop.Money {
	m := shop.MustMoney(text)
	return &m
}

// filters covers every kind of filter, search text and sort order.
func filters() map[string]Filter {
	all := map[string]Filter{
		"one word": {Query: "headphones"}, "two words": {Query: "wireless headphones"}, "prefixes": {Query: "wirel head"},
		"typos": {Query: "wireles hedphones"}, "a SKU": {Query: "SKU-4711"}, "no match": {Query: "xylophone"},
		"every product": {Query: "sku"},
	}
	narrow := map[string]Filter{
		"all": {}, "category": {CategoryID: number(2)}, "leaf": {CategoryID: new(int64(17))}, "no category": {CategoryID: new(int64(999))}, "brand": {Brand: "Brand 7"},
		"no brand": {Brand: "None"}, "price": {MinPrice: money("10"), MaxPrice: money("12.50")}, "expensive": {MinPrice: money("1400")},
		"in stock": {InStock: yes(true)}, "out of stock": {InStock: yes(false)}, "color": {Attributes: map[string]string{"color": "red"}},
		"rare": {Attributes: map[string]string{"new": "true", "color": "red"}}, "number": {Attributes: map[string]string{"size": "7"}},
		"combined": {
			Query: "lamp", CategoryID: number(1), Brand: "Brand 7", InStock: yes(true), MaxPrice: money("900"),
			Attributes: map[string]string{"color": "blue"},
		},
	}
	for name, f := range narrow {
		for _, sort := range []Sort{Newest, Cheapest, Dearest, Alphabetic} {
			f.Sort = sort
			all[name+", "+string(sort)] = f
		}
	}
	for _, name := range []string{"one word", "two words", "every product"} {
		f := all[name]
		f.Sort = Cheapest
		all[name+", cheapest"] = f
	}
	return all
}

// TestAHundredThousandProducts shows that no query of the list endpoint scans a large table, facets included, and that
// the results are right.
func TestAHundredThousandProducts(t *testing.T) {
	db := fill(t)
	s := NewService(event.NewOutbox(db), "en", "USD")
	t.Run("every query uses an index", func(t *testing.T) {
		for name, f := range filters() {
			q, err := s.resolve(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, after := range []cursor{{}, {Sort: f.sortOrder(), ID: 50_000, Price: money("20"), Name: "M", Rank: 1}} {
				sql, args := q.searchSQL(f.sortOrder(), after, 21)
				usesIndex(t, db, name, sql, args)
			}
			sql, args := q.countSQL()
			usesIndex(t, db, name+", counted", sql, args)
		}
		conn, err := db.Acquire(t.Context()) // a generic plan, as of the prepared statement
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		if _, err := conn.Exec(t.Context(), "set plan_cache_mode = force_generic_plan; prepare by_ids as "+selectByIDs); err != nil {
			t.Fatal(err)
		}
		usesIndex(t, conn, "by ids", "execute by_ids('{1, 2, 3}')", nil)
		if _, err := conn.Exec(t.Context(), "deallocate by_ids; reset plan_cache_mode"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a search with typos finds the same", func(t *testing.T) {
		right := skus(t, s, Filter{Query: "wireless headphones"})
		wrong := skus(t, s, Filter{Query: "wireles hedphones"})
		slices.Sort(right) // similar words rank a little lower
		slices.Sort(wrong)
		if len(right) == 0 || !slices.Equal(right, wrong) {
			t.Errorf("%d products and %d", len(right), len(wrong))
		}
	})
	t.Run("in stock agrees with stock", func(t *testing.T) {
		found, err := s.List(t.Context(), Filter{InStock: yes(false), Facets: true}, web.PageQuery{Limit: 100})
		if err != nil || len(found.Items) != 100 {
			t.Fatalf("%d, %v", len(found.Items), err)
		}
		for _, p := range found.Items {
			if p.InStock {
				t.Errorf("%s is in stock", p.SKU)
			}
		}
		counted := 0
		for _, b := range found.Facets.Price {
			counted += b.Count
		}
		if want := total/50 - total/500; counted != want { // every 500th is archived
			t.Errorf("%d are out of stock, want %d", counted, want)
		}
	})
}

// usesIndex fails if the plan of a statement scans a large table.
func usesIndex(t *testing.T, db postgres.Reader, name, sql string, args []any) {
	t.Helper()
	rows, err := db.Query(t.Context(), "explain "+sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	text := strings.Join(plan, "\n")
	scan := strings.Contains(text, "Seq Scan on products") || strings.Contains(text, "Seq Scan on stock ")
	if scan || !strings.Contains(text, "Index") {
		t.Errorf("%s:\n%s\n%s", name, sql, text)
	}
}

// skus returns the SKUs of all pages of a list.
func skus(t *testing.T, s *Service, f Filter) (all []string) {
	t.Helper()
	q := web.PageQuery{Limit: 100}
	for {
		found, err := s.List(t.Context(), f, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found.Items {
			all = append(all, p.SKU)
		}
		if found.NextCursor == nil {
			return all
		}
		if err := q.Cursor.UnmarshalText([]byte(*found.NextCursor)); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkSearch runs typical searches of 16 concurrent clients on 100,000 products, and reports the 50th and 99th
// percentile of their latency.
func BenchmarkSearch(b *testing.B) {
	s := NewService(event.NewOutbox(fill(b)), "en", "USD")
	adjective, thing := strings.Fields(adjectives), strings.Fields(things)
	typical := []func() Filter{
		func() Filter { return Filter{Query: thing[rand.IntN(50)]} },
		func() Filter { return Filter{Query: adjective[rand.IntN(50)] + " " + thing[rand.IntN(50)]} },
		func() Filter { return Filter{Query: thing[rand.IntN(50)], InStock: yes(true), Sort: Cheapest} },
		func() Filter { w := thing[rand.IntN(50)]; return Filter{Query: w[:2] + w[3:]} },
		func() Filter { return Filter{CategoryID: number(1 + rand.Int64N(40))} },
		func() Filter {
			return Filter{CategoryID: number(1 + rand.Int64N(40)), Sort: Cheapest, MinPrice: money("50")}
		},
		func() Filter {
			return Filter{Brand: fmt.Sprint("Brand ", rand.IntN(200)), Attributes: map[string]string{"color": "red"}}
		},
	}
	var warm sync.WaitGroup
	for range maxConcurrentLists { // fills the connections and their caches
		warm.Go(func() {
			for range 200 {
				if _, err := s.List(context.Background(), typical[rand.IntN(len(typical))](), web.PageQuery{Limit: 20}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	warm.Wait()
	var mu sync.Mutex
	var took []time.Duration
	b.SetParallelism(8) // times two cores
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			start := time.Now()
			if _, err := s.List(context.Background(), typical[rand.IntN(len(typical))](), web.PageQuery{Limit: 20}); err != nil {
				b.Error(err)
			}
			mu.Lock()
			took = append(took, time.Since(start))
			mu.Unlock()
		}
	})
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "searches/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// TestListSlots: a request that waits for a slot ends with its context.
func TestListSlots(t *testing.T) {
	t.Parallel()
	s := NewService(nil, "en", "USD")
	for range maxConcurrentLists {
		s.listSlots <- struct{}{}
	}
	ctx, stop := context.WithCancelCause(t.Context())
	late := errors.New("late")
	stop(late)
	if _, err := s.List(ctx, Filter{}, web.PageQuery{Limit: 1}); !errors.Is(err, late) {
		t.Errorf("a list without a slot: %v", err)
	}
}
