package order_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestErase(t *testing.T) {
	alice, bob, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	db, s, app, unshipped := openWithOrder(t, alice)
	place := func(caller shop.Caller, key string) shop.OrderID {
		status, body := kittest.Do(t, app, kittest.Call{
			As: caller, Do: "POST /orders", Body: newOrder, Header: map[string]string{"Idempotency-Key": key},
		})
		if status != 201 {
			t.Fatalf("%d %s", status, body)
		}
		return kittest.Field[shop.OrderID](t, body, "id")
	}
	ended, others := place(alice, "a"), place(bob, "b")
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
		select gen_random_uuid(), 'orders.shipped',
			json_build_object('data', json_build_object('user_id', buyer, 'tracking_number', '1Z'))
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
			exists (select from refunds r where r.order_id = o.id and r::text like '%Main%'))`, alice.ID, unshipped.ID).
		Scan(&traces)
	if err != nil || traces != 0 {
		t.Errorf("%d orders still have the address, %v", traces, err)
	}
	var keys int
	err = db.QueryRow(t.Context(), `select count(*) from idempotency_keys where owner = $1`, alice.ID).Scan(&keys)
	if err != nil || keys != 0 {
		t.Errorf("%d stored responses, %v", keys, err)
	}
	var deadLetters, ofAlice int
	err = db.QueryRow(t.Context(), `
		select count(*), count(*) filter (where event::text like '%' || $1 || '%') from dead_letters`, alice.ID.String()).
		Scan(&deadLetters, &ofAlice)
	if err != nil || deadLetters != 1 || ofAlice != 0 {
		t.Errorf("%d dead letters, %d of the erased user, %v", deadLetters, ofAlice, err)
	}
	erased, err := s.Get(t.Context(), admin, ended)
	if err != nil || erased.Total.String() != "599.98" || erased.Refunded.String() != "599.98" ||
		erased.ShippingAddress != (order.Address{Country: "USA"}) {
		t.Errorf("the order's amounts must stay: %+v, %v", erased, err)
	}
	other, err := s.Get(t.Context(), bob, others)
	if err != nil || other.ShippingAddress.Street == "" || other.Refunds[0].Reason == "" {
		t.Errorf("the order of another user was erased: %+v, %v", other, err)
	}
}

func TestErasedAfterDelivery(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	_, s, app, _ := openWithOrder(t, alice)
	_, body := kittest.Do(t, app, kittest.Call{As: alice, Do: "POST /orders", Body: newOrder})
	id := kittest.Field[shop.OrderID](t, body, "id")
	if err := s.MarkPaid(t.Context(), id, "sim"); err != nil {
		t.Fatal(err)
	}
	if err := s.Erase(t.Context(), alice.ID); err != nil {
		t.Fatal(err)
	}
	o, err := s.Ship(t.Context(), admin, id, order.Shipment{Carrier: "UPS", TrackingNumber: "1Z"})
	if err != nil || o.ShippingAddress.Street == "" {
		t.Fatalf("an order on its way keeps its address: %+v, %v", o, err)
	}
	o, err = s.Deliver(t.Context(), admin, id)
	if err != nil || o.ShippingAddress.Street != "" || o.TrackingNumber != "" {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestErasureDuringARefund: an erasure that waits for a refund by an admin erases the reason of that refund, too.
func TestErasureDuringARefund(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	db, s, _, o := openWithOrder(t, alice)
	refund, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer refund.Rollback(context.Background()) //nolint:errcheck // it is committed, unless the test fails
	if _, err := refund.Exec(t.Context(), `
		with locked as (select id, status from orders where id = $1 for update), history as (
			insert into order_history (order_id, status, at, by, reason)
			select id, status, now(), $2, 'Alice of 123 Main St wrote' from locked)
		insert into refunds (id, order_id, items, amount, currency, restock, void, reason, by)
		select $3, id, '[]', 0, 'USD', false, false, 'Alice of 123 Main St wrote', $2 from locked`,
		o.ID, admin.ID.String(), shop.NewID()); err != nil {
		t.Fatal(err)
	}
	erased := make(chan error, 1)
	go func() { erased <- s.Erase(t.Context(), alice.ID) }()
	kittest.Eventually(t, 10*time.Second, func() error {
		var waits bool
		err := db.QueryRow(t.Context(), `
			select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`).
			Scan(&waits)
		if err == nil && !waits {
			err = errors.New("the erasure does not wait")
		}
		return err
	})
	if err := refund.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-erased; err != nil {
		t.Fatal(err)
	}
	var reasons int
	if err := db.QueryRow(t.Context(), `
		select (select count(*) from order_history where order_id = $1 and reason like '%Main%')
			+ (select count(*) from refunds where order_id = $1 and reason like '%Main%')`, o.ID).
		Scan(&reasons); err != nil || reasons != 0 {
		t.Errorf("%d reasons still have the address, %v", reasons, err)
	}
}
