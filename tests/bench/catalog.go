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

// imported is the number of products in the import file.
const imported = 100_000

// callers is the number of concurrent searches.
const callers = 16

var (
	adjectives = strings.Fields(`
		wireless portable compact heavy light modern classic vintage rustic elegant sturdy quiet silent
		rapid gentle smooth rough bright dim warm cool soft hard thin thick wide narrow tall short round
		square curved folding rolling hanging standing floating magnetic electric manual solar digital
		analog smart simple deluxe premium basic royal urban`)
	materials = strings.Fields(`
		wooden steel copper brass cotton linen leather glass ceramic plastic bamboo marble granite rubber
		silicone velvet wool silk canvas paper cork aluminium titanium carbon nylon`)
	things = strings.Fields(`
		headphones lamp chair table sofa desk rack mirror clock vase bowl plate mug kettle toaster blender
		mixer grill oven fridge freezer fan heater pump drill hammer saw wrench ladder rope tent backpack
		suitcase wallet watch ring necklace bracelet jacket sweater trousers gloves scarf boots sandals
		socks umbrella camera tripod speaker`)
)

// catalog is a large one: 40 categories in four parent categories, with one in 50 products out of stock.
type catalog struct {
	categories []int64
	size       int // of the import file, in bytes
}

// importProducts imports the file. The rate is rows a second, from the first byte sent to the report.
func (c *catalog) importProducts(ctx context.Context, admin client.Client) ([]result, error) {
	for n := range 40 {
		category := map[string]any{"name": fmt.Sprint("Category ", n), "slug": fmt.Sprint("bulk-", n)}
		if n >= 4 {
			category["parent_id"] = c.categories[n%4]
		}
		var created struct{ ID int64 }
		if err := admin.Call(ctx, "POST /api/v1/categories", category, 201, &created); err != nil {
			return nil, err
		}
		c.categories = append(c.categories, created.ID)
	}
	file := importFile()
	c.size = len(file)
	url := admin.Base + "/api/v1/products/import"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(file))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	request.Header.Set("Authorization", "Bearer "+admin.Token)
	begin := time.Now()
	response, err := http.DefaultClient.Do(request) // without a timeout
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	var report struct{ Created int }
	if err := (client.Response{Status: response.StatusCode, Body: body}).Into(200, &report); err != nil {
		return nil, err
	}
	if report.Created != imported {
		return nil, fmt.Errorf("%d of %d rows were imported: %.500s", report.Created, imported, body)
	}
	r := result{name: "POST products/import, rows of 100,000", rate: imported / took.Seconds()}
	fmt.Fprintf(os.Stderr, "  %-48s %8.0f/s\n", r.name, r.rate)
	return []result{r}, nil
}

// importFile has a line of JSON per product, the same in each run.
func importFile() string {
	dice := rand.New(rand.NewPCG(2026, 1)) //nolint:gosec // the same in each run
	pick := func(from []string) string { return from[dice.IntN(len(from))] }
	var file strings.Builder
	for n := range imported {
		material, thing, quantity := pick(materials), pick(things), 10
		if n%50 == 0 {
			quantity = 0
		}
		place := pick([]string{"home", "garden", "travel", "office"})
		color := pick([]string{"red", "green", "blue", "black", "white"})
		fmt.Fprintf(&file,
			`{"sku":"BULK-%d","name":"%s %s %s","description":"A %s %s for %s, number %d","price":%d.50,`,
			n, pick(adjectives), material, thing, material, thing, place, n, 1+dice.IntN(1500))
		fmt.Fprintf(&file,
			`"category":"bulk-%d","brand":"Brand %d","attributes":{"color":"%s","size":%d},"initial_quantity":%d}`+"\n",
			n%40, n*13%200, color, n%40, quantity)
	}
	return file.String()
}

// search measures searches by word, prefix, typo, category, price and brand. It imports the products if need be.
func (l load) search(ctx context.Context, p *platform.Platform, admin client.Client, c *catalog) ([]result, error) {
	if len(c.categories) == 0 {
		if _, err := c.importProducts(ctx, admin); err != nil {
			return nil, err
		}
	}
	if err := settle(ctx, p); err != nil {
		return nil, err
	}
	l.connections = callers
	name := fmt.Sprintf("GET products?q=... of 100,000, %d callers", callers)
	return l.hitAll(ctx, []target{{name: name, url: p.URL(), paths: c.searches()}})
}

// settle waits until the events of the import are published, and vacuums the tables, as autovacuum would within
// minutes.
func settle(ctx context.Context, p *platform.Platform) error {
	address, err := p.Secret("products-database-url")
	if err != nil {
		return err
	}
	db, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer db.Close(ctx) //nolint:errcheck // only read
	for waiting, begin := true, time.Now(); waiting; time.Sleep(200 * time.Millisecond) {
		if err := db.QueryRow(ctx, "select exists (select from outbox)").Scan(&waiting); err != nil {
			return err
		}
		if time.Since(begin) > 5*time.Minute {
			return errors.New("the events of the import are not all published")
		}
	}
	for _, table := range []string{"products", "product_words", "stock", "stock_alerts", "categories"} {
		if _, err := db.Exec(ctx, "vacuum analyze "+table); err != nil {
			return err
		}
	}
	return nil
}

// searches are so many different paths that the gateway's cache of a second has few of them.
func (c *catalog) searches() []string {
	dice := rand.New(rand.NewPCG(2026, 2)) //nolint:gosec // the same in each run
	pick := func(from []string) string { return from[dice.IntN(len(from))] }
	kinds := []func() url.Values{
		func() url.Values { return url.Values{"q": {pick(things)}} },
		func() url.Values { return url.Values{"q": {pick(adjectives) + " " + pick(things)}} },
		func() url.Values { return url.Values{"q": {pick(things)}, "in_stock": {"true"}, "sort": {"price"}} },
		func() url.Values { word := pick(things); return url.Values{"q": {word[:2] + word[3:]}} },
		func() url.Values { return url.Values{"category_id": {c.category(dice)}} },
		func() url.Values {
			return url.Values{"category_id": {c.category(dice)}, "sort": {"price"}, "min_price": {"50"}}
		},
		func() url.Values {
			return url.Values{"brand": {fmt.Sprint("Brand ", dice.IntN(200))}, "attr.color": {"red"}}
		},
	}
	paths := make([]string, 10_000)
	for i := range paths {
		values := kinds[i%len(kinds)]()
		values.Set("limit", fmt.Sprint(11+dice.IntN(20)))
		paths[i] = "/api/v1/products?" + values.Encode()
	}
	return paths
}

func (c *catalog) category(dice *rand.Rand) string {
	return fmt.Sprint(c.categories[dice.IntN(len(c.categories))])
}

// String is a paragraph of the report.
func (c *catalog) String() string {
	if c.size == 0 {
		return ""
	}
	return fmt.Sprintf(`
The import is one file of %d MB through both sidecars, with stock, ledger and an event per row. The searches are 10,000
different ones, so the cache serves few: words, prefixes, typos, categories, prices, brands. Target: p99 below 60 ms.
`, c.size>>20)
}
