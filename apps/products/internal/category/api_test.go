package category_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
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

func newDB(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations,
		image.Migrations, stock.Migrations)
}

func TestCategories(t *testing.T) {
	db := newDB(t)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(event.NewOutbox(db)).Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	admin, alice := kittest.NewCaller(shop.Admin), kittest.NewCaller(shop.User)
	with := func(name, value string) map[string]string { return map[string]string{name: value} }
	const lamp = `{"name":"Lamp","sku":"L-1","price":5,"category_id":3}`

	kittest.Run(t, app, db, []kittest.Call{
		{Name: "create", As: admin, Do: "POST /categories", Body: `{"name":"Home"}`, Want: 201},
		{Name: "bytes that are not UTF-8", As: admin, Do: "POST /categories", Body: "{\"name\":\"Caf\xe9\"}", Want: 400, Has: []string{`"malformed"`}},
		{Name: "half of a surrogate pair", As: admin, Do: "POST /categories", Body: `{"name":"a\ud800b"}`, Want: 422, Has: []string{`"name":"must not contain half of a surrogate pair"`}},
		{Name: "half of a pair in an update", As: admin, Do: "PATCH /categories/1", Body: `{"description":"\udfff"}`, Want: 422, Has: []string{`"description"`}},
		{Name: "a name of nothing visible", As: admin, Do: "POST /categories", Body: `{"name":"\u2060\ufeff"}`, Want: 422, Has: []string{`"name":"must not be blank"`}},
		{Name: "a body that no one reads", As: admin, Do: "DELETE /categories/1", Body: `{"force":true}`, Want: 422, Has: []string{`"force":"is not a known field"`}},
		{Name: "a malformed one", As: admin, Do: "DELETE /categories/1", Body: `{`, Want: 400},
		{Name: "a body of a read", Do: "GET /categories", Body: `{"tree":true}`, Want: 422, Has: []string{`"tree":"is not a known field"`}},
		{Name: "create with a key", As: admin, Do: "POST /categories", Body: `{"name":"Garden"}`, Header: with("Idempotency-Key", "k"), Want: 201, Has: []string{`"id":2`}},
		{Name: "repeat with the key", As: admin, Do: "POST /categories", Body: `{"name":"Garden"}`, Header: with("Idempotency-Key", "k"), Want: 201, Has: []string{`"id":2`}},
		{Name: "another request with the key", As: admin, Do: "POST /categories", Body: `{"name":"Bath"}`, Header: with("Idempotency-Key", "k"), Want: 422, Has: []string{`idempotency_key_reused`}},
		{Name: "create a child", As: admin, Do: "POST /categories", Body: `{"name":"Lighting","parent_id":1}`, Want: 201, Has: []string{`"id":3`}},
		{Name: "create a grandchild", As: admin, Do: "POST /categories", Body: `{"name":"Lamps","parent_id":3}`, Want: 201, Has: []string{`"id":4`}},
		{Name: "create a product", As: admin, Do: "POST /products", Body: lamp, Want: 201, Emits: []string{"products.changed"}},
		{Name: "tree", Do: "GET /categories?tree=true", Want: 200, Has: []string{`"next_cursor":null`, `"name":"Garden"`, `"children":[]`,
			`"children":[{"id":3,"name":"Lighting","description":"","slug":"lighting","parent_id":1,"product_count":1,`}},
		{Name: "flat", Do: "GET /categories", Want: 200, HasNot: []string{"children"}},

		{Name: "update as a user", As: alice, Do: "PATCH /categories/3", Body: `{"name":"x"}`, Want: 403},
		{Name: "update nothing", As: admin, Do: "PATCH /categories/3", Body: `{}`, Want: 200, Has: []string{`"version":1`}},
		{Name: "rename", As: admin, Do: "PATCH /categories/3", Body: `{"name":"Light","description":"in the dark"}`, Want: 200, Has: []string{`"name":"Light","description":"in the dark","slug":"lighting"`, `"version":2`}},
		{Name: "update with a stale ETag", As: admin, Do: "PATCH /categories/3", Body: `{"name":"x"}`, Header: with("If-Match", `"1-1"`), Want: 412, Has: []string{`"stale"`}},
		{Name: "update with the current version", As: admin, Do: "PATCH /categories/3", Body: `{"name":"Lights"}`, Header: with("If-Match", `"2-0"`), Want: 200},
		{Name: "blank name", As: admin, Do: "PATCH /categories/3", Body: `{"name":" "}`, Want: 422},
		{Name: "slug taken", As: admin, Do: "PATCH /categories/3", Body: `{"slug":"home"}`, Want: 409, Has: []string{`"slug_taken"`}},
		{Name: "no such parent", As: admin, Do: "PATCH /categories/3", Body: `{"parent_id":99}`, Want: 422, Has: []string{`"parent_id"`}},
		{Name: "parent is itself", As: admin, Do: "PATCH /categories/3", Body: `{"parent_id":3}`, Want: 409, Has: []string{`"category_cycle"`}},
		{Name: "parent is a descendant", As: admin, Do: "PATCH /categories/1", Body: `{"parent_id":4}`, Want: 409, Has: []string{`"category_cycle"`}},
		{Name: "parent is not a number", As: admin, Do: "PATCH /categories/1", Body: `{"parent_id":"x"}`, Want: 422, Has: []string{`"parent_id":"must be a whole number"`}},
		{Name: "move", As: admin, Do: "PATCH /categories/3", Body: `{"parent_id":2}`, Want: 200, Has: []string{`"parent_id":2`}},
		{Name: "move to the root", As: admin, Do: "PATCH /categories/3", Body: `{"parent_id":null}`, Want: 200, Has: []string{`"parent_id":null`}},
		{Name: "no such category", As: admin, Do: "PATCH /categories/99", Body: `{"name":"x"}`, Want: 404},

		{Name: "delete as a user", As: alice, Do: "DELETE /categories/2", Want: 403},
		{Name: "delete with products", As: admin, Do: "DELETE /categories/3", Want: 409, Has: []string{`"category_in_use"`}},
		{Name: "delete with a stale ETag", As: admin, Do: "DELETE /categories/2", Header: with("If-Match", `"9"`), Want: 412},
		{Name: "delete", As: admin, Do: "DELETE /categories/2", Want: 204},
		{Name: "delete again", As: admin, Do: "DELETE /categories/2", Want: 404},
		{Name: "archive the product", As: admin, Do: "DELETE /products/1", Want: 204, Emits: []string{"products.archived"}},
		{Name: "delete with subcategories", As: admin, Do: "DELETE /categories/3", Want: 409, Has: []string{`"category_in_use"`}},
		{Name: "delete the child", As: admin, Do: "DELETE /categories/4", Want: 204},
		{Name: "delete with archived products only", As: admin, Do: "DELETE /categories/3", Want: 204},
	})
}

