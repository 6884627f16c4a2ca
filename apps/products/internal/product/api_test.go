package product_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sidecart/apps/products/internal/category"
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

func TestCatalogue(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations, stock.Migrations)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(db).Routes(app)
	product.NewService(db).Routes(app)
	stock.NewService(db, time.Hour).Routes(app)
	admin, alice := kittest.Somebody(shop.Admin), kittest.Somebody(shop.User)
	const order, another = "/reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", "/reservations/0192f0c1-2d3e-7abc-8def-0123456789ac"

	kittest.Run(t, app, db, []kittest.Call{
		{Name: "category without a token", Do: "POST /categories", Body: `{"name":"Electronics"}`, Want: 401},
		{Name: "category by a user", As: alice, Do: "POST /categories", Body: `{"name":"Electronics"}`, Want: 403},
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

		{Name: "product by a user", As: alice, Do: "POST /products", Body: headphones, Want: 403},
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
		{Name: "free, in yen", As: admin, Do: "POST /products", Body: `{"name":"Flyer","sku":"F-1","category_id":2,"price":0,"currency":"JPY"}`, Want: 201,
			Emits: []string{"products.changed"}, Has: []string{`"price":0,`, `"in_stock":false`}},
		{Name: "hostile name stays text", As: admin, Do: "POST /products", Body: `{"name":"<script>'; drop table products; --","sku":"H-1","category_id":2,"price":5}`, Want: 201,
			Emits: []string{"products.changed"}, Has: []string{`drop table products`, `"price":5.00`}},
		{Name: "list", Do: "GET /products?limit=2", Want: 200, Has: []string{`"H-1"`, `"F-1"`, `"next_cursor":"`}, HasNot: []string{"WH-001"}},
		{Name: "list of a category", Do: "GET /products?category_id=1", Want: 200, Has: []string{`"WH-001"`, `"next_cursor":null`}, HasNot: []string{"F-1"}},
		{Name: "list of a brand", Do: "GET /products?brand=TechBrand", Want: 200, Has: []string{`"WH-001"`}, HasNot: []string{"F-1"}},
		{Name: "empty list", Do: "GET /products?brand=Nobody", Want: 200, Has: []string{`"items":[]`}},
		{Name: "category counts", Do: "GET /categories/2", Want: 200, Has: []string{`"product_count":2`}},
		{Name: "see", Do: "GET /products/1", Want: 200, Has: []string{`"Wireless Headphones"`}},
		{Name: "no such product", Do: "GET /products/99", Want: 404, Has: []string{`"product_not_found"`}},
		{Name: "prices", Do: "POST /prices", Body: `{"product_ids":[98,2,1,1]}`, Want: 200, Has: []string{
			`{"items":[{"product_id":1,"sku":"WH-001","name":"Wireless Headphones","unit_price":299.99,"currency":"USD","available":50,"archived":false},{"product_id":2,`}},
		{Name: "prices of nothing", Do: "POST /prices", Body: `{"product_ids":[98]}`, Want: 200, Has: []string{`{"items":[]}`}},
		{Name: "inventory is not public", As: alice, Do: "GET /products/1/inventory", Want: 403},

		{Name: "reserve", Do: "PUT " + order, Body: `{"items":[{"product_id":1,"quantity":2}]}`, Want: 200, Has: []string{`"unit_price":299.99`, `"state":"held"`}},
		{Name: "short", Do: "PUT " + another, Body: `{"items":[{"product_id":1,"quantity":49},{"product_id":2,"quantity":1}]}`, Want: 409,
			Has: []string{`"out_of_stock"`, `"items[0].quantity":"only 48 left"`, `"items[1].quantity":"none left"`}},
		{Name: "unknown product", Do: "PUT " + another, Body: `{"items":[{"product_id":98,"quantity":1}]}`, Want: 422, Has: []string{`"items[0].product_id"`}},
		{Name: "twice the same", Do: "PUT " + another, Body: `{"items":[{"product_id":1,"quantity":1},{"product_id":1,"quantity":1}]}`, Want: 422},
		{Name: "commit", Do: "POST " + order + "/commit", Want: 204},
		{Name: "what is left", As: admin, Do: "GET /products/1/inventory", Want: 200, Has: []string{`"on_hand":48,"reserved":0,"available":48`}},
		{Name: "commit of nothing", Do: "POST " + another + "/commit", Want: 409, Has: []string{`"reservation_released"`}},
		{Name: "return", Do: "DELETE " + order, Want: 204},
		{Name: "is back", Do: "GET /products/1", Want: 200, Has: []string{`"available":50`}},
		{Name: "expiry", Do: "POST /job/release-expired-reservations", Want: 204},
	})
}

func TestPagingIsStableWhileProductsAreAdded(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations, stock.Migrations)
	s := product.NewService(db)
	if _, err := category.NewService(db).Create(t.Context(), category.New{Name: "Things"}); err != nil {
		t.Fatal(err)
	}
	price := shop.MustMoney("1")
	add := func(n int) {
		for range n {
			if _, err := s.Create(t.Context(), product.New{Name: "x", SKU: shop.NewID().String(), Price: &price, CategoryID: 1}); err != nil {
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

func TestOneKeyCreatesOnce(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations, stock.Migrations)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(db).Routes(app)
	product.NewService(db).Routes(app)
	admin := kittest.Somebody(shop.Admin)
	for _, call := range []kittest.Call{
		{As: admin, Do: "POST /categories", Body: `{"name":"Electronics"}`},
		{As: admin, Do: "POST /products", Body: headphones},
	} {
		call.Header = map[string]string{"Idempotency-Key": "import-1"}
		answers := make(chan string, 20)
		var race sync.WaitGroup
		for range cap(answers) {
			race.Go(func() {
				status, body := kittest.Do(t, app, call)
				answers <- fmt.Sprint(status, " ", string(body))
			})
		}
		race.Wait()
		first := <-answers
		for range cap(answers) - 1 {
			if other := <-answers; other != first || !strings.HasPrefix(first, `201 {"id":1,`) {
				t.Errorf("%s: two answers: %s and %s", call.Do, first, other)
			}
		}
		call.Body = strings.Replace(call.Body, "name\":\"", "name\":\"Other ", 1)
		if status, body := kittest.Do(t, app, call); status != 422 || !strings.Contains(string(body), "idempotency_key_reused") {
			t.Errorf("%s: another body: %d %s", call.Do, status, body)
		}
	}
	if topics := kittest.Emitted(t, db); len(topics) != 1 {
		t.Errorf("told %v", topics)
	}
}
