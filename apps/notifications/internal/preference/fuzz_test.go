package preference

import (
	"testing"
	"time"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// FuzzUpdate: preferences that are accepted delay a notification until the end of the quiet hours, by at most a day
// and a change of clocks.
func FuzzUpdate(f *testing.F) {
	for _, seed := range []string{
		`{"time_zone":"Europe/Berlin","quiet_hours":{"from":"22:00","until":"07:00"}}`, `{"time_zone":"America/Sao_Paulo","quiet_hours":{"from":"00:00","until":"23:59"}}`,
		`{"time_zone":"Pacific/Apia","quiet_hours":{"from":"00:01","until":"00:00"}}`, `{"time_zone":"Local"}`, `{"time_zone":"../../etc/passwd"}`, `{"time_zone":""}`, `{"time_zone":"UTC+5"}`,
		`{"time_zone":"Antarctica/Troll","quiet_hours":{"from":"2:00","until":"03:00"}}`, `{"quiet_hours":{"from":"24:00","until":"25:61"}}`, `{"quiet_hours":{"from":"22:00"}}`, `{"quiet_hours":null}`,
		`{"quiet_hours":{"from":"２２:００","until":"07:00"}}`, `{"kinds":{"orders.shipped":{"email":false}}}`, `{"kinds":{"":{"":true}}}`, `{"phone":"+٤٩"}`, `{"digest":"daily","language":"de"}`,
	} {
		for _, at := range []int64{0, 1774742400, 1792976400, -62135596800, 253402300799} { // some at a change of clocks
			f.Add(seed, at)
		}
	}
	shipped, err := kind.Of(kind.Shipped)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string, seconds int64) {
		now := time.Unix(seconds, 0).UTC()
		if now.Year() < 1970 || now.Year() > 2200 {
			t.Skip("no notification is of that time")
		}
		var update PreferencesUpdate
		if web.Read([]byte(body), &update) != nil {
			return
		}
		p, err := defaults(shop.UserID{UUID: shop.NewID()}).apply(update)
		if err != nil {
			return
		}
		due := p.DueAt(shipped, now)
		if due.Before(now) || due.Sub(now) > 26*time.Hour {
			t.Fatalf("due at %s, now is %s", due, now)
		}
		if from, until, ok := p.quietMinutes(); ok && inQuietHours(from, until, due.In(p.zone())) {
			t.Fatalf("due at %s, within the quiet hours", due.In(p.zone()))
		}
		if p.QuietHours != (QuietHours{}) && p.QuietHours.From != p.QuietHours.Until {
			if _, _, ok := p.quietMinutes(); !ok {
				t.Fatalf("the quiet hours %+v are accepted and ignored", p.QuietHours)
			}
		}
		if next := p.DigestDueAt(shipped, now); next.Before(now) || next.Sub(now) > 52*time.Hour {
			t.Fatalf("the digest is due at %s, now is %s", next, now)
		}
	})
}
