package preference

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func TestQuietHours(t *testing.T) {
	for _, c := range []struct{ name, zone, from, until, now, want string }{
		{"at night", "Europe/Berlin", "22:00", "07:00", "2026-01-15T23:30:00+01:00", "2026-01-16T07:00:00+01:00"},
		{"early", "Europe/Berlin", "22:00", "07:00", "2026-01-16T06:59:00+01:00", "2026-01-16T07:00:00+01:00"},
		{"when they end", "Europe/Berlin", "22:00", "07:00", "2026-01-16T07:00:00+01:00", ""},
		{"by day", "Europe/Berlin", "22:00", "07:00", "2026-01-16T12:00:00+01:00", ""},
		{"a nap", "UTC", "13:00", "15:00", "2026-01-16T13:00:00Z", "2026-01-16T15:00:00Z"},
		{"in another zone", "America/New_York", "22:00", "07:00", "2026-01-16T05:00:00Z", "2026-01-16T12:00:00Z"},
		{"the night in which an hour is skipped", "Europe/Berlin", "22:00", "07:00", "2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"},
		{"the night in which an hour is repeated", "Europe/Berlin", "22:00", "07:00", "2026-10-24T23:00:00+02:00", "2026-10-25T07:00:00+01:00"},
		{"they end in a repeated hour, first time", "America/New_York", "22:00", "01:30", "2026-11-01T01:10:00-04:00", "2026-11-01T01:30:00-04:00"},
		{"in between", "America/New_York", "22:00", "01:30", "2026-11-01T01:40:00-04:00", ""},
		{"they end in a repeated hour, second time", "America/New_York", "22:00", "01:30", "2026-11-01T01:10:00-05:00", "2026-11-01T01:30:00-05:00"},
		{"they end in a repeated hour, east of Greenwich", "Europe/Berlin", "22:00", "02:30", "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"},
		{"they end in a skipped hour", "America/New_York", "22:00", "02:30", "2026-03-08T01:50:00-05:00", "2026-03-08T03:00:00-04:00"},
		{"they end in a skipped hour, east of Greenwich", "Europe/Berlin", "22:00", "02:30", "2026-03-29T01:50:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"they begin in a skipped hour", "America/New_York", "02:30", "05:00", "2026-03-08T03:10:00-04:00", "2026-03-08T05:00:00-04:00"},
		{"between minutes", "Asia/Kathmandu", "22:00", "07:00", "2026-01-16T06:59:30.5+05:45", "2026-01-16T07:00:00+05:45"},
		{"all but a minute", "UTC", "00:00", "23:59", "2026-01-16T00:00:00Z", "2026-01-16T23:59:00Z"},
		{"none", "UTC", "", "", "2026-01-16T03:00:00Z", ""},
		{"no length", "UTC", "03:00", "03:00", "2026-01-16T03:00:00Z", ""},
	} {
		p := defaults(shop.UserID{})
		p.TimeZone, p.QuietHours = c.zone, QuietHours{c.from, c.until}
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		want := now
		if c.want != "" {
			if want, err = time.Parse(time.RFC3339, c.want); err != nil {
				t.Fatal(err)
			}
		}
		if got := p.DueAt(kindOf(t, kind.Paid), now); !got.Equal(want) {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
		if got := p.DueAt(kindOf(t, kind.Locked), now); !got.Equal(now) {
			t.Errorf("%s: an urgent kind is deferred until %s", c.name, got)
		}
	}
}

func TestDigestIsInTheMorningAndNotInQuietHours(t *testing.T) {
	p := defaults(shop.UserID{})
	now := time.Date(2026, 1, 15, 9, 0, 0, 0, time.UTC)
	if got := p.DigestDueAt(kindOf(t, kind.StockBack), now); !got.Equal(time.Date(2026, 1, 16, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("%s", got)
	}
	p.QuietHours = QuietHours{"22:00", "10:00"}
	if got := p.DigestDueAt(kindOf(t, kind.StockBack), now); !got.Equal(time.Date(2026, 1, 16, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("%s", got)
	}
}

func TestUnsubscribeTokens(t *testing.T) {
	tokens, user := NewUnsubscribeTokens("key"), shop.UserID{UUID: shop.NewID()}
	token := tokens.Sign(user, kind.StockBack)
	got, k, err := tokens.Verify(token)
	if err != nil || got != user || k.Name != kind.StockBack {
		t.Errorf("%v %v %v", got, k, err)
	}
	other := NewUnsubscribeTokens("another")
	for name, bad := range map[string]string{
		"another key": other.Sign(user, kind.StockBack), "empty": "", "not base64": "ä", "truncated": token[:len(token)-4], "short": "AAAA",
		"security": tokens.Sign(user, kind.Locked), "unknown kind": tokens.Sign(user, "x"), "changed": "A" + token[1:],
	} {
		if _, _, err := tokens.Verify(bad); !errors.Is(err, ErrInvalidLink) && bad != token {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConcurrentUpdates: none is lost, also if no preferences were stored before.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	db := kittest.DB(t, Migrations)
	s := NewService(db, NewUnsubscribeTokens("key"), ignoreUpdate)
	for n := range 20 {
		user := shop.UserID{UUID: shop.NewID()}
		daily, yes, phone := Daily, true, "+491701234567"
		var all sync.WaitGroup
		for _, u := range []PreferencesUpdate{{Digest: &daily}, {Tracking: &yes}, {Phone: &phone}} {
			all.Go(func() {
				if _, err := s.Update(t.Context(), user, u); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if p, err := s.Get(t.Context(), user); err != nil || p.Digest != Daily || !p.Tracking || p.Phone != phone {
			t.Fatalf("%d: %+v %v", n, p, err)
		}
	}
}

func ignoreUpdate(context.Context, pgx.Tx, Preferences) error { return nil }

func TestPreferences(t *testing.T) {
	t.Parallel()
	db := kittest.DB(t, Migrations)
	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	tokens := NewUnsubscribeTokens("key")
	NewService(db, tokens, ignoreUpdate).Routes(app)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	const path = "/notifications/preferences"
	oneClick := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	unsubscribe := func(token string) string { return "POST /notifications/unsubscribe?token=" + token }
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "no token", Do: "GET " + path, Want: 401},
		{Name: "defaults", As: alice, Do: "GET " + path, Want: 200, Has: []string{`"language":"en"`, `"time_zone":"UTC"`, `"digest":"off"`, `"tracking":false`,
			`"quiet_hours":{"from":"","until":""}`, `"orders.paid":{"email":true,"in_app":true,"push":true,"sms":false}`, `"users.locked":{"email":true,"in_app":true}`}},
		{Name: "an unknown kind without channels", As: alice, Do: "PUT /notifications/preferences", Body: `{"kinds":{"orders.lost":{}}}`, Want: 422, Has: []string{`"kinds.orders.lost":"is not a kind"`}},
		{Name: "a kind without a name", As: alice, Do: "PUT /notifications/preferences", Body: `{"kinds":{"":{}}}`, Want: 422, Has: []string{`"kinds."`}},
		{Name: "update", As: alice, Do: "PUT " + path, Body: `{"language":"de","time_zone":"Europe/Berlin","quiet_hours":{"from":"22:00","until":"07:00"},
			"digest":"daily","phone":"+491701234567","kinds":{"orders.paid":{"email":false,"sms":true}}}`, Want: 200,
			Has: []string{`"orders.paid":{"email":false,"in_app":true,"push":true,"sms":true}`}},
		{Name: "allow tracking", As: alice, Do: "PUT " + path, Body: `{"tracking":true}`, Want: 200, Has: []string{`"tracking":true`}},
		{Name: "fields that are left out", As: alice, Do: "PUT " + path, Body: `{"kinds":{"orders.paid":{"sms":false}}}`, Want: 200,
			Has: []string{`"language":"de"`, `"phone":"+491701234567"`, `"orders.paid":{"email":false,"in_app":true,"push":true,"sms":false}`}},
		{Name: "stored", As: alice, Do: "GET " + path, Want: 200, Has: []string{`"tracking":true`, `"time_zone":"Europe/Berlin"`, `"from":"22:00"`, `"orders.paid":{"email":false`}},
		{Name: "another user's", As: bob, Do: "GET " + path, Want: 200, Has: []string{`"language":"en"`, `"orders.paid":{"email":true`}},
		{Name: "security cannot be turned off", As: alice, Do: "PUT " + path, Body: `{"kinds":{"users.locked":{"email":false}}}`, Want: 422, Has: []string{`"kinds.users.locked.email"`, "cannot be turned off"}},
		{Name: "all invalid fields", As: alice, Do: "PUT " + path, Body: `{"time_zone":"Moon/Base","phone":"0170","kinds":{"orders.eaten":{"email":true},"users.locked":{"sms":true}}}`,
			Want: 422, Has: []string{`"time_zone"`, `"phone"`, `"kinds.orders.eaten.email"`, `"kinds.users.locked.sms"`}},
		{Name: "invalid times", As: alice, Do: "PUT " + path, Body: `{"quiet_hours":{"from":"25:00","until":"7"}}`, Want: 422, Has: []string{`"quiet_hours.from"`, `"quiet_hours.until"`}},
		{Name: "one end only", As: alice, Do: "PUT " + path, Body: `{"quiet_hours":{"from":"22:00"}}`, Want: 422, Has: []string{`"quiet_hours"`}},
		{Name: "unknown language", As: alice, Do: "PUT " + path, Body: `{"language":"xx"}`, Want: 422, Has: []string{`"language"`}},
		{Name: "invalid token", Do: unsubscribe("x"), Header: oneClick, Body: "List-Unsubscribe=One-Click", Want: 404, Has: []string{"unsubscribe_link_invalid"}},
		{Name: "another body", Do: unsubscribe(tokens.Sign(bob.ID, kind.StockBack)), Header: oneClick, Body: "a=b", Want: 422},
		{Name: "one click", Do: unsubscribe(tokens.Sign(bob.ID, kind.StockBack)), Header: oneClick, Body: "List-Unsubscribe=One-Click", Want: 200, Has: []string{`"kind":"stock.back"`}},
		{Name: "multipart, as mail services send it", Do: unsubscribe(tokens.Sign(bob.ID, kind.StockBack)), Want: 200,
			Header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"},
			Body:   "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"},
		{Name: "redirect to the page", Do: "GET /notifications/unsubscribe?token=a-b_c", Want: 303},
		{Name: "again", Do: unsubscribe(tokens.Sign(bob.ID, kind.StockBack)), Header: oneClick, Body: "List-Unsubscribe=One-Click", Want: 200},
		{Name: "that kind is off by e-mail", As: bob, Do: "GET " + path, Want: 200, Has: []string{`"stock.back":{"email":false,"in_app":true`, `"broadcast":{"email":true`}},
		{Name: "a digest's token", Do: unsubscribe(tokens.Sign(bob.ID, kind.Digest)), Header: oneClick, Body: "List-Unsubscribe=One-Click", Want: 200},
		{Name: "all news are off by e-mail", As: bob, Do: "GET " + path, Want: 200, Has: []string{`"broadcast":{"email":false`, `"orders.paid":{"email":true`}},
	})
}

func kindOf(t *testing.T, name string) kind.Kind {
	t.Helper()
	k, err := kind.Of(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
