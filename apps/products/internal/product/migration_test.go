package product

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"sidecart/apps/products/internal/category"
	"sidecart/kit/kittest"
	"sidecart/kit/postgres"
)

// TestWordsOfExistingProducts: migration 7 indexes the products of earlier versions.
func TestWordsOfExistingProducts(t *testing.T) {
	earlier := fstest.MapFS{}
	names, err := fs.Glob(Migrations.Files, "000[1-6]_*.sql")
	if err != nil || len(names) != 6 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(Migrations.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		earlier[name] = &fstest.MapFile{Data: data}
	}
	db := kittest.DB(t, category.Migrations, postgres.Migrations{Name: Migrations.Name, Files: earlier})
	for _, sql := range []string{
		`insert into categories (name, slug) values ('All', 'all')`,
		`insert into products (name, sku, slug, price, currency, category_id, brand, attributes) values
			('红色运动鞋', 'WH-001-B', 'a', 1, 'USD', 1, 'TechBrand', '{"color": "Grün", "weight": 10.0}'),
			('Wi-Fi Router', 'B', 'b', 1, 'USD', 1, 'techbrand', '{}')`,
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	upgraded, err := postgres.Open(t.Context(), db.Config().ConnString(), Migrations)
	if err != nil {
		t.Fatal(err)
	}
	defer upgraded.Close()
	for name, want := range map[string]struct {
		filter Filter
		ids    int
	}{
		"part of a run": {Filter{Query: "运动鞋"}, 1}, "compound": {Filter{Query: "wifi"}, 1}, "SKU": {Filter{Query: "wh001b"}, 1},
		"brand": {Filter{Brand: "TECHBRAND"}, 2}, "attributes": {Filter{Attributes: map[string]string{"color": "grun", "weight": "10"}}, 1},
		"a corrected word": {Filter{Query: "wifli"}, 1}, "by name": {Filter{Sort: Alphabetic}, 2},
	} {
		q := query{Filter: want.filter, currency: "USD"}
		if q.Query != "" {
			if q.tsquery, err = parseSearch(t.Context(), upgraded, q.Query); err != nil {
				t.Fatal(err)
			}
		}
		found, err := search(t.Context(), upgraded, q, q.sortOrder(), cursor{}, 10)
		if err != nil || len(found) != want.ids {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}
