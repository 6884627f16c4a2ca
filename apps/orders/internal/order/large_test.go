package order_test

import (
	"strings"
	"testing"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// TestLargeOrders: an order above the largest total is refused. One that is stored is shown, and can be cancelled and
// refunded.
func TestLargeOrders(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	sales.NewService(db, s.Statuses).Routes(app)
	s.Routes(app)
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	items := func(n string) string {
		return strings.Replace(newOrder, `"product_id":1,"quantity":2`, `"product_id":800,"quantity":`+n, 1)
	}
	var id shop.OrderID
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "10^12", As: alice, Do: "POST /orders", Body: items("10"), Want: 422, Has: []string{`"items":"come to 1000000000000 or more"`}, Emits: []string{}},
		{Name: "less", As: alice, Do: "POST /orders", Body: items("9"), Want: 201, Has: []string{`"total":900000000000`}, Emits: []string{"orders.placed"},
			AndThen: func(t *testing.T, body []byte) { id = kittest.Field[shop.OrderID](t, body, "id") }},
	})
	_, err := db.Exec(t.Context(), `
		update orders set total = 1000000000000,
			items = jsonb_set(jsonb_set(items, '{0,quantity}', '10'), '{0,total}', '1000000000000') where id = $1`, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.MarkPaid(t.Context(), id, "sim_1"); err != nil {
		t.Fatal(err)
	}
	kittest.Emitted(t, db)
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "get", As: alice, Do: "GET /orders/" + id.String(), Want: 200, Has: []string{`"total":1000000000000`}},
		{Name: "list", As: alice, Do: "GET /orders", Want: 200, Has: []string{`"total":1000000000000`}},
		{Name: "analytics", As: admin, Do: "GET /orders/analytics?currency=VND", Want: 200, Has: []string{`"gross":1000000000000`}},
		{Name: "cancel", As: alice, Do: "POST /orders/" + id.String() + "/cancel", Want: 200, Has: []string{`"refunded":1000000000000`}, Emits: []string{"orders.cancelled"}},
	})
}
