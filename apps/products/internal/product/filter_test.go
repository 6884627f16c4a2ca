package product_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sidecart/apps/products/internal/category"
	"sidecart/apps/products/internal/product"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// TestFoldedFilters: filters compare as search does, and each value of a facet finds as many products as it counts.
func TestFoldedFilters(t *testing.T) {
	app, _ := newShop(t,
		`"name":"A","sku":"A","price":1,"brand":"TechBrand","attributes":{"Color":"Grün","size":"XL","weight":10,"code":"5.50"}`,
		`"name":"B","sku":"B","price":1,"brand":"techbrand","attributes":{"color":"grün","weight":10.0,"code":5.5}`,
		`"name":"C","sku":"C","price":1,"brand":"TechBrand","attributes":{"color":"red","weight":1e1,"wireless":true}`,
		`"name":"D","sku":"D","price":1,"brand":"L'Oréal","attributes":{"note":"a=b","wireless":"TRUE","code":"1e-99999"}`,
		`"name":"E","sku":"E","price":1,"brand":"ﷺ","attributes":{"note":"`+strings.Repeat("ﷺ", 499)+`"}`,
		`"name":"F","sku":"F","price":1,"brand":"`+strings.Repeat("ﷺ", 120)+`"`, `"name":"G","sku":"G","price":1`)
	for query, want := range map[string]string{
		"brand=techbrand": "A B C", "brand=TECHBRAND": "A B C", "brand=ＴｅｃｈＢｒａｎｄ": "A B C", "brand=l'oreal": "D", "brand=L'ORE\u0301AL": "D",
		"brand=loreal": "", "brand=tech": "", "brand=ﷺ": "E", "brand=" + strings.Repeat("ﷺ", 120): "F",
		"attr.color=GRÜN": "A B", "attr.color=grun": "A B", "attr.COLOR=red": "C", "attr.size=xl": "A", "attr.weight=10": "A B C", "attr.weight=10.00": "A B C",
		"attr.weight=1e1": "A B C", "attr.wireless=true": "C D", "attr.wireless=True": "C D", "attr.code=5.5": "B", "attr.code=5.50": "A B", "attr.note=a=b": "D",
		"attr.note": "", "attr.note=a&attr.b=": "", "attr.weight=1e-99999": "", "attr.weight=0e-99999": "", "attr.weight=1e99999": "", "attr.weight=1e400": "",
		"attr.code=1e-99999": "D", "attr.weight=NaN": "", "attr.weight=Infinity": "", "attr.weight=-0": "", "attr.note=" + strings.Repeat("ﷺ", 499): "E",
		"attr.note=" + strings.Repeat("ﷺ", 498): "", "attr.weight=1e131072": "", "attr.weight=1e-20000": "",
		"attr.weight=0e99999999999999999999": "", "attr.weight=-0.0e1073741823": "",
	} {
		name, value, _ := strings.Cut(query, "=")
		if !strings.Contains(value, "&") {
			query = name + "=" + url.QueryEscape(value)
		}
		finds(t, app, query, strings.Fields(want)...)
	}
	_, body := kittest.Do(t, app, kittest.Call{Do: "GET /products?facets=true"})
	brands := kittest.Field[product.Facets](t, body, "facets").Brand
	if brands[0] != (product.BrandCount{Value: "TechBrand", Count: 3}) || len(brands) != 4 {
		t.Errorf("%+v", brands)
	}
	for _, b := range brands {
		_, body := kittest.Do(t, app, kittest.Call{Do: "GET /products?brand=" + url.QueryEscape(b.Value)})
		if found := kittest.Field[[]product.Product](t, body, "items"); len(found) != b.Count {
			t.Errorf("%+v finds %d", b, len(found))
		}
	}
}

