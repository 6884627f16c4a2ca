package product_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sidecart/apps/products/internal/category"
	"sidecart/apps/products/internal/product"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// TestTextsAtTheLimits: every text within the limits of the fields can be indexed.
func TestTextsAtTheLimits(t *testing.T) {
	db := newDB(t)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(event.NewOutbox(db)).Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	admin, random := kittest.NewCaller(shop.Admin), rand.New(rand.NewPCG(1, 1))
	rows := []kittest.Call{{Name: "category", As: admin, Do: "POST /categories", Body: `{"name":"Lamps"}`, Want: 201}}
	for name, letter := range map[string]func(i int) rune{
		"words and numbers, each compound different": func(i int) rune {
			if i%15 == 14 {
				return '1'
			}
			return rune(0x11103 + random.IntN(30)) // a letter of four bytes
		},
		"a run of one character":             func(int) rune { return '红' },
		"squares, each of which is a word":   func(int) rune { return '㌖' },
		"ligatures, each of which is a line": func(int) rune { return 'ﷺ' },
	} {
		text := func(length int) string {
			var b strings.Builder
			for i := range length {
				b.WriteRune(letter(i))
			}
			return b.String()
		}
		attributes := map[string]string{}
		for i := range 50 {
			attributes[fmt.Sprint(text(60), i)] = text(500)
		}
		body, err := json.Marshal(map[string]any{
			"name": text(200), "brand": text(120), "description": text(10_000), "attributes": attributes,
			"sku": fmt.Sprint("L-", len(rows)), "price": 5, "category_id": 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, kittest.Call{Name: name, As: admin, Do: "POST /products", Body: string(body), Want: 201,
			Emits: []string{"products.changed"}})
	}
	kittest.Run(t, app, db, rows)
}
