package notice

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/device"
	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func newFixture(t *testing.T) (*web.App, *pgxpool.Pool) {
	t.Helper()
	db := kittest.DB(t, event.Migrations, inbox.Migrations, contact.Migrations, template.Migrations, preference.Migrations,
		delivery.Migrations, device.Migrations)
	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	inbox.NewService(db).Routes(app)
	preference.NewService(db, preference.NewUnsubscribeTokens("key"), delivery.ApplyPreferences).Routes(app)
	delivery.NewService(db, delivery.NewTrackingTokens("key")).Routes(app)
	s := NewService(db)
	s.Routes(app)
	s.Subscribe(event.NewHub(app, "notifications", event.NewOutbox(db)))
	return app, db
}

func readInbox(t *testing.T, app *web.App, caller shop.Caller, query string) (in inbox.NotificationPage) {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{As: caller, Do: "GET /notifications" + query})
	if status != 200 {
		t.Fatalf("inbox: %d: %s", status, body)
	}
	if err := json.Unmarshal(body, &in); err != nil {
		t.Fatal(err)
	}
	return in
}

func kinds(in inbox.NotificationPage) (all []string) {
	for _, m := range in.Items {
		all = append(all, m.Kind)
	}
	return all
}

func orderPlaced(buyer shop.Caller) shop.OrderPlaced {
	return shop.OrderPlaced{OrderID: shop.OrderID{UUID: shop.NewID()}, Number: "SC-1", UserID: buyer.ID, Total: shop.MustMoney("599.98"),
		Currency: "USD", Items: []shop.OrderLine{{ProductID: 1, Name: "Wireless Headphones", Quantity: 2}}}
}

func change(t *testing.T, db *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
