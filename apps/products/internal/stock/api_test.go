package stock_test

import (
	"strconv"
	"testing"
	"time"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func TestInventory(t *testing.T) {
	db, s := open(t, time.Hour, 5, 0)
	kittest.Emitted(t, db)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	s.Routes(app)
	admin, alice, bob := kittest.NewCaller(shop.Admin), kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	const order = "/reservations/0192f0c1-2d3e-7abc-8def-0123456789ab"
	adjust := func(delta int) string { return `{"delta":` + strconv.Itoa(delta) + `,"reason":"counted"}` }

	kittest.Run(t, app, db, []kittest.Call{
		{Name: "adjust as a user", As: alice, Do: "POST /products/1/inventory/adjustments", Body: adjust(1), Want: 403},
		{Name: "adjust without a reason", As: admin, Do: "POST /products/1/inventory/adjustments", Body: `{"delta":1}`, Want: 422, Has: []string{`"reason":"is required"`}},
		{Name: "adjust by zero", As: admin, Do: "POST /products/1/inventory/adjustments", Body: `{"delta":0,"reason":"x"}`, Want: 422, Has: []string{`"delta"`}},
		{Name: "adjust an unknown product", As: admin, Do: "POST /products/99/inventory/adjustments", Body: adjust(1), Want: 404, Has: []string{`"product_not_found"`}},
		{Name: "adjust", As: admin, Do: "POST /products/1/inventory/adjustments", Body: adjust(-1), Want: 201,
			Has: []string{`"on_hand":4,"reserved":0,"available":4`, `"delta":-1,"balance":4,"reason":"counted","order_id":null,"by":"` + admin.ID.String()}},
		{Name: "too much", As: admin, Do: "POST /products/1/inventory/adjustments", Body: adjust(1_000_000_000), Want: 422, Has: []string{`"delta":"there cannot be more than 1000000000"`}},
		{Name: "threshold as a user", As: alice, Do: "PUT /products/1/low-stock-threshold", Body: `{"low_stock_threshold":2}`, Want: 403},
		{Name: "negative threshold", As: admin, Do: "PUT /products/1/low-stock-threshold", Body: `{"low_stock_threshold":-2}`, Want: 422},
		{Name: "threshold of an unknown product", As: admin, Do: "PUT /products/99/low-stock-threshold", Body: `{"low_stock_threshold":2}`, Want: 404},
		{Name: "threshold", As: admin, Do: "PUT /products/1/low-stock-threshold", Body: `{"low_stock_threshold":2}`, Want: 200, Has: []string{`"available":4,"low_stock_threshold":2`}},
		{Name: "notify-me while in stock", As: alice, Do: "POST /products/1/notify-me", Want: 409, Has: []string{`"in_stock"`}},
		{Name: "reserve two of four", Do: "PUT " + order, Body: `{"items":[{"product_id":1,"quantity":2}]}`, Want: 200, Emits: []string{"stock.low"}},
		{Name: "reserve again", Do: "PUT " + order, Body: `{"items":[{"product_id":1,"quantity":2}]}`, Want: 200},
		{Name: "adjust below the reserved quantity", As: admin, Do: "POST /products/1/inventory/adjustments", Body: adjust(-3), Want: 409, Has: []string{`"stock_reserved"`}},
		{Name: "alert", As: admin, Do: "GET /inventory/alerts?kind=low", Want: 200, Has: []string{`"product_id":1,"sku":"T-1","name":"Thing","kind":"low","available":2,"threshold":2`}, HasNot: []string{`"T-2"`}},
		{Name: "alerts are not public", As: alice, Do: "GET /inventory/alerts", Want: 403},
		{Name: "unknown kind of alert", As: admin, Do: "GET /inventory/alerts?kind=odd", Want: 422},
		{Name: "adjust down to the reserved quantity", As: admin, Do: "POST /products/1/inventory/adjustments", Body: adjust(-2), Want: 201, Emits: []string{"stock.out"}},
		{Name: "notify-me without a token", Do: "POST /products/1/notify-me", Want: 401},
		{Name: "notify-me", As: alice, Do: "POST /products/1/notify-me", Want: 202},
		{Name: "notify-me again", As: alice, Do: "POST /products/1/notify-me", Want: 202},
		{Name: "notify-me of another user", As: bob, Do: "POST /products/1/notify-me", Want: 202},
		{Name: "notify-me of an unknown product", As: bob, Do: "POST /products/99/notify-me", Want: 404},
		{Name: "alerts, latest first", As: admin, Do: "GET /inventory/alerts?limit=1", Want: 200, Has: []string{`"T-1"`, `"kind":"out"`, `"next_cursor":"`},
			AndThen: func(t *testing.T, body []byte) {
				next := kittest.Field[string](t, body, "next_cursor")
				kittest.Run(t, app, nil, []kittest.Call{{Name: "next", As: admin, Do: "GET /inventory/alerts?limit=1&cursor=" + next, Want: 200,
					Has: []string{`"T-2"`, `"kind":"out"`, `"next_cursor":null`}}})
			}},
		{Name: "release", Do: "DELETE " + order, Want: 204, Emits: []string{"stock.back"}},
		{Name: "back alert", As: admin, Do: "GET /inventory/alerts?kind=back", Want: 200, Has: []string{`"T-1"`}},
		{Name: "out again, without notify-me requests", As: admin, Do: "POST /products/1/inventory/adjustments", Body: adjust(-2), Want: 201, Emits: []string{"stock.out"}},
		{Name: "back again", As: admin, Do: "POST /products/1/inventory/adjustments", Body: adjust(9), Want: 201, Emits: []string{"stock.back"}},
		{Name: "raise the threshold", As: admin, Do: "PUT /products/1/low-stock-threshold", Body: `{"low_stock_threshold":9}`, Want: 200, Emits: []string{"stock.low"}},
		{Name: "lower the threshold", As: admin, Do: "PUT /products/1/low-stock-threshold", Body: `{"low_stock_threshold":8}`, Want: 200},
		{Name: "ledger as a user", As: alice, Do: "GET /products/1/inventory/movements", Want: 403},
		{Name: "ledger of an unknown product", As: admin, Do: "GET /products/99/inventory/movements", Want: 404},
		{Name: "ledger", As: admin, Do: "GET /products/1/inventory/movements?limit=2", Want: 200, Has: []string{`"delta":9,"balance":9`, `"delta":-2,"balance":0`},
			HasNot: []string{`"initial"`}, AndThen: func(t *testing.T, body []byte) {
				next := kittest.Field[string](t, body, "next_cursor")
				kittest.Run(t, app, nil, []kittest.Call{{Name: "next", As: admin, Do: "GET /products/1/inventory/movements?cursor=" + next, Want: 200,
					Has: []string{`"delta":5,"balance":5,"reason":"initial"`, `"next_cursor":null`}}})
			}},
	})
	ledgerAddsUp(t, db)
}

// TestErasure: the notification requests of an erased user are deleted, and those of others are kept.
func TestErasure(t *testing.T) {
	db, s := open(t, time.Hour, 0, 0)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	s.Routes(app)
	s.Subscribe(event.NewHub(app, "products", event.NewOutbox(db)))
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "export without data", Do: "GET /export/" + alice.ID.String(), Want: 200, Has: []string{`{"notify_me":[]}`}},
		{Name: "notify-me", As: alice, Do: "POST /products/1/notify-me", Want: 202},
		{Name: "notify-me of another product", As: alice, Do: "POST /products/2/notify-me", Want: 202},
		{Name: "notify-me of another user", As: bob, Do: "POST /products/1/notify-me", Want: 202},
		{Name: "export", Do: "GET /export/" + alice.ID.String(), Want: 200, Has: []string{`"product_id":1,"sku":"T-1","name":"Thing","asked_at":"`, `"product_id":2`}},
	})
	id := shop.NewID()
	for range 2 {
		if status := kittest.Deliver(t, app, id, shop.UserErased{UserID: alice.ID}); status != "SUCCESS" {
			t.Error(status)
		}
	}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "export after the erasure", Do: "GET /export/" + alice.ID.String(), Want: 200, Has: []string{`{"notify_me":[]}`}},
		{Name: "export of the other user", Do: "GET /export/" + bob.ID.String(), Want: 200, Has: []string{`"product_id":1`}, HasNot: []string{`"product_id":2`}},
	})
}
