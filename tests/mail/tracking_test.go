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

var trackedURL = regexp.MustCompile(`"(https?://[^"]+/api/v1/notifications/(opened|clicked)\?token=[^"]+)"`)

// tracking checks that broadcast e-mails have no tracking pixel and no tracked links until the user allows them. Then
// both work without authentication and count once, and the link leads to the product.
func tracking(t *testing.T) {
	reader := newBuyer(t, "tara", "Tara")
	var product struct{ ID int }
	must(t, admin.Call(t.Context(), "POST /api/v1/products", client.Raw(`{"name":"Rare Record","description":"","sku":"RR-1",
		"price":19.99,"category_id":1,"brand":"Wax","initial_quantity":0}`), 201, &product))
	path := fmt.Sprintf(" /api/v1/products/%d", product.ID)
	stock := func(delta int) {
		t.Helper()
		must(t, admin.Call(t.Context(), "POST"+path+"/inventory/adjustments", map[string]any{"delta": delta, "reason": "counted"}, 201, nil))
	}
	broadcast := func(nth int) mail {
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
				return fmt.Errorf("%d e-mails about the product", len(all))
			}
			return nil
		})
		stock(-1)
		return all[nth-1]
	}
	if m := broadcast(1); trackedURL.MatchString(m.HTML+m.Text) || !strings.Contains(m.HTML, path[1:]+`"`) {
		t.Errorf("tracked without permission: %s", m.HTML)
	}
	must(t, reader.Call(t.Context(), "PUT /api/v1/notifications/preferences", client.Raw(`{"tracking":true}`), 200, nil))
	found := map[string]string{}
	for _, m := range trackedURL.FindAllStringSubmatch(broadcast(2).HTML, -1) {
		at, err := url.Parse(html.UnescapeString(m[1]))
		must(t, err)
		found[m[2]] = "GET " + at.RequestURI()
	}
	if len(found) != 2 {
		t.Fatalf("%v", found)
	}
	for range 2 {
		pixel, err := anonymous.Do(t.Context(), found["opened"], nil)
		must(t, err)
		if pixel.Status != 200 || pixel.Header.Get("Content-Type") != "image/gif" ||
			pixel.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the pixel: %d %v", pixel.Status, pixel.Header)
		}
		page, err := anonymous.Do(t.Context(), found["clicked"], nil) // follows the redirect
		must(t, err)
		if page.Status != 200 || !strings.Contains(string(page.Body), `"sku":"RR-1"`) {
			t.Errorf("the link leads to %d %s", page.Status, page.Body)
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

func withSubject(all []mail, text string) (some []mail) {
	for _, m := range all {
		if strings.Contains(m.Subject, text) {
			some = append(some, m)
		}
	}
	return some
}
