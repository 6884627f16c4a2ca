package delivery

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func updatePreferences(t *testing.T, db *pgxpool.Pool, user shop.UserID, c preference.PreferencesUpdate) {
	t.Helper()
	if _, err := preference.NewService(db, unsubscribeTokens, Reconsider).Update(t.Context(), user, c); err != nil {
		t.Fatal(err)
	}
}

// quietHoursNow are quiet hours in a zone that have begun an hour ago there, and last for another two.
func quietHoursNow(zone string) preference.PreferencesUpdate {
	at, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	now := time.Now().In(at)
	return preference.PreferencesUpdate{TimeZone: &zone,
		QuietHours: &preference.QuietHours{From: now.Add(-time.Hour).Format("15:04"), Until: now.Add(2 * time.Hour).Format("15:04")}}
}

// awaitDeferred waits until so many deliveries wait for the end of quiet hours, as if nobody had looked at them there.
func awaitDeferred(t *testing.T, db *pgxpool.Pool, n int) {
	t.Helper()
	kittest.Eventually(t, 20*time.Second, func() error {
		var held int
		err := db.QueryRow(t.Context(), `
			select count(*) from deliveries d where state = 'waiting' and leased_until is null and due_at > now() + interval '1 hour'
			and due_at < now() + interval '2 hours' and attempts = (select count(*) from attempts where delivery_id = d.id)`).Scan(&held)
		if err != nil || held != n {
			return fmt.Errorf("%d are held, want %d; %v %w", held, n, states(t, db), err)
		}
		return nil
	})
}

// TestQuietHoursHoldAlsoWhatIsLate: what the silence of a provider or an admin brings into them; what is urgent goes.
func TestQuietHoursHoldAlsoWhatIsLate(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	user := newUser(t, db, "ada")
	box.failWith(func(Message) error { return errors.New("connection refused") })
	enqueue(t, db, user, kind.Paid, "1")
	runWorker(t, db, box, noToken)
	awaitState(t, db, "waiting: connection refused", 1)
	updatePreferences(t, db, user, quietHoursNow("Europe/Berlin"))
	box.failWith(nil)
	enqueue(t, db, user, kind.Locked, "2")
	if got := box.await(t, 1); got[0].Job.Kind != kind.Locked {
		t.Errorf("sent %v", got)
	}
	awaitDeferred(t, db, 1)

	var id ID
	if err := db.QueryRow(t.Context(), `update deliveries set state = 'dead' where state = 'waiting' returning id`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if _, err := NewService(db).Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	awaitDeferred(t, db, 1)
	if n := len(box.messages()); n != 1 {
		t.Errorf("%d letters, want the urgent one", n)
	}
}

// TestOtherQuietHoursHoldAtOnce: and none, or the right time zone, let go what they held, and what came behind it.
func TestOtherQuietHoursHoldAtOnce(t *testing.T) {
	t.Parallel()
	off := preference.PreferencesUpdate{QuietHours: &preference.QuietHours{}}
	for name, change := range map[string]preference.PreferencesUpdate{"none": off, "another zone": {TimeZone: ptr("Asia/Tokyo")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, box := database(t), &fakeProvider{}
			user := newUser(t, db, "ada")
			runWorker(t, db, box, noToken)
			updatePreferences(t, db, user, quietHoursNow("America/New_York"))
			enqueue(t, db, user, kind.Paid, "1")
			awaitDeferred(t, db, 1)
			updatePreferences(t, db, user, change)
			enqueue(t, db, user, kind.Paid, "2")
			for n, l := range box.await(t, 2) {
				if want := fmt.Sprintf("Your order %d is paid", n+1); l.Title != want {
					t.Errorf("letter %d is %q", n+1, l.Title)
				}
			}
		})
	}
}

// TestNobodyGetsWhatTheyTurnedOffMeanwhile: by itself, or in a digest that has other news.
func TestNobodyGetsWhatTheyTurnedOffMeanwhile(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	ada, bob := newUser(t, db, "ada"), newUser(t, db, "bob")
	for _, user := range []shop.UserID{ada, bob} {
		updatePreferences(t, db, user, preference.PreferencesUpdate{Digest: ptr(preference.Daily)})
		enqueue(t, db, user, kind.StockBack, "thing 1")
		enqueue(t, db, user, kind.StockBack, "thing 2")
	}
	enqueue(t, db, ada, kind.Broadcast, "a message to all")
	s := preference.NewService(db, unsubscribeTokens, Reconsider)
	for _, user := range []shop.UserID{ada, bob} {
		if _, err := s.Unsubscribe(t.Context(), unsubscribeTokens.Sign(user, kind.StockBack)); err != nil {
			t.Fatal(err)
		}
	}
	enqueue(t, db, bob, kind.Paid, "3")
	updatePreferences(t, db, bob, preference.PreferencesUpdate{Kinds: map[string]map[kind.Channel]bool{kind.Paid: {kind.Email: false}}})
	runWorker(t, db, box, noToken)
	if _, err := db.Exec(t.Context(), `update deliveries set due_at = now()`); err != nil {
		t.Fatal(err)
	}
	awaitState(t, db, "skipped: not needed: its reader does not want it any more", 5)
	awaitState(t, db, "sent", 1)
	if got := box.messages(); len(got) != 1 || got[0].Job.Kind != kind.Broadcast || strings.Contains(got[0].HTML, "thing") {
		t.Errorf("sent %+v", got)
	}
}

// TestADigestKeepsItsMorning while it stays one.
func TestADigestKeepsItsMorning(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	user := newUser(t, db, "ada")
	updatePreferences(t, db, user, preference.PreferencesUpdate{Digest: ptr(preference.Daily)})
	enqueue(t, db, user, kind.StockBack, "thing 1")
	due := func() (at time.Time) {
		t.Helper()
		if err := db.QueryRow(t.Context(), `select due_at from deliveries`).Scan(&at); err != nil {
			t.Fatal(err)
		}
		return at
	}
	morning := due()
	updatePreferences(t, db, user, preference.PreferencesUpdate{Tracking: ptr(true)})
	if got := due(); !got.Equal(morning) {
		t.Errorf("due at %s, not at %s", got, morning)
	}
	runWorker(t, db, box, noToken)
	updatePreferences(t, db, user, preference.PreferencesUpdate{Digest: ptr(preference.Off)})
	box.await(t, 1)
}
