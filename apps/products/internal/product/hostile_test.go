package product_test

import (
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

// TestHostileValues: what a product is created with is kept as it was sent or refused by field.
func TestHostileValues(t *testing.T) {
	db := newDB(t)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(event.NewOutbox(db)).Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	stock.NewService(event.NewOutbox(db), time.Hour).Routes(app)
	admin := kittest.NewCaller(shop.Admin)
	rows := []kittest.Call{{Name: "category", As: admin, Do: "POST /categories", Body: `{"name":"Lamps"}`, Want: 201}}
	with := func(sku, member string) string {
		if !strings.Contains(member, `"price"`) {
			member += `,"price":5`
		}
		if !strings.Contains(member, `"name"`) {
			member += `,"name":"Lamp"`
		}
		return `{"sku":"` + sku + `","category_id":1,` + member + `}`
	}
	for member, field := range map[string]string{
		`"attributes":{"weight":1e-99999}`: "attributes.weight", `"metadata":{"weight":0e-99999}`: "metadata.weight", `"attributes":{"a":1e999999}`: "attributes.a", `"attributes":{"b":0e9999999999999}`: "attributes.b",
		`"attributes":{"color":"red","color":"blue"}`: "attributes.color", `"metadata":{"a":1,"a":1}`: "metadata.a", `"attributes":{"a":"\ud800"}`: "attributes.a",
		`"attributes":{"a":"\u0000"}`: "attributes.a", `"metadata":{"a\u0000":1}`: `metadata.a\u0000`, `"attributes":{"\u200b":1}`: "attributes.\u200b",
		`"price":5.000`: "price", `"price":100.0,"currency":"JPY"`: "price", `"price":1e-99999`: "price", `"price":1e99999`: "price",
		`"name":"\u200b"`: "name", `"name":"\u2060\ufeff"`: "name", `"name":"\u3164"`: "name", `"brand":"\u00ad"`: "brand",
		`"initial_quantity":1e400`: "initial_quantity", `"low_stock_threshold":0.5`: "low_stock_threshold",
	} {
		rows = append(rows, kittest.Call{Name: member, As: admin, Do: "POST /products", Body: with("L", member), Want: 422, Has: []string{`"` + field + `":"`}})
	}
	created := []string{"products.changed"}
	for i, accepted := range []struct{ member, shown string }{
		{`"price":1E+2`, `"price":100.00`}, {`"price":500e-2`, `"price":5.00`}, {`"price":1e2,"currency":"JPY"`, `"price":100`},
		{`"initial_quantity":2.0`, `"available":2`}, {`"attributes":{"a":1e300}`, `"a":1` + strings.Repeat("0", 300)},
		{`"attributes":{"a":12.50,"b":1e-300}`, `"a":12.50`}, {`"name":"e\u0301\u200d"`, "\"name\":\"e\u0301\u200d\""},
	} {
		rows = append(rows, kittest.Call{Name: accepted.member, As: admin, Do: "POST /products", Body: with("OK-"+string(rune('0'+i)), accepted.member), Want: 201,
			Emits: created, AndThen: nil})
		rows = append(rows, kittest.Call{Name: accepted.member + " is shown", Do: "GET /products", Want: 200, Has: []string{accepted.shown}})
	}
	for _, filter := range []string{"1e-99999", "0e-99999", "1e99999", "-1e-400", "1e400"} {
		rows = append(rows, kittest.Call{Name: filter, Do: "GET /products?attr.weight=" + filter, Want: 200, Has: []string{`"items":[]`}})
	}
	kittest.Run(t, app, db, append(rows,
		kittest.Call{Name: "update of a price", As: admin, Do: "PATCH /products/1", Body: `{"price":7.000}`, Want: 422, Has: []string{`"price":"USD has 2 decimals"`}},
		kittest.Call{Name: "update of attributes", As: admin, Do: "PATCH /products/1", Body: `{"metadata":{"a":{"b":1,"b":2}}}`, Want: 422, Has: []string{`"metadata.a"`}},
		kittest.Call{Name: "a stored price in another currency", As: admin, Do: "PATCH /products/1", Body: `{"currency":"JPY"}`, Want: 200, Has: []string{`"price":100,`}, Emits: created},
	))
}
