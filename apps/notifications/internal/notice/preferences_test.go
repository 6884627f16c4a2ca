package notice

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

type plannedDelivery struct {
	Kind     string
	Channel  string
	Priority int
	Waiting  bool // until a later time
}

func plannedDeliveries(t *testing.T, db *pgxpool.Pool, caller shop.Caller) []plannedDelivery {
	t.Helper()
	rows, err := db.Query(t.Context(), `
		select kind, channel, priority, due_at > now() + interval '1 minute' as waiting from deliveries where user_id = $1 order by id`, caller.ID)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[plannedDelivery])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPreferencesDecide checks the deliveries of the same event with different preferences.
func TestPreferencesDecide(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	quiet := fmt.Sprintf(`{"quiet_hours":{"from":%q,"until":%q}}`, now.Add(-time.Hour).Format("15:04"), now.Add(2*time.Hour).Format("15:04"))
	for _, c := range []struct {
		name, update string
		back         bool // StockBack, which is news, instead of OrderPlaced
		want         []plannedDelivery
		inbox        int
	}{
		{"defaults", `{}`, false, []plannedDelivery{{"orders.placed", "email", 1, false}}, 1},
		{"no e-mail", `{"kinds":{"orders.placed":{"email":false}}}`, false, nil, 1},
		{"not in the inbox", `{"kinds":{"orders.placed":{"in_app":false}}}`, false, []plannedDelivery{{"orders.placed", "email", 1, false}}, 0},
		{"SMS with a number", `{"phone":"+491701234567","kinds":{"orders.placed":{"sms":true}}}`, false,
			[]plannedDelivery{{"orders.placed", "email", 1, false}, {"orders.placed", "sms", 1, false}}, 1},
		{"SMS without a number", `{"kinds":{"orders.placed":{"sms":true}}}`, false, []plannedDelivery{{"orders.placed", "email", 1, false}}, 1},
		{"quiet hours", quiet, false, []plannedDelivery{{"orders.placed", "email", 1, true}}, 1},
		{"news", `{}`, true, []plannedDelivery{{"stock.back", "email", 1, false}}, 1},
		{"a digest of news", `{"digest":"daily"}`, true, []plannedDelivery{{"stock.back", "email", 2, true}}, 1},
		{"a digest is for news only", `{"digest":"daily"}`, false, []plannedDelivery{{"orders.placed", "email", 1, false}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app, db := newFixture(t)
			alice := kittest.NewCaller(shop.User)
			status, body := kittest.Do(t, app, kittest.Call{As: alice, Do: "PUT /notifications/preferences", Body: c.update})
			if status != 200 {
				t.Fatalf("%d: %s", status, body)
			}
			var e shop.Event = orderPlaced(alice)
			if c.back {
				e = shop.StockBack{ProductID: 1, SKU: "A", Name: "Case", Available: 1, UserIDs: []shop.UserID{alice.ID}}
			}
			kittest.Deliver(t, app, shop.NewID(), e)
			if got := plannedDeliveries(t, db, alice); !slices.Equal(got, c.want) {
				t.Errorf("planned %v, want %v", got, c.want)
			}
			if in := readInbox(t, app, alice, ""); len(in.Items) != c.inbox {
				t.Errorf("%d in the inbox, want %d", len(in.Items), c.inbox)
			}
		})
	}
}

// TestNewsArePushed checks that news are sent by e-mail only if the push fails; other kinds are sent on both channels.
func TestNewsArePushed(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	_, err := db.Exec(t.Context(), `insert into devices (id, user_id, label, endpoint, p256dh, auth) values (gen_random_uuid(), $1, '', 'x', '', '')`, alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: alice.ID, Username: "alice", Email: "alice@example.com"})
	kittest.Deliver(t, app, shop.NewID(), shop.StockBack{ProductID: 1, SKU: "A", Name: "Case", Available: 1, UserIDs: []shop.UserID{alice.ID}})
	kittest.Deliver(t, app, shop.NewID(), orderPlaced(alice))
	want := []plannedDelivery{{"stock.back", "push", 1, false}, {"orders.placed", "email", 1, false}, {"orders.placed", "push", 1, false}}
	if got := plannedDeliveries(t, db, alice); !slices.Equal(got, want) {
		t.Errorf("planned %v, want %v", got, want)
	}
	refused := delivery.Provider{Name: "push", Concurrency: 2, PerSecond: 1000, Send: func(context.Context, delivery.Message) (string, error) {
		return "", delivery.ErrRefused
	}}
	renderer := delivery.NewRenderer(db, "https://shop.example.com", preference.NewUnsubscribeTokens("key"), delivery.NewTrackingTokens("key"), nil)
	worker := delivery.NewWorker(db, renderer.Render, map[kind.Channel]delivery.Provider{kind.Push: refused})
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { _ = worker.Run(ctx) })
	t.Cleanup(func() { stop(); work.Wait() })
	kittest.Eventually(t, 20*time.Second, func() error {
		if got := plannedDeliveries(t, db, alice); len(got) != 4 || got[3] != (plannedDelivery{"stock.back", "email", 1, false}) {
			return fmt.Errorf("planned %v", got)
		}
		return nil
	})
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	app, _ := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	kittest.Do(t, app, kittest.Call{As: alice, Do: "PUT /notifications/preferences", Body: `{"language":"de"}`})
	kittest.Deliver(t, app, shop.NewID(), orderPlaced(alice))
	if in := readInbox(t, app, alice, ""); in.Items[0].Title != "Wir haben Ihre Bestellung SC-1" {
		t.Errorf("title %q", in.Items[0].Title)
	}
}
