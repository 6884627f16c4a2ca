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

func updatePreferences(t *testing.T, db *pgxpool.Pool, user shop.UserID, u preference.PreferencesUpdate) {
	t.Helper()
	if _, err := preference.NewService(db, unsubscribeTokens, ApplyPreferences).Update(t.Context(), user, u); err != nil {
		t.Fatal(err)
	}
}

// quietHoursNow began an hour ago in a time zone, and last for another two.
func quietHoursNow(zone string) preference.PreferencesUpdate {
	at, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	now := time.Now().In(at)
	return preference.PreferencesUpdate{TimeZone: &zone, QuietHours: &preference.QuietHours{
		From: now.Add(-time.Hour).Format("15:04"), Until: now.Add(2 * time.Hour).Format("15:04"),
	}}
}

// awaitDeferred waits until n deliveries are deferred to the end of the quiet hours, without an attempt.
func awaitDeferred(t *testing.T, db *pgxpool.Pool, n int) {
	t.Helper()
	kittest.Eventually(t, 20*time.Second, func() error {
		var deferred int
		err := db.QueryRow(t.Context(), `
			select count(*) from deliveries d where state = 'waiting' and leased_until is null and due_at > now() + interval '1 hour'
			and due_at < now() + interval '2 hours' and attempts = (select count(*) from attempts where delivery_id = d.id)`).Scan(&deferred)
		if err != nil || deferred != n {
			return fmt.Errorf("%d are deferred, want %d; %v %w", deferred, n, states(t, db), err)
		}
		return nil
	})
}

// TestQuietHoursDeferRetries covers retries after an outage and by an admin. Urgent kinds are sent.
func TestQuietHoursDeferRetries(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	user := newUser(t, db, "ada")
	provider.failWith(func(Message) error { return errors.New("connection refused") })
	enqueue(t, db, user, kind.Paid, "1")
	runWorker(t, db, provider, noToken)
	awaitState(t, db, "waiting: connection refused", 1)
	updatePreferences(t, db, user, quietHoursNow("Europe/Berlin"))
	provider.failWith(nil)
	enqueue(t, db, user, kind.Locked, "2")
	if got := provider.await(t, 1); got[0].Job.Kind != kind.Locked {
		t.Errorf("sent %v", got)
	}
	awaitDeferred(t, db, 1)

	var id ID
	if err := db.QueryRow(t.Context(), `update deliveries set state = 'dead' where state = 'waiting' returning id`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if _, err := NewService(db, TrackingTokens{}).Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	awaitDeferred(t, db, 1)
	if n := len(provider.messages()); n != 1 {
		t.Errorf("%d messages, want the urgent one", n)
	}
}

// TestNewQuietHoursApplyImmediately: without quiet hours, or in another time zone, deferred jobs are sent in their
// order.
func TestNewQuietHoursApplyImmediately(t *testing.T) {
	t.Parallel()
	off := preference.PreferencesUpdate{QuietHours: &preference.QuietHours{}}
	for name, change := range map[string]preference.PreferencesUpdate{"none": off, "another zone": {TimeZone: ptr("Asia/Tokyo")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, provider := database(t), &fakeProvider{}
			user := newUser(t, db, "ada")
			runWorker(t, db, provider, noToken)
			updatePreferences(t, db, user, quietHoursNow("America/New_York"))
			enqueue(t, db, user, kind.Paid, "1")
			awaitDeferred(t, db, 1)
			updatePreferences(t, db, user, change)
			enqueue(t, db, user, kind.Paid, "2")
			for n, l := range provider.await(t, 2) {
				if want := fmt.Sprintf("Your order %d is paid", n+1); l.Title != want {
					t.Errorf("message %d is %q", n+1, l.Title)
				}
			}
		})
	}
}

// TestOptOutAppliesToWaitingJobs covers single jobs, and digests that also have other news.
func TestOptOutAppliesToWaitingJobs(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	ada, bob := newUser(t, db, "ada"), newUser(t, db, "bob")
	for _, user := range []shop.UserID{ada, bob} {
		updatePreferences(t, db, user, preference.PreferencesUpdate{Digest: ptr(preference.Daily)})
		enqueue(t, db, user, kind.StockBack, "thing 1")
		enqueue(t, db, user, kind.StockBack, "thing 2")
	}
	enqueue(t, db, ada, kind.Broadcast, "a broadcast")
	s := preference.NewService(db, unsubscribeTokens, ApplyPreferences)
	for _, user := range []shop.UserID{ada, bob} {
		if _, err := s.Unsubscribe(t.Context(), unsubscribeTokens.Sign(user, kind.StockBack)); err != nil {
			t.Fatal(err)
		}
	}
	enqueue(t, db, bob, kind.Paid, "3")
	updatePreferences(t, db, bob, preference.PreferencesUpdate{Kinds: map[string]map[kind.Channel]bool{kind.Paid: {kind.Email: false}}})
	runWorker(t, db, provider, noToken)
	if _, err := db.Exec(t.Context(), `update deliveries set due_at = now()`); err != nil {
		t.Fatal(err)
	}
	awaitState(t, db, "skipped: obsolete: the user has turned this kind off", 5)
	awaitState(t, db, "sent", 1)
	if got := provider.messages(); len(got) != 1 || got[0].Job.Kind != kind.Broadcast || strings.Contains(got[0].HTML, "thing") {
		t.Errorf("sent %+v", got)
	}
}

// TestDigestKeepsItsTime when other preferences change; without digests it is sent immediately.
func TestDigestKeepsItsTime(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
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
	before := due()
	updatePreferences(t, db, user, preference.PreferencesUpdate{Tracking: ptr(true)})
	if got := due(); !got.Equal(before) {
		t.Errorf("due at %s, not at %s", got, before)
	}
	runWorker(t, db, provider, noToken)
	updatePreferences(t, db, user, preference.PreferencesUpdate{Digest: ptr(preference.Off)})
	provider.await(t, 1)
}
