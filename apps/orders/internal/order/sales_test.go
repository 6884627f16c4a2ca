package order_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func TestSalesReport(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	db, s, _, first := openWithOrder(t, alice)
	second := paidOrder(t, s, alice)
	paidOrder(t, s, alice)
	if _, err := s.Refund(t.Context(), admin, first.ID, oneItem); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cancel(t.Context(), alice, second.ID, ""); err != nil {
		t.Fatal(err)
	}
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	sales.NewService(db, s.Statuses).Routes(app)
	s.Routes(app)
	today := time.Now().UTC().Format(time.DateOnly)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "not for buyers", As: alice, Do: "GET /orders/analytics", Want: 403},
		{Name: "report", As: admin, Do: "GET /orders/analytics", Want: 200, Has: []string{
			`"currency":"USD","currencies":["USD"],"orders":2,"gross":1799.94,"refunded":899.97,"revenue":899.97,"average_basket":449.99`,
			`{"day":"` + today + `","orders":2,"gross":1799.94,`, `"cancelled":1`, `"partially_refunded":1`, `"paid":1`, `"pending":0`,
			`"top_products":[{"product_id":1,"sku":"WH-001","name":"Wireless Headphones","quantity":3,"revenue":899.97}]`}},
		{Name: "another time range", As: admin, Do: "GET /orders/analytics?from=2020-01-01&to=2020-01-02", Want: 200, Has: []string{`"revenue":0.00`, `"paid":0`, `"top_products":[]`}},
		{Name: "the first year", As: admin, Do: "GET /orders/analytics?from=0000-01-01&to=0000-01-02", Want: 200},
		{Name: "to the first days", As: admin, Do: "GET /orders/analytics?to=0000-01-02", Want: 200, Has: []string{`"from":"0000-01-01"`}, HasNot: []string{`"-`}},
		{Name: "the last year", As: admin, Do: "GET /orders/analytics?from=9999-12-31&to=9999-12-31", Want: 200},
		{Name: "another currency", As: admin, Do: "GET /orders/analytics?currency=JPY", Want: 200, Has: []string{`"currency":"JPY","currencies":["USD"],"orders":0,"gross":0,`}},
		{Name: "unknown currency", As: admin, Do: "GET /orders/analytics?currency=XYZ", Want: 422, Has: []string{`"currency"`}},
		{Name: "not a day", As: admin, Do: "GET /orders/analytics?from=yesterday", Want: 422, Has: []string{`"from":"must be a day like 2026-11-25"`}},
		{Name: "reversed", As: admin, Do: "GET /orders/analytics?from=2026-02-01&to=2026-01-01", Want: 422, Has: []string{`"from"`}},
	})
}