// TestConcurrentMovesMakeNoCycle moves categories at random and concurrently. Without the advisory lock of the trigger,
// two moves would soon make a cycle.
func TestConcurrentMovesMakeNoCycle(t *testing.T) {
	db := newDB(t)
	s := category.NewService(event.NewOutbox(db))
	const n = 6
	for i := range n {
		if _, err := s.Create(t.Context(), category.NewCategory{Name: fmt.Sprint("C", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 40 {
		var race sync.WaitGroup
		for range 6 {
			race.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				parent := 1 + rand.Int64N(n)
				update := category.CategoryUpdate{ParentID: web.Optional[int64]{Set: true, Value: &parent}}
				if _, err := s.Update(ctx, 1+rand.Int64N(n), web.IfMatch{}, update); err != nil && !errors.Is(err, category.ErrCycle) {
					t.Errorf("move: %v", err)
				}
			})
		}
		race.Wait()
		page, err := s.Tree(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := count(page.Items); got != n { // a cycle has no root
			t.Fatalf("%d of %d categories are in the tree", got, n)
		}
	}
}

func count(tree []category.Category) int {
	n := len(tree)
	for _, c := range tree {
		n += count(c.Children)
	}
	return n
}

func TestConcurrentCreatesOfOneName(t *testing.T) {
	db := newDB(t)
	var race sync.WaitGroup
	for range 10 {
		race.Go(func() {
			if _, err := category.NewService(event.NewOutbox(db)).Create(context.Background(), category.NewCategory{Name: "Things"}); err != nil {
				t.Error(err)
			}
		})
	}
	race.Wait()
}
