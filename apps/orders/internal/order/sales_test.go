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

func TestAnalytics(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	db, s, _, first := openWithOrder(t, alice)
	second := paidOrder(t, s, alice)
	paidOrder(t, s, alice)
	if _, err := s.Refund(t.Context(), admin, first.ID, order.NewRefund{Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cancel(t.Context(), alice, second.ID); err != nil {
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
		{Name: "another time", As: admin, Do: "GET /orders/analytics?from=2020-01-01&to=2020-01-02", Want: 200, Has: []string{`"revenue":0.00`, `"paid":0`, `"top_products":[]`}},
		{Name: "another currency", As: admin, Do: "GET /orders/analytics?currency=JPY", Want: 200, Has: []string{`"currency":"JPY","currencies":["USD"],"orders":0,"gross":0,`}},
		{Name: "no currency", As: admin, Do: "GET /orders/analytics?currency=XYZ", Want: 422, Has: []string{`"currency"`}},
		{Name: "no day", As: admin, Do: "GET /orders/analytics?from=yesterday", Want: 422, Has: []string{`"from":"must be a day like 2026-11-25"`}},
		{Name: "backwards", As: admin, Do: "GET /orders/analytics?from=2026-02-01&to=2026-01-01", Want: 422, Has: []string{`"from"`}},
	})
}

// TestAnalyticsAddUp does to many orders whatever may be done to them, in any order: the sums are always what the orders
// say.
func TestAnalyticsAddUp(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	report := sales.NewService(db, s.Statuses)
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	var orders []shop.OrderID
	ctx := context.Background()
	pick := func(t *rapid.T) shop.OrderID { return rapid.SampledFrom(orders).Draw(t, "order") }
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			step := rapid.SampledFrom([]string{"place", "pay", "pay", "ship", "deliver", "refund", "refund all", "cancel"}).Draw(t, "step")
			if len(orders) == 0 {
				step = "place"
			}
			switch step {
			case "place":
				n := rapid.IntRange(1, 5).Draw(t, "quantity")
				o, err := s.Place(ctx, alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: int64(n), Quantity: n}}, PaymentMethod: "paypal"})
				if err != nil {
					t.Fatal(err)
				}
				orders = append(orders, o.ID)
			case "pay":
				_ = s.MarkPaid(ctx, pick(t), "sim") // not every order may
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
				_, _ = s.Refund(ctx, admin, id, order.NewRefund{Items: []order.OrderItem{{ProductID: o.Items[0].ProductID, Quantity: 1}}})
			case "refund all":
				_, _ = s.Refund(ctx, admin, pick(t), order.NewRefund{})
			case "cancel":
				_, _ = s.Cancel(ctx, alice, pick(t))
			}
		}
		r, err := report.Report(ctx, sales.Query{Top: 100})
		if err != nil {
			t.Fatal(err)
		}
		var ofProducts shop.Money
		for _, p := range r.TopProducts {
			if ofProducts, err = ofProducts.Plus(p.Revenue); err != nil {
				t.Fatal(err)
			}
		}
		if !ofProducts.Equal(r.Revenue) {
			t.Fatalf("the products say %s, the days say %s", ofProducts, r.Revenue)
		}
		if got, want := summary(r), fromOrders(t, db); got != want {
			t.Fatalf("the sums say %s, the orders say %s", got, want)
		}
		if _, err := db.Exec(ctx, `select rebuild_sales()`); err != nil {
			t.Fatal(err)
		}
		if anew, err := report.Report(ctx, sales.Query{Top: 100}); err != nil || !reflect.DeepEqual(anew, r) {
			t.Fatalf("added up anew it is %+v and was %+v, %v", anew, r, err)
		}
	})
}

func summary(r sales.SalesReport) string {
	var pieces int64
	for _, p := range r.TopProducts {
		pieces += p.Quantity
	}
	return fmt.Sprintf("%d orders, %s, %d pieces", r.Orders, r.Revenue, pieces)
}

func fromOrders(t *rapid.T, db *pgxpool.Pool) string {
	var orders, pieces int64
	var revenue shop.Money
	err := db.QueryRow(context.Background(), `
		select count(*) filter (where refunded < total), coalesce(sum(total - refunded), 0),
			coalesce(sum(round((total - refunded) / 299.99)), 0)::bigint
		from orders where paid_at is not null`).Scan(&orders, &revenue, &pieces)
	if err != nil {
		t.Fatal(err)
	}
	if revenue, err = revenue.In("USD"); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d orders, %s, %d pieces", orders, revenue, pieces)
}

// BenchmarkAnalytics asks for 30 days of a shop with 1,000,000 orders of 2,000 products in a year.
func BenchmarkAnalytics(b *testing.B) {
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

// million are a year's orders, and the sums of about two lines of each.
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
