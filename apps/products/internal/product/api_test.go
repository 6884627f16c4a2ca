package product_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/products/internal/category"
	"sidecart/apps/products/internal/image"
	"sidecart/apps/products/internal/product"
	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

const headphones = `{"name":"Wireless Headphones","description":"High-quality wireless headphones with noise cancellation",
	"sku":"WH-001","price":299.99,"category_id":1,"brand":"TechBrand","initial_quantity":50}`

func newDB(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations,
		image.Migrations, stock.Migrations)
}

func TestProducts(t *testing.T) {
	db := newDB(t)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(event.NewOutbox(db)).Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	stock.NewService(event.NewOutbox(db), time.Hour).Routes(app)
	admin, alice := kittest.NewCaller(shop.Admin), kittest.NewCaller(shop.User)
	const order = "/reservations/0192f0c1-2d3e-7abc-8def-0123456789ab"
	const another = "/reservations/0192f0c1-2d3e-7abc-8def-0123456789ac"

	kittest.Run(t, app, db, []kittest.Call{
		{Name: "category without a token", Do: "POST /categories", Body: `{"name":"Electronics"}`, Want: 401},
		{Name: "category as a user", As: alice, Do: "POST /categories", Body: `{"name":"Electronics"}`, Want: 403},
		{Name: "category", As: admin, Do: "POST /categories", Body: `{"name":"Electronics","description":"Electronic devices and accessories"}`, Want: 201,
			Has: []string{`"id":1`, `"slug":"electronics"`, `"product_count":0`, `"parent_id":null`}},
		{Name: "category of the same name", As: admin, Do: "POST /categories", Body: `{"name":"Electronics"}`, Want: 201, Has: []string{`"slug":"electronics-2"`}},
		{Name: "slug taken", As: admin, Do: "POST /categories", Body: `{"name":"E","slug":"electronics"}`, Want: 409, Has: []string{`"slug_taken"`}},
		{Name: "bad slug", As: admin, Do: "POST /categories", Body: `{"name":"E","slug":"../x"}`, Want: 422, Has: []string{`"slug"`}},
		{Name: "no such parent", As: admin, Do: "POST /categories", Body: `{"name":"E","parent_id":99}`, Want: 422, Has: []string{`"parent_id"`}},
		{Name: "child", As: admin, Do: "POST /categories", Body: `{"name":"Audio","parent_id":1}`, Want: 201, Has: []string{`"parent_id":1`}},
		{Name: "name missing and unknown field", As: admin, Do: "POST /categories", Body: `{"id":7}`, Want: 422, Has: []string{`"name":"is required"`, `"id":"is not a known field"`}},
		{Name: "blank name", As: admin, Do: "POST /categories", Body: `{"name":"  "}`, Want: 422, Has: []string{`"name":"must not be blank"`}},
		{Name: "no such category", Do: "GET /categories/99", Want: 404, Has: []string{`"category_not_found"`}},

		{Name: "product as a user", As: alice, Do: "POST /products", Body: headphones, Want: 403},
		{Name: "product", As: admin, Do: "POST /products", Body: headphones, Want: 201, Emits: []string{"products.changed"},
			Has: []string{`"id":1`, `"price":299.99`, `"currency":"USD"`, `"available":50`, `"in_stock":true`}},
		{Name: "SKU taken", As: admin, Do: "POST /products", Body: headphones, Want: 409, Has: []string{`"sku_taken"`}},
		{Name: "every bad field", As: admin, Do: "POST /products", Want: 422,
			Body: `{"name":"","sku":"a b","price":-1,"category_id":1,"initial_quantity":-5,"currency":"EURO"}`,
			Has:  []string{`"name"`, `"sku"`, `"price":"must not be negative"`, `"initial_quantity":"must be at least 0"`, `"currency"`}},
		{Name: "price missing", As: admin, Do: "POST /products", Body: `{"name":"x","sku":"x","category_id":1}`, Want: 422, Has: []string{`"price":"is required"`}},
		{Name: "too many decimals", As: admin, Do: "POST /products", Body: `{"name":"x","sku":"x","category_id":1,"price":5.001}`, Want: 422, Has: []string{`"price":"USD has 2 decimals"`}},
		{Name: "no such currency", As: admin, Do: "POST /products", Body: `{"name":"x","sku":"x","category_id":1,"price":5,"currency":"XYZ"}`, Want: 422, Has: []string{`"currency"`}},
		{Name: "no such category for a product", As: admin, Do: "POST /products", Body: `{"name":"x","sku":"x","category_id":99,"price":5}`, Want: 422, Has: []string{`"category_id"`}},
		{Name: "price too large", As: admin, Do: "POST /products", Body: `{"name":"x","sku":"x","category_id":1,"price":1000000000000}`, Want: 422, Has: []string{`"price":"must be below 1000000000000"`}},
		{Name: "obsolete currency", As: admin, Do: "POST /products", Body: `{"name":"x","sku":"x","category_id":1,"price":5,"currency":"DEM"}`, Want: 422, Has: []string{`"currency"`}},
		{Name: "free, in yen", As: admin, Do: "POST /products", Body: `{"name":"Flyer","sku":"F-1","category_id":2,"price":0,"currency":"JPY"}`, Want: 201,
			Emits: []string{"products.changed"}, Has: []string{`"price":0,`, `"in_stock":false`}},
		{Name: "hostile name stays unchanged", As: admin, Do: "POST /products", Body: `{"name":"<script>'; drop table products; --","sku":"H-1","category_id":2,"price":5}`, Want: 201,
			Emits: []string{"products.changed"}, Has: []string{`drop table products`, `"price":5.00`}},
		{Name: "list", Do: "GET /products?limit=2", Want: 200, Has: []string{`"H-1"`, `"F-1"`, `"next_cursor":"`}, HasNot: []string{"WH-001"}},
		{Name: "list of a category", Do: "GET /products?category_id=1", Want: 200, Has: []string{`"WH-001"`, `"next_cursor":null`}, HasNot: []string{"F-1"}},
		{Name: "list of a brand", Do: "GET /products?brand=TechBrand", Want: 200, Has: []string{`"WH-001"`}, HasNot: []string{"F-1"}},
		{Name: "empty list", Do: "GET /products?brand=None", Want: 200, Has: []string{`"items":[]`}},
		{Name: "category counts", Do: "GET /categories/2", Want: 200, Has: []string{`"product_count":2`}},
		{Name: "get", Do: "GET /products/1", Want: 200, Has: []string{`"Wireless Headphones"`}},
		{Name: "no such product", Do: "GET /products/99", Want: 404, Has: []string{`"product_not_found"`}},
		{Name: "prices", Do: "POST /prices", Body: `{"product_ids":[98,2,1,1]}`, Want: 200, Has: []string{
			`{"items":[{"product_id":1,"sku":"WH-001","name":"Wireless Headphones","unit_price":299.99,"currency":"USD","available":50,"archived":false},{"product_id":2,`}},
		{Name: "prices of unknown products", Do: "POST /prices", Body: `{"product_ids":[98]}`, Want: 200, Has: []string{`{"items":[]}`}},
		{Name: "inventory is not public", As: alice, Do: "GET /products/1/inventory", Want: 403},

		{Name: "reserve", Do: "PUT " + order, Body: `{"items":[{"product_id":1,"quantity":2}]}`, Want: 200, Has: []string{`"unit_price":299.99`, `"state":"held"`}},
		{Name: "out of stock", Do: "PUT " + another, Body: `{"items":[{"product_id":1,"quantity":49},{"product_id":2,"quantity":1}]}`, Want: 409,
			Has: []string{`"out_of_stock"`, `"items[0].quantity":"only 48 left"`, `"items[1].quantity":"none left"`}},
		{Name: "unknown product", Do: "PUT " + another, Body: `{"items":[{"product_id":98,"quantity":1}]}`, Want: 422, Has: []string{`"items[0].product_id"`}},
		{Name: "one product twice", Do: "PUT " + another, Body: `{"items":[{"product_id":1,"quantity":1},{"product_id":1,"quantity":1}]}`, Want: 422},
		{Name: "commit", Do: "POST " + order + "/commit", Want: 204},
		{Name: "stock after the sale", As: admin, Do: "GET /products/1/inventory", Want: 200, Has: []string{`"on_hand":48,"reserved":0,"available":48`}},
		{Name: "commit without a reservation", Do: "POST " + another + "/commit", Want: 409, Has: []string{`"reservation_released"`}},
		{Name: "release the sold order", Do: "DELETE " + order, Want: 204},
		{Name: "restocked", Do: "GET /products/1", Want: 200, Has: []string{`"available":50`}},
	})
}

