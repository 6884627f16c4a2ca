package product_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sidecart/apps/products/internal/category"
	"sidecart/apps/products/internal/product"
	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// searched are the products of the search tests.
var searched = []string{
	`"name":"Wireless Headphones","sku":"WH-001","price":299.99,"category_id":2,"brand":"TechBrand","initial_quantity":5,"attributes":{"color":"black","wireless":true}`,
	`"name":"Wired Headphones","sku":"WH-002","price":20,"category_id":2,"brand":"Plain","initial_quantity":0,"attributes":{"color":"red","jack":3.5}`,
	`"name":"Headphone stand","sku":"ST-1","price":15,"category_id":1,"brand":"Plain","initial_quantity":9,"attributes":{"color":"red"}`,
	`"name":"Café table","sku":"T-1","price":80,"category_id":3,"brand":"Bistro","initial_quantity":2,"description":"Round, for two batteries of cups","attributes":{"legs":3}`,
	`"name":"Lamp","sku":"L-1","price":5,"category_id":3,"brand":"Bistro","initial_quantity":2,"description":"Goes well with headphones","attributes":{"legs":"3"}`,
}

// newCatalogue has three categories.
func newCatalogue(t *testing.T) (app *web.App, admin shop.Caller) {
	t.Helper()
	db := newDB(t)
	app = web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(event.NewOutbox(db)).Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	stock.NewService(event.NewOutbox(db), time.Hour).Routes(app)
	admin = kittest.NewCaller(shop.Admin)
	for _, c := range []string{`{"name":"Electronics"}`, `{"name":"Audio","parent_id":1}`, `{"name":"Furniture"}`} {
		kittest.Run(t, app, nil, []kittest.Call{{Name: "category", As: admin, Do: "POST /categories", Body: c, Want: 201}})
	}
	return app, admin
}

func newSearch(t *testing.T) (app *web.App, admin shop.Caller) {
	t.Helper()
	app, admin = newCatalogue(t)
	for _, g := range searched {
		kittest.Run(t, app, nil, []kittest.Call{{Name: "product", As: admin, Do: "POST /products", Body: "{" + g + "}", Want: 201}})
	}
	return app, admin
}