// TestSortByName: names are in alphabetical order, as people expect it, and no page repeats or misses one.
func TestSortByName(t *testing.T) {
	want := []string{"_", "4 lamps", "Äpfel", "apple", "Apple", "apples", "banana", "Banana", "Banana", "Émile", "zebra", "Zebra", "Ωmega", "Ёлка", "Яблоко", "赤い"}
	app, _ := newShop(t, named("Zebra", "apple", "banana", "Äpfel", "Banana", "apples", "Apple", "zebra", "Banana", "Émile", "Яблоко", "Ёлка", "赤い", "4 lamps", "_", "Ωmega")...)
	for _, limit := range []int{1, 2, 3, 100} {
		var got []string
		for cursor := ""; ; {
			_, body := kittest.Do(t, app, kittest.Call{Do: fmt.Sprintf("GET /products?sort=name&limit=%d%s", limit, cursor)})
			for _, p := range kittest.Field[[]product.Product](t, body, "items") {
				got = append(got, p.Name)
			}
			next := kittest.Field[*string](t, body, "next_cursor")
			if next == nil {
				break
			}
			cursor = "&cursor=" + *next
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %q", limit, got)
		}
	}
}

// TestCurrencies: prices are compared within one currency.
func TestCurrencies(t *testing.T) {
	app, _ := newShop(t,
		`"name":"A","sku":"A","price":10`, `"name":"B","sku":"B","price":20,"currency":"USD"`, `"name":"C","sku":"C","price":15,"currency":"EUR"`,
		`"name":"D","sku":"D","price":1500,"currency":"JPY"`, `"name":"E","sku":"E","price":12,"currency":"EUR"`)
	for query, want := range map[string]string{
		"": "A B C D E", "currency=EUR": "C E", "currency=eur": "C E", "currency=GBP": "", "sort=price": "A B", "sort=-price": "A B", "min_price=5": "A B",
		"max_price=15": "A", "max_price=15&currency=EUR": "C E", "min_price=13&sort=price&currency=EUR": "C", "currency=JPY&min_price=1500": "D",
		"min_price=20&max_price=10": "", "sort=name&min_price=11": "B", "currency=JPY&sort=name": "D",
	} {
		finds(t, app, query, strings.Fields(want)...)
	}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "bands of the shop's currency", Do: "GET /products?facets=true", Want: 200, Has: []string{
			`"price":[{"from":10,"to":25,"currency":"USD","count":2}]`, `"category":[{"id":1,"name":"Electronics","count":5}]`}},
		{Name: "bands of another currency", Do: "GET /products?facets=true&currency=JPY", Want: 200, Has: []string{`"price":[{"from":1000,"to":null,"currency":"JPY","count":1}]`}},
		{Name: "in order", Do: "GET /products?currency=EUR&sort=price&limit=1", Want: 200, Has: []string{`"sku":"E"`}},
		{Name: "no currency", Do: "GET /products?currency=ABC", Want: 422, Has: []string{`"currency":"is not a currency of ISO 4217"`}},
		{Name: "not a code", Do: "GET /products?currency=dollar", Want: 422, Has: []string{`"currency"`}},
	})
}

// TestOtherCurrencies: a shop without products in its own currency has no list by price that is empty in silence.
func TestOtherCurrencies(t *testing.T) {
	app, _ := newShop(t, `"name":"A","sku":"A","price":10,"currency":"EUR"`, `"name":"B","sku":"B","price":20,"currency":"EUR"`)
	for query, want := range map[string]string{"sort=price": "A B", "min_price=15": "B", "max_price=15": "A", "max_price=15&currency=USD": ""} {
		finds(t, app, query, strings.Fields(want)...)
	}
	admin := kittest.NewCaller(shop.Admin)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "bands", Do: "GET /products?facets=true", Want: 200, Has: []string{`"currency":"EUR","count":2`}},
		{Name: "another currency", As: admin, Do: "PATCH /products/2", Body: `{"currency":"GBP"}`, Want: 200},
		{Name: "which one", Do: "GET /products?sort=price", Want: 422, Has: []string{`"currency":"is required: `}},
		{Name: "bands of none", Do: "GET /products?facets=true", Want: 200, Has: []string{`"price":[]`}},
		{Name: "the shop's", As: admin, Do: "PATCH /products/1", Body: `{"currency":"USD"}`, Want: 200},
	})
	finds(t, app, "sort=price", "A")
}

