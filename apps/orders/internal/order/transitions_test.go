package order_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// openWithOrder is an app with a paid order of two headphones for 599.98.
func openWithOrder(t *testing.T, buyer shop.Caller) (*pgxpool.Pool, *order.Service, *web.App, order.Order) {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	s.Routes(app)
	return db, s, app, paidOrder(t, s, buyer)
}

var (
	twoItems = order.NewOrder{
		Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, Checkout: order.Checkout{PaymentMethod: "credit_card"},
	}
	oneItem = order.NewRefund{Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}}
)

func paidOrder(t *testing.T, s *order.Service, buyer shop.Caller) order.Order {
	t.Helper()
	o, err := s.Place(t.Context(), buyer.ID, twoItems)
	if err == nil {
		err = s.MarkPaid(t.Context(), o.ID, "sim_1")
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestShipAndDeliver(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	db, _, app, o := openWithOrder(t, alice)
	kittest.Emitted(t, db)
	path, shipment := "/orders/"+o.ID.String(), `{"carrier":"UPS","tracking_number":"1Z999"}`
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "only an admin ships", As: alice, Do: "POST " + path + "/ship", Body: shipment, Want: 403},
		{Name: "no token", Do: "POST " + path + "/ship", Body: shipment, Want: 401},
		{Name: "without a carrier", As: admin, Do: "POST " + path + "/ship", Body: `{"carrier":" "}`, Want: 422, Has: []string{`"carrier":"must not be blank"`}},
		{Name: "deliver too early", As: admin, Do: "POST " + path + "/deliver", Want: 409, Has: []string{`"order_transition"`}},
		{Name: "unknown order", As: admin, Do: "POST /orders/" + shop.NewID().String() + "/ship", Body: shipment, Want: 404},
		{Name: "ship", As: admin, Do: "POST " + path + "/ship", Body: shipment, Want: 200, Emits: []string{"orders.shipped"},
			Has: []string{`"status":"shipped"`, `"carrier":"UPS"`, `"tracking_number":"1Z999"`, `"shipped_at":"`, admin.ID.String(), `"reason":"UPS 1Z999"`}},
		{Name: "ship again", As: admin, Do: "POST " + path + "/ship", Body: shipment, Want: 409},
		{Name: "cancel a shipped order", As: alice, Do: "POST " + path + "/cancel", Want: 409},
		{Name: "only an admin delivers", As: alice, Do: "POST " + path + "/deliver", Want: 403},
		{Name: "deliver", As: admin, Do: "POST " + path + "/deliver", Want: 200, Emits: []string{"orders.delivered"}, Has: []string{`"status":"delivered"`, `"delivered_at":"`}},
		{Name: "deliver again", As: admin, Do: "POST " + path + "/deliver", Want: 409},
		{Name: "the buyer gets it", As: alice, Do: "GET " + path, Want: 200, Has: []string{`"status":"delivered"`, `"refunded":0.00`}, HasNot: []string{`"refunds"`}},
	})
}

func TestRefunds(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	db, s, app, o := openWithOrder(t, alice)
	pending, err := s.Place(t.Context(), alice.ID, twoItems)
	if err != nil {
		t.Fatal(err)
	}
	path := "/orders/" + o.ID.String()
	kittest.Emitted(t, db)
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "only an admin refunds", As: alice, Do: "POST " + path + "/refund", Want: 403},
		{Name: "a pending order", As: admin, Do: "POST /orders/" + pending.ID.String() + "/refund", Want: 409, Has: []string{`"order_transition"`}},
		{Name: "more than was ordered", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":1,"quantity":3}]}`, Want: 409,
			Has: []string{`"refund_too_much"`, `"items[0].quantity":"only 2 left to refund"`}},
		{Name: "another product", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":7,"quantity":1}]}`, Want: 422, Has: []string{`"items[0].product_id"`}},
		{Name: "a product twice", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":1,"quantity":1},{"product_id":1,"quantity":1}]}`, Want: 422},
		{Name: "no product", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[]}`, Want: 422, Has: []string{`"items":"must`}},
		{Name: "one of two", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":1,"quantity":1}],"reason":"scratched"}`, Want: 200,
			Header: map[string]string{"Idempotency-Key": "7"}, Has: []string{`"refunded":299.99`}, Emits: []string{"orders.refunded"}},
		{Name: "the same key again", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":1,"quantity":1}],"reason":"scratched"}`, Want: 200,
			Header: map[string]string{"Idempotency-Key": "7"},
			Has:    []string{`"status":"partially_refunded"`, `"refunded":299.99`, `"reason":"scratched"`, `"restock":true`, `"settled_at":null`}},
		{Name: "the rest ships", As: admin, Do: "POST " + path + "/ship", Body: `{"carrier":"UPS"}`, Want: 200, Emits: []string{"orders.shipped"}, Has: []string{`"status":"shipped"`, `"refunded":299.99`}},
		{Name: "more than is left", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":1,"quantity":2}]}`, Want: 409, Has: []string{`only 1 left`}},
		{Name: "the rest, without a body", As: admin, Do: "POST " + path + "/refund", Want: 200, Emits: []string{"orders.refunded"},
			Has: []string{`"status":"refunded"`, `"refunded":599.98`, `"restock":false`}},
		{Name: "nothing is left", As: admin, Do: "POST " + path + "/refund", Want: 409},
	})
	restocked, err := s.RestockedItems(t.Context(), o.ID)
	if err != nil || !slices.Equal(restocked, []order.OrderItem{{ProductID: 1, Quantity: 1}}) {
		t.Errorf("only what had not shipped is restocked: %v, %v", restocked, err)
	}
}

