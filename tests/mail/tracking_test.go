package mail_test

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

var counting = regexp.MustCompile(`"(https?://[^"]+/api/v1/notifications/(opened|clicked)\?token=[^"]+)"`)

// tracking: a mail with news has neither picture nor counting link until its reader allows that; then both work without signing
// in, are counted once, and the link leads to the goods.
func tracking(t *testing.T) {
	reader := newBuyer(t, "tara", "Tara")
	var record struct{ ID int }
	must(t, admin.Call(t.Context(), "POST /api/v1/products", client.Raw(`{"name":"Rare Record","description":"","sku":"RR-1","price":19.99,"category_id":1,"brand":"Wax","initial_quantity":0}`), 201, &record))
	path := fmt.Sprintf(" /api/v1/products/%d", record.ID)
	stock := func(delta int) {
		t.Helper()
		must(t, admin.Call(t.Context(), "POST"+path+"/inventory/adjustments", map[string]any{"delta": delta, "reason": "counted"}, 201, nil))
	}
	news := func(nth int) mail {
		t.Helper()
		must(t, reader.Call(t.Context(), "POST"+path+"/notify-me", nil, 202, nil))
		stock(1)
		var all []mail
		platform.Eventually(t, 90*time.Second, func() (err error) {
			if all, err = mailbox(t.Context(), "tara@example.com"); err != nil {
				return err
			}
			all = withSubject(all, "Rare Record")
			if len(all) < nth {
				return fmt.Errorf("%d mails about it", len(all))
			}
			return nil
		})
		stock(-1)
		return all[nth-1]
	}
	if m := news(1); counting.MatchString(m.HTML+m.Text) || !strings.Contains(m.HTML, path[1:]+`"`) {
		t.Errorf("it tells without being allowed to: %s", m.HTML)
	}
	must(t, reader.Call(t.Context(), "PUT /api/v1/notifications/preferences", client.Raw(`{"tracking":true}`), 200, nil))
	found := map[string]string{}
	for _, m := range counting.FindAllStringSubmatch(news(2).HTML, -1) {
		at, err := url.Parse(html.UnescapeString(m[1]))
		must(t, err)
		found[m[2]] = "GET " + at.RequestURI()
	}
	if len(found) != 2 {
		t.Fatalf("%v", found)
	}
	for range 2 {
		picture, err := nobody.Do(t.Context(), found["opened"], nil)
		must(t, err)
		if picture.Status != 200 || picture.Header.Get("Content-Type") != "image/gif" || picture.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the picture: %d %v", picture.Status, picture.Header)
		}
		goods, err := nobody.Do(t.Context(), found["clicked"], nil) // goes where it is led
		must(t, err)
		if goods.Status != 200 || !strings.Contains(string(goods.Body), `"sku":"RR-1"`) {
			t.Errorf("the link leads to %d %s", goods.Status, goods.Body)
		}
	}
	var days client.Page[struct {
		Kind, Channel         string
		Sent, Opened, Clicked int
	}]
	must(t, admin.Call(t.Context(), "GET /api/v1/notifications/analytics", nil, 200, &days))
	counted := false
	for _, d := range days.Items {
		if d.Kind == "stock.back" && d.Channel == "email" {
			counted = d.Sent == 2 && d.Opened == 1 && d.Clicked == 1
		}
	}
	if !counted {
		t.Errorf("not 2 sent, 1 opened, 1 clicked: %+v", days.Items)
	}
}

func withSubject(all []mail, words string) (some []mail) {
	for _, m := range all {
		if strings.Contains(m.Subject, words) {
			some = append(some, m)
		}
	}
	return some
}