// oddQueries are refused with the parameter's name, or find nothing by it; none fails.
var oddQueries = []string{
	"category_id=0", "category_id=-1", "category_id=9223372036854775807", "category_id=9223372036854775808", "category_id=1e3", "category_id=%00", "category_id=x",
	"min_price=1e99", "min_price=-1", "min_price=NaN", "min_price=Infinity", "min_price=1e-99999", "min_price=0x10", "max_price=999999999999.999999", "max_price=1000000000000",
	"min_price=+5", "min_price=%2B5", "min_price=1,5", "max_price=0.0000001", "min_price=%D9%A1", "in_stock=maybe", "in_stock=2", "in_stock=%00", "facets=maybe", "sort=Price", "sort=%00",
	"brand=%00", "brand=%ff", "brand=" + strings.Repeat("x", 121), "attr.x=%00", "attr.%00=x", "attr.%ff=x", "attr.=x", "attr.x=%ff", "attr.x=" + strings.Repeat("x", 501),
	"attr." + strings.Repeat("x", 65) + "=1", "q=%00", "q=%ff", "q=%ed%a0%80", "q=" + strings.Repeat("x", 10_000), "attr.x=" + strings.Repeat("9", 500), "currency=%00%00%00",
	"currency=%C3%A9%C3%A9%C3%A9", "limit=0", "limit=101", "cursor=x", "attr.x=%22", "attr.x=%7B%7D", "attr.x=null", "attr.x=[1]", "attr.x=\\u0000", "attr.x=%27%3B--",
}

func TestOddFilters(t *testing.T) {
	app, _ := newShop(t, named("Lamp")...)
	for _, query := range oddQueries {
		status, body := kittest.Do(t, app, kittest.Call{Do: "GET /products?facets=true&" + query})
		name, _, _ := strings.Cut(query, "=")
		refused := status == 422 && strings.Contains(string(body), `"`+strings.Split(name, "%")[0])
		if strings.Contains(query, "%ff") || strings.Contains(query, "%ed") {
			refused = status == 400 && strings.Contains(string(body), "UTF-8")
		}
		if !refused && (status != 200 || !strings.Contains(string(body), `"items":[]`) && name != "max_price") {
			t.Errorf("%.80s: %d: %.300s", query, status, body)
		}
	}
}

var listParameters = []string{"q", "category_id", "brand", "currency", "min_price", "max_price", "in_stock", "sort", "limit", "cursor"}

// FuzzList makes lists of any query. None fails.
func FuzzList(f *testing.F) {
	db := newDB(f)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	s := product.NewService(event.NewOutbox(db), "en", "USD")
	s.Routes(app)
	if _, err := category.NewService(event.NewOutbox(db)).Create(f.Context(), category.NewCategory{Name: "Lamps"}); err != nil {
		f.Fatal(err)
	}
	price := shop.MustMoney("5")
	if _, err := s.Create(f.Context(), product.NewProduct{Name: "红色 Wi-Fi Lamp", SKU: "L-1", Price: &price, CategoryID: 1}); err != nil {
		f.Fatal(err)
	}
	for _, query := range oddQueries {
		f.Add(query)
	}
	for _, q := range []string{"q=wi-fi", "q=C%2B%2B+%26+%7C+%21+%3A%2A+%27", "q=%E7%BA%A2", "q=%E0%B8%81%E0%B9%87", "q=%EF%B7%BA", "q=a+b+c+d&sort=price&currency=EUR", "attr.a=1e5&brand=x"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Skip("not a query")
		}
		for name := range values {
			if !slices.Contains(listParameters, name) && !strings.HasPrefix(name, "attr.") {
				delete(values, name) // a test of kit/web
			}
		}
		status, body := kittest.Do(t, app, kittest.Call{Do: "GET /products?facets=true&" + values.Encode()})
		if status != 200 && status != 422 && status != 400 {
			t.Errorf("%q: %d: %s", query, status, body)
		}
	})
}
