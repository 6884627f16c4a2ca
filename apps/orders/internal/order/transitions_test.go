package order_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// openWithOrder is an app with orders, and a paid order of two headphones for 599.98.
func openWithOrder(t *testing.T, buyer shop.Caller) (*pgxpool.Pool, *order.Service, *web.App, order.Order) {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	s.Routes(app)
	return db, s, app, paidOrder(t, s, buyer)
}

func paidOrder(t *testing.T, s *order.Service, buyer shop.Caller) order.Order {
	t.Helper()
	o, err := s.Place(t.Context(), buyer.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "credit_card"})
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
	path, parcel := "/orders/"+o.ID.String(), `{"carrier":"UPS","tracking_number":"1Z999"}`
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "only an admin ships", As: alice, Do: "POST " + path + "/ship", Body: parcel, Want: 403},
		{Name: "nobody ships", Do: "POST " + path + "/ship", Body: parcel, Want: 401},
		{Name: "without a carrier", As: admin, Do: "POST " + path + "/ship", Body: `{"carrier":" "}`, Want: 422, Has: []string{`"carrier":"must not be blank"`}},
		{Name: "deliver too early", As: admin, Do: "POST " + path + "/deliver", Want: 409, Has: []string{`"order_transition"`}},
		{Name: "no such order", As: admin, Do: "POST /orders/" + shop.NewID().String() + "/ship", Body: parcel, Want: 404},
		{Name: "ship", As: admin, Do: "POST " + path + "/ship", Body: parcel, Want: 200, Emits: []string{"orders.shipped"},
			Has: []string{`"status":"shipped"`, `"carrier":"UPS"`, `"tracking_number":"1Z999"`, `"shipped_at":"`, admin.ID.String(), `"reason":"UPS 1Z999"`}},
		{Name: "ship again", As: admin, Do: "POST " + path + "/ship", Body: parcel, Want: 409},
		{Name: "cancel what was shipped", As: alice, Do: "POST " + path + "/cancel", Want: 409},
		{Name: "only an admin delivers", As: alice, Do: "POST " + path + "/deliver", Want: 403},
		{Name: "deliver", As: admin, Do: "POST " + path + "/deliver", Want: 200, Emits: []string{"orders.delivered"}, Has: []string{`"status":"delivered"`, `"delivered_at":"`}},
		{Name: "deliver again", As: admin, Do: "POST " + path + "/deliver", Want: 409},
		{Name: "the buyer sees it", As: alice, Do: "GET " + path, Want: 200, Has: []string{`"status":"delivered"`, `"refunded":0.00`}, HasNot: []string{`"refunds"`}},
	})
}

func TestRefunds(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	db, s, app, o := openWithOrder(t, alice)
	pending, err := s.Place(t.Context(), alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}, PaymentMethod: "credit_card"})
	if err != nil {
		t.Fatal(err)
	}
	path := "/orders/" + o.ID.String()
	kittest.Emitted(t, db)
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "only an admin refunds", As: alice, Do: "POST " + path + "/refund", Want: 403},
		{Name: "what was not paid", As: admin, Do: "POST /orders/" + pending.ID.String() + "/refund", Want: 409, Has: []string{`"order_transition"`}},
		{Name: "more than was bought", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":1,"quantity":3}]}`, Want: 409,
			Has: []string{`"refund_too_much"`, `"items[0].quantity":"only 2 left to give back"`}},
		{Name: "another product", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":7,"quantity":1}]}`, Want: 422, Has: []string{`"items[0].product_id"`}},
		{Name: "one thing twice", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":1,"quantity":1},{"product_id":1,"quantity":1}]}`, Want: 422},
		{Name: "one of two", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":1,"quantity":1}],"reason":"scratched"}`, Want: 200,
			Header: map[string]string{"Idempotency-Key": "7"}, Has: []string{`"refunded":299.99`}, Emits: []string{"orders.refunded"}},
		{Name: "the same, asked again", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":1,"quantity":1}],"reason":"scratched"}`, Want: 200,
			Header: map[string]string{"Idempotency-Key": "7"},
			Has:    []string{`"status":"partially_refunded"`, `"refunded":299.99`, `"reason":"scratched"`, `"restock":true`, `"settled_at":null`}},
		{Name: "the rest ships", As: admin, Do: "POST " + path + "/ship", Body: `{"carrier":"UPS"}`, Want: 200, Emits: []string{"orders.shipped"}, Has: []string{`"status":"shipped"`, `"refunded":299.99`}},
		{Name: "more than is left", As: admin, Do: "POST " + path + "/refund", Body: `{"items":[{"product_id":1,"quantity":2}]}`, Want: 409, Has: []string{`only 1 left`}},
		{Name: "all that is left, without a body", As: admin, Do: "POST " + path + "/refund", Want: 200, Emits: []string{"orders.refunded"},
			Has: []string{`"status":"refunded"`, `"refunded":599.98`, `"restock":false`}},
		{Name: "nothing is left", As: admin, Do: "POST " + path + "/refund", Want: 409},
	})
	returned, err := s.RestockedItems(t.Context(), o.ID)
	if err != nil || !slices.Equal(returned, []order.OrderItem{{ProductID: 1, Quantity: 1}}) {
		t.Errorf("what went back before it shipped goes on the shelf, what shipped does not: %v, %v", returned, err)
	}
}

