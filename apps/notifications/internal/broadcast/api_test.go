package broadcast

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/device"
	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func newFixture(t *testing.T, users int) (*web.App, *pgxpool.Pool, *Service) {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, inbox.Migrations, contact.Migrations, template.Migrations,
		preference.Migrations, delivery.Migrations, device.Migrations, Migrations)
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		for n := range users {
			user := shop.UserID{UUID: shop.NewID()}
			c := contact.Contact{UserID: user, Email: fmt.Sprintf("p%d@example.com", n), Username: fmt.Sprintf("p%d", n)}
			if err := contact.Register(t.Context(), tx, c); err != nil {
				return err
			}
			if n%10 == 0 {
				if err := contact.UpdateRole(t.Context(), tx, shop.NewID(), user, shop.Admin); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	s := NewService(event.NewOutbox(db))
	s.Routes(app)
	return app, db, s
}

func TestBroadcast(t *testing.T) {
	t.Parallel()
	app, db, s := newFixture(t, 250)
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	const path = "POST /notifications/broadcast"
	key := map[string]string{"Idempotency-Key": "k1"}
	var id string
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "no token", Do: path, Body: `{"title":"a","body":"b"}`, Want: 401},
		{Name: "a user", As: alice, Do: path, Body: `{"title":"a","body":"b"}`, Want: 403},
		{Name: "invalid fields", As: admin, Do: path, Body: `{"title":" ","role":"king"}`, Want: 422, Has: []string{`"title"`, `"body"`, `"role"`}},
		{Name: "all users", As: admin, Do: path, Header: key, Body: `{"title":"Sale","body":"All things half price"}`, Want: 202, Has: []string{`"state":"running"`, `"total":250`, `"notified":0`},
			AndThen: func(t *testing.T, body []byte) { id = kittest.Field[string](t, body, "id") }},
		{Name: "the same key", As: admin, Do: path, Header: key, Body: `{"title":"Sale","body":"All things half price"}`, Want: 202,
			AndThen: func(t *testing.T, body []byte) {
				if again := kittest.Field[string](t, body, "id"); again != id {
					t.Errorf("another broadcast")
				}
			}},
		{Name: "admins", As: admin, Do: path, Body: `{"title":"Meeting","body":"At noon","role":"admin"}`, Want: 202, Has: []string{`"total":25`}},
		{Name: "unknown id", As: admin, Do: "GET /notifications/broadcast/" + uuid.NewString(), Want: 404, Has: []string{"broadcast_not_found"}},
	})
	ctx, stop := context.WithCancel(t.Context())
	var replicas sync.WaitGroup
	for range 3 {
		replicas.Go(func() { _ = s.Run(ctx) })
	}
	t.Cleanup(func() { stop(); replicas.Wait() })
	kittest.Eventually(t, 30*time.Second, func() error {
		var running int
		if err := db.QueryRow(t.Context(), `select count(*) from broadcasts where state = 'running'`).Scan(&running); err != nil || running > 0 {
			return fmt.Errorf("%d run, %w", running, err)
		}
		return nil
	})
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "progress", As: admin, Do: "GET /notifications/broadcast/" + id, Want: 200, Has: []string{`"state":"done"`, `"notified":250`, `"finished_at":"`}},
		{Name: "progress for a user", As: alice, Do: "GET /notifications/broadcast/" + id, Want: 403},
	})
	for title, want := range map[string]int{"Sale": 250, "Meeting": 25} {
		var users, notifications, mails int
		err := db.QueryRow(t.Context(), `
			select count(distinct user_id), count(*),
				(select count(*) from deliveries where kind = 'broadcast' and channel = 'email' and variables->>'Title' = $1)
			from notifications where kind = 'broadcast' and title = $1`, title).Scan(&users, &notifications, &mails)
		if err != nil || users != want || notifications != want || mails != want {
			t.Errorf("%s: %d users, %d notifications, %d e-mails, want %d of each; %v", title, users, notifications, mails, want, err)
		}
	}
}

// TestBrokenTemplateBlocksNoBroadcast neither its own nor the next.
func TestBrokenTemplateBlocksNoBroadcast(t *testing.T) {
	t.Parallel()
	_, db, s := newFixture(t, 3)
	if _, err := db.Exec(t.Context(), `
		insert into templates (kind, channel, language, version, title, body, html, changed_by)
		values ('broadcast', 'in_app', 'en', 1, '{{.Titel}}', '{{.Text}}', '', gen_random_uuid())`); err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{"First", "Second"} {
		if _, err := s.Start(t.Context(), shop.UserID{UUID: shop.NewID()}, NewBroadcast{Title: title, Body: "All of it"}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if found, err := s.step(t.Context()); err != nil || !found {
			t.Fatalf("found %v, %v", found, err)
		}
	}
	for _, title := range []string{"First", "Second"} {
		var notified int
		if err := db.QueryRow(t.Context(), `select count(*) from notifications where title = $1 and body = 'All of it'`, title).Scan(&notified); err != nil || notified != 3 {
			t.Errorf("%s: %d of 3 are notified, %v", title, notified, err)
		}
	}
}

// TestFailingBroadcastIsPostponed, so that others run meanwhile.
func TestFailingBroadcastIsPostponed(t *testing.T) {
	t.Parallel()
	_, db, s := newFixture(t, 3)
	for _, title := range []string{"Failing", "Other"} {
		if _, err := s.Start(t.Context(), shop.UserID{UUID: shop.NewID()}, NewBroadcast{Title: title, Body: "All of it"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(t.Context(), `
		create function fails() returns trigger language plpgsql as $$ begin raise 'a failing row'; end $$;
		create trigger fails before insert on notifications for each row when (new.title = 'Failing') execute function fails()`); err != nil {
		t.Fatal(err)
	}
	if found, err := s.step(t.Context()); !found || err == nil {
		t.Errorf("the failing one: %t, %v", found, err)
	}
	if found, err := s.step(t.Context()); !found || err != nil {
		t.Errorf("the other one: %t, %v", found, err)
	}
	var running string
	if err := db.QueryRow(t.Context(), `select string_agg(title, ' ') from broadcasts where state = 'running'`).Scan(&running); err != nil || running != "Failing" {
		t.Errorf("%s run, %v", running, err)
	}
}