func TestPagingIsStableWhileProductsAreAdded(t *testing.T) {
	db := newDB(t)
	s := product.NewService(event.NewOutbox(db), "en", "USD")
	if _, err := category.NewService(event.NewOutbox(db)).Create(t.Context(), category.NewCategory{Name: "Things"}); err != nil {
		t.Fatal(err)
	}
	price := shop.MustMoney("1")
	add := func(n int) {
		for range n {
			if _, err := s.Create(t.Context(), product.NewProduct{Name: "x", SKU: shop.NewID().String(), Price: &price, CategoryID: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(7)
	q, seen := web.PageQuery{Limit: 3}, []int64{}
	for {
		page, err := s.List(t.Context(), product.Filter{}, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Items {
			seen = append(seen, p.ID)
		}
		if page.NextCursor == nil {
			break
		}
		if err := q.Cursor.UnmarshalText([]byte(*page.NextCursor)); err != nil {
			t.Fatal(err)
		}
		add(2)
	}
	if len(seen) != 7 || seen[0] != 7 || seen[6] != 1 {
		t.Errorf("saw %v", seen)
	}
}

func TestConcurrentRequestsWithOneKey(t *testing.T) {
	db := newDB(t)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(event.NewOutbox(db)).Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	admin := kittest.NewCaller(shop.Admin)
	for _, call := range []kittest.Call{
		{As: admin, Do: "POST /categories", Body: `{"name":"Electronics"}`},
		{As: admin, Do: "POST /products", Body: headphones},
	} {
		call.Header = map[string]string{"Idempotency-Key": "import-1"}
		responses := make(chan string, 20)
		var race sync.WaitGroup
		for range cap(responses) {
			race.Go(func() {
				status, body := kittest.Do(t, app, call)
				responses <- fmt.Sprint(status, " ", string(body))
			})
		}
		race.Wait()
		first := <-responses
		for range cap(responses) - 1 {
			if other := <-responses; other != first || !strings.HasPrefix(first, `201 {"id":1,`) {
				t.Errorf("%s: two responses: %s and %s", call.Do, first, other)
			}
		}
		call.Body = strings.Replace(call.Body, "name\":\"", "name\":\"Other ", 1)
		if status, body := kittest.Do(t, app, call); status != 422 || !strings.Contains(string(body), "idempotency_key_reused") {
			t.Errorf("%s: another body: %d %s", call.Do, status, body)
		}
	}
	if topics := kittest.Emitted(t, db); len(topics) != 1 {
		t.Errorf("emitted %v", topics)
	}
}

func TestUpdateAndArchive(t *testing.T) {
	db := newDB(t)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(event.NewOutbox(db)).Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	stocks := stock.NewService(event.NewOutbox(db), time.Hour)
	stocks.Routes(app)
	admin, alice := kittest.NewCaller(shop.Admin), kittest.NewCaller(shop.User)
	with := func(name, value string) map[string]string { return map[string]string{name: value} }
	changed := []string{"products.changed"}
	const typed = `{"name":"Chair","sku":"C-1","price":49.5,"category_id":1,"initial_quantity":5,"low_stock_threshold":1,
		"attributes":{"color":"red","legs":4,"weight":3.50,"folds":true},"metadata":{"supplier":"S 7"}}`

	kittest.Run(t, app, db, []kittest.Call{
		{Name: "category", As: admin, Do: "POST /categories", Body: `{"name":"Chairs"}`, Want: 201},
		{Name: "another", As: admin, Do: "POST /categories", Body: `{"name":"Tables"}`, Want: 201},
		{Name: "typed attributes", As: admin, Do: "POST /products", Body: typed, Header: with("Idempotency-Key", "k"), Want: 201, Emits: changed,
			Has: []string{`"color":"red"`, `"legs":4`, `"folds":true`, `"weight":3.50`, `"metadata":{"supplier":"S 7"}`, `"slug":"chair-c-1"`, `"version":1`}},
		{Name: "repeat with the key", As: admin, Do: "POST /products", Body: typed, Header: with("Idempotency-Key", "k"), Want: 201, Has: []string{`"id":1`}},
		{Name: "attribute of an unsupported type", As: admin, Do: "POST /products", Want: 422, Body: `{"name":"C","sku":"C-2","price":1,"category_id":1,"attributes":{"color":["red"]}}`,
			Has: []string{`"attributes.color":"must be`}},
		{Name: "given slug", As: admin, Do: "POST /products", Want: 201, Emits: changed, Body: `{"name":"Stool","sku":"S-1","slug":"the-stool","price":1,"category_id":1}`, Has: []string{`"the-stool"`}},
		{Name: "given slug taken", As: admin, Do: "POST /products", Want: 409, Body: `{"name":"Stool","sku":"S-2","slug":"the-stool","price":1,"category_id":1}`, Has: []string{`"slug_taken"`}},
		{Name: "generated slug taken", As: admin, Do: "POST /products", Want: 201, Emits: changed, Body: `{"name":"Chair c","sku":"1","price":1,"category_id":1}`, Has: []string{`"slug":"chair-c-1-`}},

		{Name: "get with the current ETag", Do: "GET /products/1", Header: with("If-None-Match", `"1-5"`), Want: 304},
		{Name: "update as a user", As: alice, Do: "PATCH /products/1", Body: `{"price":1}`, Want: 403},
		{Name: "update nothing", As: admin, Do: "PATCH /products/1", Body: `{"price":49.50}`, Want: 200, Has: []string{`"version":1`}},
		{Name: "update the price", As: admin, Do: "PATCH /products/1", Body: `{"price":45}`, Header: with("If-Match", `"1-3"`), Want: 200, Emits: changed,
			Has: []string{`"price":45.00`, `"name":"Chair"`, `"color":"red"`, `"version":2`}},
		{Name: "update with a stale ETag", As: admin, Do: "PATCH /products/1", Body: `{"price":40}`, Header: with("If-Match", `"1-5"`), Want: 412, Has: []string{`"stale"`}},
		{Name: "get with a stale ETag", Do: "GET /products/1", Header: with("If-None-Match", `"1-5"`), Want: 200},
		{Name: "update all fields", As: admin, Do: "PATCH /products/1", Want: 200, Emits: changed,
			Body: `{"name":"Table","description":"d","slug":"table","price":500,"currency":"JPY","category_id":2,"brand":"B","attributes":{"legs":3},"metadata":{},"low_stock_threshold":2}`,
			Has:  []string{`"name":"Table","description":"d","sku":"C-1","slug":"table","price":500,"currency":"JPY","category_id":2,"brand":"B","language":"en","attributes":{"legs":3},"metadata":{},"images":[],"low_stock_threshold":2`}},
		{Name: "update the SKU", As: admin, Do: "PATCH /products/1", Body: `{"sku":"X"}`, Want: 422, Has: []string{`"sku":"is not a known field"`}},
		{Name: "too many decimals for the currency", As: admin, Do: "PATCH /products/1", Body: `{"price":1.5}`, Want: 422, Has: []string{`"price":"JPY has 0 decimals"`}},
		{Name: "unknown currency", As: admin, Do: "PATCH /products/1", Body: `{"currency":"XYZ"}`, Want: 422, Has: []string{`"currency"`}},
		{Name: "unknown category", As: admin, Do: "PATCH /products/1", Body: `{"category_id":9}`, Want: 422, Has: []string{`"category_id"`}},
		{Name: "slug taken", As: admin, Do: "PATCH /products/1", Body: `{"slug":"the-stool"}`, Want: 409, Has: []string{`"slug_taken"`}},
		{Name: "raise the threshold above the stock", As: admin, Do: "PATCH /products/1", Body: `{"low_stock_threshold":5}`, Want: 200, Emits: []string{"stock.low", "products.changed"}},

		{Name: "archive as a user", As: alice, Do: "DELETE /products/1", Want: 403},
		{Name: "archive with a stale ETag", As: admin, Do: "DELETE /products/1", Header: with("If-Match", `"1-5"`), Want: 412},
		{Name: "reserve one", Do: "PUT /reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", Body: `{"items":[{"product_id":1,"quantity":1}]}`, Want: 200},
		{Name: "archive", As: admin, Do: "DELETE /products/1", Want: 204, Emits: []string{"products.archived"}},
		{Name: "archive again", As: admin, Do: "DELETE /products/1", Want: 404},
		{Name: "get when archived", Do: "GET /products/1", Want: 404},
		{Name: "list when archived", Do: "GET /products", Want: 200, HasNot: []string{`"C-1"`}},
		{Name: "update when archived", As: admin, Do: "PATCH /products/1", Body: `{"price":1}`, Want: 404},
		{Name: "reserve when archived", Do: "PUT /reservations/0192f0c1-2d3e-7abc-8def-0123456789ac", Body: `{"items":[{"product_id":1,"quantity":1}]}`, Want: 422, Has: []string{`"unknown_product"`}},
		{Name: "notify-me when archived", As: alice, Do: "POST /products/1/notify-me", Want: 404},
		{Name: "alerts when archived", As: admin, Do: "GET /inventory/alerts", Want: 200, HasNot: []string{`"C-1"`}},
		{Name: "price when archived", Do: "POST /prices", Body: `{"product_ids":[1]}`, Want: 200, Has: []string{`"available":0,"archived":true`}},
		{Name: "commit an earlier reservation", Do: "POST /reservations/0192f0c1-2d3e-7abc-8def-0123456789ab/commit", Want: 204},
		{Name: "release it", Do: "DELETE /reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", Want: 204},
		{Name: "SKU of an archived product", As: admin, Do: "POST /products", Body: typed, Want: 409, Has: []string{`"sku_taken"`}},
	})
}

// TestConcurrentUpdates: of ten concurrent updates with the same If-Match, exactly one succeeds.
func TestConcurrentUpdates(t *testing.T) {
	db := newDB(t)
	s := product.NewService(event.NewOutbox(db), "en", "USD")
	if _, err := category.NewService(event.NewOutbox(db)).Create(t.Context(), category.NewCategory{Name: "Things"}); err != nil {
		t.Fatal(err)
	}
	price := shop.MustMoney("1")
	p, err := s.Create(t.Context(), product.NewProduct{Name: "x", SKU: "x", Price: &price, CategoryID: 1})
	if err != nil {
		t.Fatal(err)
	}
	var ifMatch web.IfMatch
	if err := ifMatch.UnmarshalText([]byte(`"` + p.ETag() + `"`)); err != nil {
		t.Fatal(err)
	}
	var race sync.WaitGroup
	var updated atomic.Int64
	for i := range 10 {
		race.Go(func() {
			brand := "B" + strconv.Itoa(i)
			_, err := s.Update(context.Background(), p.ID, ifMatch, product.ProductUpdate{Brand: &brand})
			switch {
			case err == nil:
				updated.Add(1)
			case !errors.Is(err, web.ErrPreconditionFailed):
				t.Error(err)
			}
		})
	}
	race.Wait()
	if updated.Load() != 1 {
		t.Errorf("%d updates succeeded", updated.Load())
	}
}