func TestCancellingOwesWhatIsLeft(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	_, s, _, o := openWithOrder(t, alice)
	if _, err := s.Refund(t.Context(), admin, o.ID, order.NewRefund{Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Cancel(t.Context(), alice, o.ID)
	if err != nil || got.Refunded.String() != "599.98" || len(got.Refunds) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	owed, err := s.OpenRefunds(t.Context(), o.ID)
	if err != nil || len(owed) != 2 || owed[0].Amount.String() != "299.99" || !owed[1].Void {
		t.Fatalf("%+v, %v", owed, err)
	}
	for _, r := range owed {
		if err := s.SettleRefund(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if owed, err := s.OpenRefunds(t.Context(), o.ID); err != nil || len(owed) > 0 {
		t.Errorf("%+v, %v", owed, err)
	}
}

// TestOneOutcome has a buyer cancel, an admin ship and refund, and the workflow pay, all at one moment: whatever comes
// first, the history is one that the table allows, and what is owed is what was paid.
func TestOneOutcome(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	_, s, _, _ := openWithOrder(t, alice)
	seen := map[order.Status]int{}
	for range 30 {
		o, err := s.Place(t.Context(), alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "credit_card"})
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
			try(&cancelled, func() error { _, err := s.Cancel(ctx, alice, o.ID); return err })
			try(&shipped, func() error { _, err := s.Ship(ctx, admin, o.ID, order.Shipment{Carrier: "UPS"}); return err })
			try(&refunded, func() error { _, err := s.Refund(ctx, admin, o.ID, order.NewRefund{}); return err })
		}
		race.Wait()
		got, err := s.Get(t.Context(), alice, o.ID)
		if err != nil {
			t.Fatal(err)
		}
		seen[got.Status]++
		if cancelled.Load() > 1 || shipped.Load() > 1 || refunded.Load() > 1 || cancelled.Load()+refunded.Load() > 1 || cancelled.Load()+shipped.Load() > 1 {
			t.Errorf("%d cancelled, %d shipped, %d refunded: %+v", cancelled.Load(), shipped.Load(), refunded.Load(), got.History)
		}
		ended := got.Status == order.Cancelled && got.PaidAt != nil || got.Status == order.Refunded
		if ended != (got.Refunded.String() == "599.98") || !ended != (got.Refunded.Sign() == 0) {
			t.Errorf("%s with %s back: %+v", got.Status, got.Refunded, got.History)
		}
	}
	t.Logf("outcomes: %v", seen)
}

func TestByItself(t *testing.T) {
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
		t.Errorf("told %v", topics)
	}
}

func TestRecoveryFindsWhatIsLate(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	_, s, _, paid := openWithOrder(t, alice)
	pending, err := s.Place(t.Context(), alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "credit_card"})
	if err != nil {
		t.Fatal(err)
	}
	shipped, cancelled := paidOrder(t, s, alice), paidOrder(t, s, alice)
	if _, err := s.Ship(t.Context(), admin, shipped.ID, order.Shipment{Carrier: "UPS"}); err != nil {
		t.Fatal(err)
	}
	if cancelled, err = s.Cancel(t.Context(), alice, cancelled.ID); err != nil {
		t.Fatal(err)
	}
	find, later := s.Recovery(), time.Now().Add(time.Hour)
	refund := cancelled.Refunds[0]
	same := func(name string, found func(context.Context, time.Time, order.Instance) ([]order.Instance, error), want ...uuid.UUID) {
		t.Helper()
		all, err := found(t.Context(), later, order.Instance{})
		ids := []uuid.UUID{}
		for _, i := range all {
			ids = append(ids, i.ID())
			if next, err := found(t.Context(), later, i); err != nil || slices.Contains(next, i) {
				t.Errorf("%s: it comes after itself: %v, %v", name, next, err)
			}
			if i.Since.IsZero() || i.OrderID.UUID == uuid.Nil {
				t.Errorf("%s: %+v", name, i)
			}
		}
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v, %v", name, ids, want, err)
		}
		if all, err := found(t.Context(), later.Add(-2*time.Hour), order.Instance{}); err != nil || len(all) > 0 {
			t.Errorf("%s before its time: %v, %v", name, all, err)
		}
	}
	same("pending", find.Pending, pending.ID.UUID)
	same("unshipped", find.Unshipped, paid.ID.UUID)
	same("undelivered", find.Undelivered, shipped.ID.UUID)
	same("owing", find.OpenRefunds, refund.ID)
	same("ended", find.Ended, cancelled.ID.UUID)
	refund.OrderID = cancelled.ID
	if err := s.SettleRefund(t.Context(), refund); err != nil {
		t.Fatal(err)
	}
	same("owing no more", find.OpenRefunds)
	same("ended, and its refund too", find.Ended, cancelled.ID.UUID, refund.ID)
	all, err := find.Ended(t.Context(), later, order.Instance{})
	if err != nil {
		t.Fatal(err)
	}
	if after, err := find.Ended(t.Context(), later, all[0]); err != nil || len(after) != 1 || after[0].RefundID != refund.ID {
		t.Errorf("the next page: %+v, %v", after, err)
	}
	for _, i := range all {
		if err := find.MarkPurged(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	same("purged", find.Ended)
}

func TestParcelInWords(t *testing.T) {
	if got := (order.Shipment{Carrier: "UPS", TrackingNumber: "1Z"}).String(); !strings.EqualFold(got, "ups 1z") {
		t.Error(got)
	}
}

func TestErase(t *testing.T) {
	alice, bob, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	db, s, app, onItsWay := openWithOrder(t, alice)
	buy := func(who shop.Caller, key string) shop.OrderID {
		status, body := kittest.Do(t, app, kittest.Call{As: who, Do: "POST /orders", Body: basket, Header: map[string]string{"Idempotency-Key": key}})
		if status != 201 {
			t.Fatalf("%d %s", status, body)
		}
		return kittest.Field[shop.OrderID](t, body, "id")
	}
	ended, others := buy(alice, "a"), buy(bob, "b")
	for _, id := range []shop.OrderID{ended, others} {
		if err := s.MarkPaid(t.Context(), id, "sim"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Refund(t.Context(), admin, id, order.NewRefund{Reason: "Alice of 123 Main St wrote"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(t.Context(), `
		insert into dead_letters (event_id, topic, event)
		select gen_random_uuid(), 'orders.shipped', json_build_object('data', json_build_object('user_id', buyer, 'tracking_number', '1Z'))
		from unnest($1::uuid[]) as buyer`, []shop.UserID{alice.ID, bob.ID}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Erase(t.Context(), alice.ID); err != nil {
			t.Fatal(err)
		}
	}
	var traces int
	err := db.QueryRow(t.Context(), `
		select count(*) from orders o where o.user_id = $1 and o.id <> $2 and (o::text like '%Main%' or
			exists (select from order_history h where h.order_id = o.id and h::text like '%Main%') or
			exists (select from refunds r where r.order_id = o.id and r::text like '%Main%'))`, alice.ID, onItsWay.ID).Scan(&traces)
	if err != nil || traces != 0 {
		t.Errorf("%d orders still say where, %v", traces, err)
	}
	var keys int
	if err := db.QueryRow(t.Context(), `select count(*) from idempotency_keys where owner = $1`, alice.ID).Scan(&keys); err != nil || keys != 0 {
		t.Errorf("%d answers are kept, %v", keys, err)
	}
	var letters, hers int
	err = db.QueryRow(t.Context(), `select count(*), count(*) filter (where event::text like '%' || $1 || '%') from dead_letters`, alice.ID.String()).Scan(&letters, &hers)
	if err != nil || letters != 1 || hers != 0 {
		t.Errorf("%d dead letters are kept, %d of them hers, %v", letters, hers, err)
	}
	kept, err := s.Get(t.Context(), admin, ended)
	if err != nil || kept.Total.String() != "599.98" || kept.Refunded.String() != "599.98" || kept.ShippingAddress != (order.Address{Country: "USA"}) {
		t.Errorf("what was sold stays: %+v, %v", kept, err)
	}
	if other, err := s.Get(t.Context(), bob, others); err != nil || other.ShippingAddress.Street == "" || other.Refunds[0].Reason == "" {
		t.Errorf("another's order was erased: %+v, %v", other, err)
	}
}

func TestErasedWhenItArrives(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	_, s, app, _ := openWithOrder(t, alice)
	_, body := kittest.Do(t, app, kittest.Call{As: alice, Do: "POST /orders", Body: basket})
	id := kittest.Field[shop.OrderID](t, body, "id")
	if err := s.MarkPaid(t.Context(), id, "sim"); err != nil {
		t.Fatal(err)
	}
	if err := s.Erase(t.Context(), alice.ID); err != nil {
		t.Fatal(err)
	}
	o, err := s.Ship(t.Context(), admin, id, order.Shipment{Carrier: "UPS", TrackingNumber: "1Z"})
	if err != nil || o.ShippingAddress.Street == "" {
		t.Fatalf("a parcel needs its address: %+v, %v", o, err)
	}
	o, err = s.Deliver(t.Context(), admin, id)
	if err != nil || o.ShippingAddress.Street != "" || o.TrackingNumber != "" {
		t.Errorf("%+v, %v", o, err)
	}
}
