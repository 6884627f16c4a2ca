package order_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

func TestDiagnostics(t *testing.T) {
	unavailable := false // the notifications service
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations, payment.Migrations)
	others, o := calls(reserve), order.Order{}
	others.Notifications = func(_ context.Context, buyer shop.UserID, id shop.OrderID) ([]order.OrderNotification, error) {
		if unavailable || buyer != alice.ID || id != o.ID {
			return nil, sidecar.ErrUpstream
		}
		return []order.OrderNotification{{Kind: "orders.placed", Channel: "email", State: "sent", Attempts: 1}}, nil
	}
	s, app := order.NewService(event.NewOutbox(db), others), web.New("orders", web.Config{Verify: kittest.Verify})
	s.Routes(app)
	o = place(t, s)
	if _, err := db.Exec(t.Context(), `
		with owner as (update orders set user_id = $2 where id = $1)
		insert into payments (order_id, provider, amount, currency, state, reference)
		values ($1, 'simulated', 299.99, 'USD', 'approved', 'sim_1')`,
		o.ID, alice.ID); err != nil {
		t.Fatal(err)
	}
	traced := map[string]string{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	_, body := kittest.Do(t, app, kittest.Call{As: alice, Do: "POST /orders", Body: newOrder, Header: traced})
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "buyer", As: alice, Do: "GET /orders/" + o.ID.String(), Want: 200, HasNot: []string{`"admin"`, "sim_1 "}},
		{Name: "admin", As: admin, Do: "GET /orders/" + o.ID.String(), Want: 200, Has: []string{
			`"workflow":{"status":"running"}`, `"provider":"simulated"`, `"reference":"sim_1"`, `"events_pending":[{"topic":"orders.placed"`,
			`"events_published":[]`, `"notifications":[{`, `"kind":"orders.placed","channel":"email","state":"sent","attempts":1`}},
		{Name: "trace, without notifications", As: admin, Do: "GET /orders/" + kittest.Field[string](t, body, "id"), Want: 200,
			Has: []string{`"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"`}, HasNot: []string{`"notifications"`}},
	})
	relayEvents(t, db)
	unavailable = true
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "notifications unavailable", As: admin, Do: "GET /orders/" + o.ID.String(), Want: 200, Has: []string{
			`"workflow":{"status":"running"}`, `"events_pending":[]`, `"published_at":"`,
			`"events_published":[{"topic":"orders.placed","emitted_at":"`}, HasNot: []string{`"notifications"`}},
	})
}

// relayEvents publishes all events of the outbox.
func relayEvents(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		publish := func(context.Context, string, []byte) error { return nil }
		_ = event.Relay(ctx, event.NewOutbox(db), "orders", publish, true)
	}()
	kittest.Eventually(t, 20*time.Second, func() error {
		var waiting int
		err := db.QueryRow(ctx, `select count(*) from outbox`).Scan(&waiting)
		if err == nil && waiting > 0 {
			err = fmt.Errorf("%d events are pending", waiting)
		}
		return err
	})
}
