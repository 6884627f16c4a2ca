package product_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"sidecart/apps/products/internal/category"
	"sidecart/apps/products/internal/product"
	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// TestSKUsDifferInMoreThanCase: a SKU is stored as sent, and taken in every spelling.
func TestSKUsDifferInMoreThanCase(t *testing.T) {
	db := newDB(t)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(event.NewOutbox(db)).Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	admin := kittest.NewCaller(shop.Admin)
	sku := func(sku string) string { return `{"name":"Kilo","sku":"` + sku + `","price":1,"category_id":1}` }
	taken := []string{`"code":"sku_taken"`, `"errors":{"sku":"is taken`}
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "category", As: admin, Do: "POST /categories", Body: `{"name":"Kilos"}`, Want: 201},
		{Name: "first", As: admin, Do: "POST /products", Body: sku("Kilo-1i"), Want: 201, Emits: []string{"products.changed"}, Has: []string{`"sku":"Kilo-1i"`}},
		{Name: "same", As: admin, Do: "POST /products", Body: sku("Kilo-1i"), Want: 409, Has: taken},
		{Name: "small letters", As: admin, Do: "POST /products", Body: sku("kilo-1i"), Want: 409, Has: taken},
		{Name: "capitals", As: admin, Do: "POST /products", Body: sku("KILO-1I"), Want: 409, Has: taken},
		{Name: "another", As: admin, Do: "POST /products", Body: sku("kilo-1"), Want: 201, Emits: []string{"products.changed"}},
		{Name: "archive", As: admin, Do: "DELETE /products/1", Want: 204, Emits: []string{"products.archived"}},
		{Name: "of an archived product", As: admin, Do: "POST /products", Body: sku("kilo-1I"), Want: 409, Has: taken},
	})
}

// TestConcurrentSpellings: of twenty concurrent products whose SKUs differ in case only, one is created.
func TestConcurrentSpellings(t *testing.T) {
	db := newDB(t)
	s := product.NewService(event.NewOutbox(db), "en", "USD")
	if _, err := category.NewService(event.NewOutbox(db)).Create(t.Context(), category.NewCategory{Name: "Things"}); err != nil {
		t.Fatal(err)
	}
	price := shop.MustMoney("1")
	var race sync.WaitGroup
	var created atomic.Int64
	for i := range 20 {
		race.Go(func() {
			sku := []string{"abc-1", "ABC-1", "Abc-1", "aBC-1"}[i%4]
			_, err := s.Create(context.Background(), product.NewProduct{Name: sku, SKU: sku, Price: &price, CategoryID: 1})
			switch {
			case err == nil:
				created.Add(1)
			case !errors.Is(err, product.ErrSKUTaken):
				t.Errorf("%s: %v", sku, err)
			}
		})
	}
	race.Wait()
	if created.Load() != 1 {
		t.Errorf("%d were created", created.Load())
	}
}

// TestRespelledSKUsOfAnEarlierVersion: products of an earlier version whose SKUs differ in case only stay as they are,
// each can be changed by its own SKU, and no further spelling is accepted.
func TestRespelledSKUsOfAnEarlierVersion(t *testing.T) {
	before := fstest.MapFS{}
	for _, file := range []string{"0001_products", "0002_changes", "0003_search", "0004_language", "0005_search_without_pending_list"} {
		text, err := fs.ReadFile(product.Migrations.Files, file+".sql")
		if err != nil {
			t.Fatal(err)
		}
		before[file+".sql"] = &fstest.MapFile{Data: text}
	}
	old := kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, postgres.Migrations{Name: "product", Files: before})
	for _, sql := range []string{
		`insert into categories (name, slug) values ('Things', 'things')`,
		`insert into products (name, sku, slug, price, currency, category_id)
		 select sku, sku, 'thing-' || n, 1.00, 'USD', 1 from unnest(array['ABC-1', 'abc-1', 'Abc-1', 'B']) with ordinality as _ (sku, n)`,
	} {
		if _, err := old.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	db, err := postgres.Open(t.Context(), old.Config().ConnString(), product.Migrations)
	if err != nil {
		t.Fatalf("the new version does not start: %v", err)
	}
	t.Cleanup(db.Close)
	upsert := func(sku string) (product.Result, error) {
		name := "New " + sku
		var results []product.Result
		err := event.NewOutbox(db).Tx(t.Context(), func(tx event.TX) (err error) {
			results, err = product.Upsert(t.Context(), tx, product.Defaults{Language: "en", Currency: "USD"}, []product.Row{{SKU: sku, ProductUpdate: product.ProductUpdate{Name: &name}}})
			return err
		})
		if err != nil {
			return "", err
		}
		return results[0], nil
	}
	for _, sku := range []string{"ABC-1", "abc-1", "Abc-1", "B"} {
		if got, err := upsert(sku); err != nil || got != product.Updated {
			t.Errorf("%s: %s, %v", sku, got, err)
		}
	}
	for sku, other := range map[string]string{"aBC-1": "ABC-1", "b": "B"} {
		if _, err := upsert(sku); !errors.Is(err, product.ErrSKUTaken) || !strings.Contains(fault.Of(err).Fields["sku"], other) {
			t.Errorf("%s: %v", sku, err)
		}
	}
	var names string
	if err := db.QueryRow(t.Context(), `select string_agg(name, ',' order by id) from products`).Scan(&names); err != nil ||
		names != "New ABC-1,New abc-1,New Abc-1,New B" {
		t.Errorf("%s, %v", names, err)
	}
}