// TestSalesAddUp runs random operations on many orders: the sales always match the orders.
func TestSalesAddUp(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	report := sales.NewService(db, s.Statuses)
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	var orders []shop.OrderID
	ctx := context.Background()
	pick := func(t *rapid.T) shop.OrderID { return rapid.SampledFrom(orders).Draw(t, "order") }
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(1, 12).Draw(t, "operations") {
			operation := rapid.SampledFrom([]string{
				"place", "pay", "pay", "ship", "deliver", "refund", "refund all", "cancel",
			}).Draw(t, "operation")
			if len(orders) == 0 {
				operation = "place"
			}
			switch operation {
			case "place":
				n := rapid.IntRange(1, 5).Draw(t, "quantity")
				o, err := s.Place(ctx, alice.ID, order.NewOrder{
					Items: []order.OrderItem{{ProductID: int64(n), Quantity: n}}, Checkout: order.Checkout{PaymentMethod: "paypal"},
				})
				if err != nil {
					t.Fatal(err)
				}
				orders = append(orders, o.ID)
			case "pay":
				_ = s.MarkPaid(ctx, pick(t), "sim") // fails for some statuses
			case "ship":
				_, _ = s.Ship(ctx, admin, pick(t), order.Shipment{Carrier: "UPS"})
			case "deliver":
				_, _ = s.Deliver(ctx, admin, pick(t))
			case "refund":
				id := pick(t)
				o, err := s.Get(ctx, admin, id)
				if err != nil {
					t.Fatal(err)
				}
				one := []order.OrderItem{{ProductID: o.Items[0].ProductID, Quantity: 1}}
				_, _ = s.Refund(ctx, admin, id, order.NewRefund{Items: one})
			case "refund all":
				_, _ = s.Refund(ctx, admin, pick(t), order.NewRefund{})
			case "cancel":
				_, _ = s.Cancel(ctx, alice, pick(t), "")
			}
		}
		r, err := report.Report(ctx, sales.Query{Top: 100})
		if err != nil {
			t.Fatal(err)
		}
		var byProduct shop.Money
		for _, p := range r.TopProducts {
			if byProduct, err = byProduct.Plus(p.Revenue); err != nil {
				t.Fatal(err)
			}
		}
		if !byProduct.Equal(r.Revenue) {
			t.Fatalf("by product %s, by day %s", byProduct, r.Revenue)
		}
		if got, want := summary(r), fromOrders(t, db); got != want {
			t.Fatalf("sales %s, orders %s", got, want)
		}
		if _, err := db.Exec(ctx, `select rebuild_sales()`); err != nil {
			t.Fatal(err)
		}
		if rebuilt, err := report.Report(ctx, sales.Query{Top: 100}); err != nil || !reflect.DeepEqual(rebuilt, r) {
			t.Fatalf("rebuilt %+v, was %+v, %v", rebuilt, r, err)
		}
	})
}

func summary(r sales.SalesReport) string {
	var items int64
	for _, p := range r.TopProducts {
		items += p.Quantity
	}
	return fmt.Sprintf("%d orders, %s, %d items", r.Orders, r.Revenue, items)
}

func fromOrders(t *rapid.T, db *pgxpool.Pool) string {
	var orders, items int64
	var revenue shop.Money
	err := db.QueryRow(context.Background(), `
		select count(*) filter (where refunded < total), coalesce(sum(total - refunded), 0),
			coalesce(sum(round((total - refunded) / 299.99)), 0)::bigint
		from orders where paid_at is not null`).Scan(&orders, &revenue, &items)
	if err != nil {
		t.Fatal(err)
	}
	if revenue, err = revenue.In("USD"); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d orders, %s, %d items", orders, revenue, items)
}

// BenchmarkReport reports 30 days of a shop with 1,000,000 orders of 2,000 products in a year.
func BenchmarkReport(b *testing.B) {
	db := kittest.DB(b, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	report := sales.NewService(db, order.NewService(event.NewOutbox(db), calls(reserve)).Statuses)
	conn, err := db.Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, sql := range million {
		if _, err := conn.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	conn.Release()
	b.ResetTimer()
	for b.Loop() {
		if r, err := report.Report(b.Context(), sales.Query{Top: 10}); err != nil || r.Orders == 0 {
			b.Fatal(r, err)
		}
	}
}

// million inserts the orders of a year, and their sales of about two lines each.
var million = []string{`set statement_timeout = 0`, `
	insert into orders (id, number, user_id, status, items, total, refunded, currency, shipping_address, payment_method, payment_token, placed_at, paid_at)
	select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 19))::uuid, 'SC-' || n, gen_random_uuid(),
		(array['paid', 'shipped', 'delivered', 'delivered', 'delivered', 'cancelled'])[1 + n % 6], '[]', 20.00, 0.00, 'USD', '{}', 'paypal', '', at, at
	from (select n, now() - n * interval '31 seconds' as at from generate_series(1, 1000000) as n) as moments`, `
	insert into sales (day, currency, slot, orders, gross, refunded)
	select paid_at::date, 'USD', (random() * 15)::int, count(*), sum(total), 0 from orders group by 1, 2, 3`, `
	insert into product_sales (day, currency, product_id, slot, quantity, revenue, sku, name)
	select day, currency, p, slot, orders, round(gross / 40, 2), 'SKU-' || p, 'Thing' from sales, generate_series(1, 2000) as p
	where p % 6 = slot % 6`, `
	vacuum analyze orders`, `vacuum analyze product_sales`}