func TestCancelRefundsTheRest(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	_, s, _, o := openWithOrder(t, alice)
	if _, err := s.Refund(t.Context(), admin, o.ID, oneItem); err != nil {
		t.Fatal(err)
	}
	got, err := s.Cancel(t.Context(), alice, o.ID, "")
	if err != nil || got.Refunded.String() != "599.98" || len(got.Refunds) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	open, err := s.OpenRefunds(t.Context(), o.ID)
	if err != nil || len(open) != 2 || open[0].Amount.String() != "299.99" || !open[1].Void {
		t.Fatalf("%+v, %v", open, err)
	}
	for _, r := range open {
		if err := s.SettleRefund(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if open, err := s.OpenRefunds(t.Context(), o.ID); err != nil || len(open) > 0 {
		t.Errorf("%+v, %v", open, err)
	}
}

// TestConcurrentTransitions: a buyer cancels, an admin ships and refunds, and the workflow marks as paid, all
// concurrently. The history has only allowed transitions, and the refunds match what was paid.
func TestConcurrentTransitions(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	_, s, _, _ := openWithOrder(t, alice)
	seen := map[order.Status]int{}
	for range 30 {
		o, err := s.Place(t.Context(), alice.ID, twoItems)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		var race sync.WaitGroup
		var cancelled, shipped, refunded atomic.Int32
		try := func(won *atomic.Int32, do func() error) {
			race.Go(func() {
				if do() == nil {
					won.Add(1)
				}
			})
		}
		var paid atomic.Int32
		try(&paid, func() error { return s.MarkPaid(ctx, o.ID, "sim") })
		try(&paid, func() error { return s.MarkPaid(ctx, o.ID, "sim") })
		for range 2 {
			try(&cancelled, func() error { _, err := s.Cancel(ctx, alice, o.ID, ""); return err })
			try(&shipped, func() error { _, err := s.Ship(ctx, admin, o.ID, order.Shipment{Carrier: "UPS"}); return err })
			try(&refunded, func() error { _, err := s.Refund(ctx, admin, o.ID, order.NewRefund{}); return err })
		}
		race.Wait()
		got, err := s.Get(t.Context(), alice, o.ID)
		if err != nil {
			t.Fatal(err)
		}
		seen[got.Status]++
		c, s, r := cancelled.Load(), shipped.Load(), refunded.Load()
		if c > 1 || s > 1 || r > 1 || c+r > 1 || c+s > 1 {
			t.Errorf("%d cancelled, %d shipped, %d refunded: %+v", c, s, r, got.History)
		}
		ended := got.Status == order.Cancelled && got.PaidAt != nil || got.Status == order.Refunded
		if ended != (got.Refunded.String() == "599.98") || !ended != (got.Refunded.Sign() == 0) {
			t.Errorf("%s with %s refunded: %+v", got.Status, got.Refunded, got.History)
		}
	}
	t.Logf("statuses: %v", seen)
}

func TestAutomaticTransitions(t *testing.T) {
	alice := kittest.NewCaller(shop.User)
	db, s, _, o := openWithOrder(t, alice)
	kittest.Emitted(t, db)
	for range 2 {
		if err := s.AutoShip(t.Context(), o.ID); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.AutoDeliver(t.Context(), o.ID); err != nil {
			t.Fatal(err)
		}
	}
	if topics := kittest.Emitted(t, db); !slices.Equal(topics, []string{"orders.shipped", "orders.delivered"}) {
		t.Errorf("emitted %v", topics)
	}
}

func TestShipmentString(t *testing.T) {
	if got := (order.Shipment{Carrier: "UPS", TrackingNumber: "1Z"}).String(); !strings.EqualFold(got, "ups 1z") {
		t.Error(got)
	}
}