func TestSearch(t *testing.T) {
	app, admin := newSearch(t)
	for query, want := range map[string]string{ // SKUs in order; with a + in any order
		"":                                      "L-1 T-1 ST-1 WH-002 WH-001",
		"sort=price":                            "L-1 ST-1 WH-002 T-1 WH-001",
		"sort=-price":                           "WH-001 T-1 WH-002 ST-1 L-1",
		"sort=name":                             "T-1 ST-1 L-1 WH-002 WH-001",
		"q=wireless+headphones":                 "WH-001",
		"q=HEADPHONES":                          "+WH-001 WH-002 ST-1 L-1",
		"q=headphones&sort=price":               "L-1 ST-1 WH-002 WH-001",
		"q=headphones&in_stock=true&sort=price": "L-1 ST-1 WH-001",
		"q=wirele":                              "WH-001",
		"q=headph+wir":                          "+WH-001 WH-002",
		"q=hedphones+wireles":                   "WH-001",
		"q=cafe":                                "T-1",
		"q=CAFÉ+tabel":                          "T-1",
		"q=battery":                             "T-1",
		"q=wh-001":                              "WH-001",
		"q=techbrand":                           "WH-001",
		"q=red&sort=price":                      "ST-1 WH-002",
		"q=the":                                 "",
		"q=%26%7C%21%28%3A*%27":                 "",
		"q=xylophone":                           "",
		"category_id=1&sort=price":              "ST-1 WH-002 WH-001", // with the subcategory
		"category_id=2&sort=price":              "WH-002 WH-001",
		"category_id=99":                        "",
		"brand=Plain&sort=price":                "ST-1 WH-002",
		"min_price=15&max_price=20&sort=price":  "ST-1 WH-002",
		"min_price=80.00&sort=price":            "T-1 WH-001",
		"in_stock=false":                        "WH-002",
		"attr.color=red&sort=price":             "ST-1 WH-002",
		"attr.color=red&brand=TechBrand":        "",
		"attr.wireless=true":                    "WH-001",
		"attr.jack=3.5":                         "WH-002",
		"attr.legs=3&sort=price":                "L-1 T-1", // a number and a string
		"attr.color=red&attr.jack=3.5":          "WH-002",
	} {
		t.Run(query, func(t *testing.T) {
			_, body := kittest.Do(t, app, kittest.Call{Do: "GET /products?" + strings.ReplaceAll(query, "É", "%C3%89")})
			var got []string
			for _, p := range kittest.Field[[]product.Product](t, body, "items") {
				got = append(got, p.SKU)
			}
			words := strings.Fields(strings.TrimPrefix(want, "+"))
			if strings.HasPrefix(want, "+") {
				slices.Sort(got)
				slices.Sort(words)
			}
			if !slices.Equal(got, words) {
				t.Errorf("found %v, want %v", got, words)
			}
		})
	}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "names rank above descriptions", Do: "GET /products?q=headphones&limit=3", Want: 200, HasNot: []string{`"L-1"`}},
		{Name: "facets", Do: "GET /products?facets=true&limit=1", Want: 200, Has: []string{
			`"facets":{"brand":[{"value":"Bistro","count":2},{"value":"Plain","count":2},{"value":"TechBrand","count":1}]`,
			`"category":[{"id":2,"name":"Audio","count":2},{"id":3,"name":"Furniture","count":2},{"id":1,"name":"Electronics","count":1}]`,
			`"price":[{"from":0,"to":10,"currency":"USD","count":1},{"from":10,"to":25,"currency":"USD","count":2},{"from":50,"to":100,"currency":"USD","count":1},{"from":250,"to":500,"currency":"USD","count":1}]`}},
		{Name: "facets of a search", Do: "GET /products?facets=true&q=wireless", Want: 200, Has: []string{`"facets":{"brand":[{"value":"TechBrand","count":1}]`}},
		{Name: "no facets by default", Do: "GET /products", Want: 200, HasNot: []string{"facets"}},
		{Name: "unknown sort order", Do: "GET /products?sort=odd", Want: 422, Has: []string{`"sort":"must be one of`}},
		{Name: "price is not a number", Do: "GET /products?min_price=cheap", Want: 422, Has: []string{`"min_price":"an amount`}},
		{Name: "negative price", Do: "GET /products?max_price=-1", Want: 422, Has: []string{`"max_price":"must not be negative"`}},
		{Name: "in_stock is not a boolean", Do: "GET /products?in_stock=maybe", Want: 422, Has: []string{`"in_stock"`}},
		{Name: "search text too long", Do: "GET /products?q=" + strings.Repeat("x", 201), Want: 422, Has: []string{`"q"`}},
		{Name: "cursor of another sort order", Do: "GET /products?sort=price&limit=1", Want: 200, AndThen: func(t *testing.T, body []byte) {
			next := kittest.Field[string](t, body, "next_cursor")
			kittest.Run(t, app, nil, []kittest.Call{{Name: "refused", Do: "GET /products?sort=name&cursor=" + next, Want: 422, Has: []string{`"cursor"`}}})
		}},
	})
	t.Run("a new name is found", func(t *testing.T) {
		kittest.Run(t, app, nil, []kittest.Call{
			{Name: "rename", As: admin, Do: "PATCH /products/5", Body: `{"name":"Chandelier"}`, Want: 200},
			{Name: "typo", Do: "GET /products?q=chandeleir", Want: 200, Has: []string{`"L-1"`}},
			{Name: "archive", As: admin, Do: "DELETE /products/5", Want: 204},
			{Name: "archived", Do: "GET /products?q=chandelier&facets=true", Want: 200, Has: []string{`"items":[]`, `"brand":[]`}},
		})
	})
}

