package event_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// TestPurgeUser: dead letters with the data of an erased user are deleted, however the user_id is written and whenever
// they arrive; all others stay.
func TestPurgeUser(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	app := web.New("notifications", web.Config{})
	event.NewHub(app, "notifications", db)
	alice, bob := shop.UserID{UUID: shop.NewID()}, shop.UserID{UUID: shop.NewID()}
	addDeadLetter := func(topic, form string, about shop.UserID) {
		t.Helper()
		if status, body := kittest.Do(t, app, kittest.Call{Do: "POST /events/dead", Body: fmt.Sprintf(form, shop.NewID(), topic, about)}); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	remaining := func(about shop.UserID) (topics []string) {
		t.Helper()
		rows, err := db.Query(t.Context(), `select topic from dead_letters where event::text like '%' || $1 || '%' order by topic`, about.String())
		if err == nil {
			topics, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			t.Fatal(err)
		}
		return topics
	}
	const usual, spaced, zero, broken, several = `{"id":%q,"type":%q,"data":{"user_id":%q,"email":"a@example.com"}}`,
		"{\"id\" : %q, \"type\" : %q, \"data\" : {\n\t\"user_id\" : %q } }", `{"id":%q,"type":%q,"data":{"full_name":"\u0000","user_id":%q}}`,
		`{"id":%q,"type":%q,"data":{"user_id":%q,"email":"a@exam`, `{"id":%q,"type":%q,"data":{"user_ids":[%q]}}`
	for _, user := range []shop.UserID{alice, bob} {
		for _, form := range []string{usual, spaced, zero, broken} {
			addDeadLetter("users.registered", form, user)
		}
		addDeadLetter("users.erased", usual, user)
		addDeadLetter("stock.back", several, user)
	}
	wantAlice, wantBob := []string{"stock.back", "users.erased"}, remaining(bob)
	if len(wantBob) != 6 || len(remaining(alice)) != 6 {
		t.Fatalf("%v and %v remain", remaining(alice), wantBob)
	}
	for range 2 {
		if err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error { return event.PurgeUser(t.Context(), tx, alice) }); err != nil {
			t.Fatal(err)
		}
	}
	if got := remaining(alice); !slices.Equal(got, wantAlice) {
		t.Errorf("of the erased user %v are left, want %v", got, wantAlice)
	}
	for _, form := range []string{usual, spaced, zero, broken} {
		addDeadLetter("users.locked", form, alice)
	}
	if err := event.Prune(t.Context(), db.Pool); err != nil {
		t.Fatal(err)
	}
	if got := remaining(alice); !slices.Equal(got, wantAlice) {
		t.Errorf("of the erased user %v are left after pruning, want %v", got, wantAlice)
	}
	if got := remaining(bob); !slices.Equal(got, wantBob) {
		t.Errorf("of another user %v are left, want %v", got, wantBob)
	}
}

// TestReplayedErasure: a dead letter of users.erased is handled by its replay and then deleted.
func TestReplayedErasure(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	app := web.New("notifications", web.Config{})
	event.On(event.NewHub(app, "notifications", db), func(ctx context.Context, tx event.TX, e shop.UserErased) error {
		return event.PurgeUser(ctx, tx, e.UserID)
	})
	id, user := shop.NewID().String(), shop.NewID()
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "becomes a dead letter", Do: "POST /events/dead", Body: fmt.Sprintf(`{"id":%q,"type":"users.erased","data":{"user_id":%q}}`, id, user), Want: 200},
		{Name: "replayed", Do: "POST /dead-letters/" + id + "/replay", Want: 204},
		{Name: "deleted", Do: "GET /dead-letters", Want: 200, Has: []string{`"items":[]`}},
	})
}
