package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// many is how many products come in by one file.
const many = 100_000

// callers is how many search at a time.
const callers = 16

var (
	adjectives = strings.Fields(`wireless portable compact heavy light modern classic vintage rustic elegant sturdy quiet silent rapid gentle smooth
		rough bright dim warm cool soft hard thin thick wide narrow tall short round square curved folding rolling hanging standing
		floating magnetic electric manual solar digital analog smart simple deluxe premium basic royal urban`)
	materials = strings.Fields(`wooden steel copper brass cotton linen leather glass ceramic plastic bamboo marble granite rubber silicone velvet
		wool silk canvas paper cork aluminium titanium carbon nylon`)
	things = strings.Fields(`headphones lamp chair table sofa desk shelf mirror clock vase bowl plate mug kettle toaster blender mixer grill oven
		fridge freezer fan heater pump drill hammer saw wrench ladder rope tent backpack suitcase wallet watch ring necklace bracelet jacket
		sweater trousers gloves scarf boots sandals socks umbrella camera tripod speaker`)
)

// wholesale is a shop with very many goods: of 40 categories in four branches, one in 50 out of stock.
type wholesale struct {
	categories []int64
	size       int // of the file, in bytes
}

// bring imports the goods. The rate is rows a second, from the first byte sent to the report.
func (w *wholesale) bring(ctx context.Context, admin client.Client) ([]result, error) {
	for n := range 40 {
		category := map[string]any{"name": fmt.Sprint("Shelf ", n), "slug": fmt.Sprint("shelf-", n)}
		if n >= 4 {
			category["parent_id"] = w.categories[n%4]
		}
		var made struct{ ID int64 }
		if err := admin.Call(ctx, "POST /api/v1/categories", category, 201, &made); err != nil {
			return nil, err
		}
		w.categories = append(w.categories, made.ID)
	}
	file := goods()
	w.size = len(file)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, admin.Base+"/api/v1/products/import", strings.NewReader(file))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	request.Header.Set("Authorization", "Bearer "+admin.Token)
	begin := time.Now()
	response, err := http.DefaultClient.Do(request) // as long as it takes
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	report, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	var became struct{ Created int }
	if err := (client.Answer{Status: response.StatusCode, Body: report}).Into(200, &became); err != nil {
		return nil, err
	}
	if became.Created != many {
		return nil, fmt.Errorf("%d of %d rows came in: %.500s", became.Created, many, report)
	}
	r := result{name: "POST products/import, rows of 100,000", rate: many / took.Seconds()}
	fmt.Fprintf(os.Stderr, "  %-48s %8.0f/s\n", r.name, r.rate)
	return []result{r}, nil
}

// goods are lines of JSON, the same each time.
func goods() string {
	dice := rand.New(rand.NewPCG(2026, 1)) //nolint:gosec // the same each time, on purpose
	pick := func(from []string) string { return from[dice.IntN(len(from))] }
	var file strings.Builder
	for n := range many {
		material, thing, quantity := pick(materials), pick(things), 10
		if n%50 == 0 {
			quantity = 0
		}
		fmt.Fprintf(&file, `{"sku":"BULK-%d","name":"%s %s %s","description":"A %s %s for %s, number %d","price":%d.50,"category":"shelf-%d","brand":"Brand %d",`+
			`"attributes":{"color":"%s","size":%d},"initial_quantity":%d}`+"\n", n, pick(adjectives), material, thing, material, thing,
			pick([]string{"home", "garden", "travel", "office"}), n, 1+dice.IntN(1500), n%40, n*13%200, pick([]string{"red", "green", "blue", "black", "white"}), n%40, quantity)
	}
	return file.String()
}

// search asks what people ask: words, beginnings, typos, shelves, prices, brands. The goods come in first if they are not there.
func (l load) search(ctx context.Context, p *platform.Platform, admin client.Client, w *wholesale) ([]result, error) {
	if len(w.categories) == 0 {
		if _, err := w.bring(ctx, admin); err != nil {
			return nil, err
		}
	}
	if err := settle(ctx, p); err != nil {
		return nil, err
	}
	l.connections = callers
	return l.hitAll(ctx, []target{{name: fmt.Sprintf("GET products?q=... of 100,000, %d callers", callers), url: p.URL(), paths: w.questions()}})
}

// settle waits until each row was told of, and has Postgres look at what is new in its tables, as it does by itself within minutes.
func settle(ctx context.Context, p *platform.Platform) error {
	address, err := p.Secret("products-database-url")
	if err != nil {
		return err
	}
	db, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer db.Close(ctx) //nolint:errcheck // nothing was left to write
	for waiting, begin := true, time.Now(); waiting; time.Sleep(200 * time.Millisecond) {
		if err := db.QueryRow(ctx, "select exists (select from outbox)").Scan(&waiting); err != nil {
			return err
		}
		if time.Since(begin) > 5*time.Minute {
			return errors.New("the events of the import are not all told")
		}
	}
	for _, table := range []string{"products", "product_words", "stock", "stock_alerts", "categories"} {
		if _, err := db.Exec(ctx, "vacuum analyze "+table); err != nil {
			return err
		}
	}
	return nil
}

// questions are so many and so different that the gateway's memory of a second answers few of them.
func (w *wholesale) questions() []string {
	dice := rand.New(rand.NewPCG(2026, 2)) //nolint:gosec // the same each time, on purpose
	pick := func(from []string) string { return from[dice.IntN(len(from))] }
	ask := []func() url.Values{
		func() url.Values { return url.Values{"q": {pick(things)}} },
		func() url.Values { return url.Values{"q": {pick(adjectives) + " " + pick(things)}} },
		func() url.Values { return url.Values{"q": {pick(things)}, "in_stock": {"true"}, "sort": {"price"}} },
		func() url.Values { word := pick(things); return url.Values{"q": {word[:2] + word[3:]}} },
		func() url.Values { return url.Values{"category_id": {w.category(dice)}} },
		func() url.Values {
			return url.Values{"category_id": {w.category(dice)}, "sort": {"price"}, "min_price": {"50"}}
		},
		func() url.Values {
			return url.Values{"brand": {fmt.Sprint("Brand ", dice.IntN(200))}, "attr.color": {"red"}}
		},
	}
	paths := make([]string, 10_000)
	for i := range paths {
		values := ask[i%len(ask)]()
		values.Set("limit", fmt.Sprint(11+dice.IntN(20)))
		paths[i] = "/api/v1/products?" + values.Encode()
	}
	return paths
}

func (w *wholesale) category(dice *rand.Rand) string {
	return fmt.Sprint(w.categories[dice.IntN(len(w.categories))])
}

// String is a paragraph of the report.
func (w *wholesale) String() string {
	if w.size == 0 {
		return ""
	}
	return fmt.Sprintf("\nThe import is one file of %d MB through both sidecars, with stock, ledger and an event per row. The searches are 10,000\n"+
		"different ones, so the cache answers few: words, prefixes, typos, categories, prices, brands. Target: p99 below 60 ms.\n", w.size>>20)
}