// TestPagingOfEverySortOrder reads pages of three while products are added at both ends of the list.
func TestPagingOfEverySortOrder(t *testing.T) {
	db := newDB(t)
	s := product.NewService(event.NewOutbox(db), "en", "USD")
	if _, err := category.NewService(event.NewOutbox(db)).Create(t.Context(), category.NewCategory{Name: "Things"}); err != nil {
		t.Fatal(err)
	}
	add := func(name string, cents int) {
		price := shop.MustMoney(fmt.Sprintf("%d.%02d", cents/100, cents%100))
		if _, err := s.Create(t.Context(), product.NewProduct{Name: name, SKU: shop.NewID().String(), Price: &price, CategoryID: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 { // several products share prices and names
		add(fmt.Sprint("thing ", i%4), 100+i%3)
	}
	for _, f := range []product.Filter{
		{}, {Sort: product.Cheapest}, {Sort: product.Dearest}, {Sort: product.Alphabetic}, {Query: "thing"}, {Query: "thing", Sort: product.Cheapest},
	} {
		before, err := s.List(t.Context(), f, web.PageQuery{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		q, seen := web.PageQuery{Limit: 3}, map[int64]int{}
		for {
			page, err := s.List(t.Context(), f, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Items {
				seen[p.ID]++
			}
			if page.NextCursor == nil {
				break
			}
			if err := q.Cursor.UnmarshalText([]byte(*page.NextCursor)); err != nil {
				t.Fatal(err)
			}
			if len(seen) < 12 { // bounded: they could be added faster than they are read
				add("thing 0", 1)
				add("thing 9", 99_999)
			}
		}
		for _, p := range before.Items {
			if seen[p.ID] != 1 {
				t.Errorf("%+v: product %d was returned %d times", f, p.ID, seen[p.ID])
			}
		}
	}
}

// TestLanguages: a product is found by the word forms of its own language.
func TestLanguages(t *testing.T) {
	db := newDB(t)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(event.NewOutbox(db)).Routes(app)
	product.NewService(event.NewOutbox(db), "de", "USD").Routes(app)
	admin := kittest.NewCaller(shop.Admin)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "category", As: admin, Do: "POST /categories", Body: `{"name":"All"}`, Want: 201},
		{Name: "no such language", As: admin, Do: "POST /products", Body: `{"name":"x","sku":"X","price":1,"category_id":1,"language":"tlh"}`, Want: 422, Has: []string{`"language":"must be one of`}},
	})
	for _, p := range []string{
		`"name":"Vogelhaus","sku":"DE-1","description":"Für die Vögel in Gärten und auf Häusern"`, // in the default language of the service
		`"name":"Guitarra","sku":"ES-1","language":"es","description":"Para las canciones de los niños"`,
		`"name":"Toy box","sku":"EN-1","language":"en","description":"Boxes for toys of happy children"`,
		`"name":"Crate","sku":"S-1","language":"simple","description":"The boxes for happy people"`,
		`"name":"Happiness","sku":"EN-2","language":"en"`, // makes the word known, so that it is no typo
		`"name":"Frame","sku":"EN-3","language":"en","description":"For photos"`,
		`"name":"Photography","sku":"EN-4","language":"en"`,
		`"name":"Theatre seat","sku":"EN-5","language":"en"`,
		`"name":"Chair","sku":"EN-6","language":"en"`,
		`"name":"Chain","sku":"EN-7","language":"en"`,
	} {
		kittest.Run(t, app, nil, []kittest.Call{{Name: p, As: admin, Do: "POST /products", Body: "{" + p + `,"price":1,"category_id":1}`, Want: 201}})
	}
	found := func(query string) string {
		t.Helper()
		_, body := kittest.Do(t, app, kittest.Call{Do: "GET /products?sort=newest&q=" + url.QueryEscape(query)})
		var skus []string
		for _, p := range kittest.Field[[]product.Product](t, body, "items") {
			skus = append(skus, p.SKU)
		}
		return strings.Join(skus, " ")
	}
	for query, want := range map[string]string{
		"Garten": "DE-1", "haus": "DE-1", "canción": "ES-1", "niño": "ES-1", "box": "S-1 EN-1", "boxes": "S-1 EN-1", "toys": "EN-1",
		"happiness":      "EN-2 EN-1",
		"the boxes":      "S-1 EN-1",  // "the" is a stop word of one of the languages
		"the":            "EN-5 S-1",  // a stop word alone is a prefix
		"photos":         "EN-4 EN-3", // a stem of four letters is a prefix
		"chair":          "EN-6",      // "cha", the Spanish stem, is not
		"für die Vögel":  "DE-1",
		"las canciones":  "ES-1",
		"canción Garten": "",
	} {
		if got := found(query); got != want {
			t.Errorf("%q finds %q, want %q", query, got, want)
		}
	}
	kittest.Run(t, app, nil, []kittest.Call{{Name: "update the language", As: admin, Do: "PATCH /products/4", Body: `{"language":"en"}`, Want: 200, Has: []string{`"language":"en"`}}})
	if got := found("happiness"); got != "EN-2 S-1 EN-1" {
		t.Errorf("after the update, happiness finds %q", got)
	}
}
