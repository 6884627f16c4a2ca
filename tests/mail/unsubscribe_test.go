package mail_test

import (
	"net/url"
	"strings"
	"testing"

	"sidecart/tests/client"
)

// oneClick unsubscribes from a kind by the List-Unsubscribe header, without authentication (RFC 8058). E-mails about
// orders and accounts have no such header.
func oneClick(t *testing.T) {
	paid := awaitMail(t, "test@example.com", "is paid")
	if paid.Header.Get("List-Unsubscribe")+paid.Header.Get("List-Unsubscribe-Post") != "" {
		t.Errorf("the e-mail about a payment can be turned off: %v", paid.Header)
	}
	broadcast := func(title string) {
		t.Helper()
		must(t, admin.Call(t.Context(), "POST /api/v1/notifications/broadcast",
			map[string]string{"title": title, "body": "All things half price", "role": "admin"}, 202, nil))
	}
	broadcast("The first sale")
	message := awaitMail(t, "test@example.com", "The first sale")
	link, found := strings.CutPrefix(strings.TrimSuffix(message.Header.Get("List-Unsubscribe"), ">"), "<")
	at, err := url.Parse(link)
	if err != nil || !found || at.Host == "" || message.Header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Fatalf("%v %v", message.Header, err)
	}
	if !strings.Contains(message.Text, "/unsubscribe?token=") || !strings.Contains(message.HTML, "/unsubscribe?token=") {
		t.Errorf("no visible link:\n%s\n%s", message.Text, message.HTML)
	}
	subscribed := func() bool {
		var p struct {
			Kinds map[string]map[string]bool
		}
		must(t, admin.Call(t.Context(), "GET /api/v1/notifications/preferences", nil, 200, &p))
		return p.Kinds["broadcast"]["email"]
	}
	send := func(method, contentType, body string) client.Response {
		t.Helper()
		res, err := anonymous.Do(t.Context(), method+" "+at.RequestURI(), client.Raw(body), "Content-Type", contentType)
		must(t, err)
		return res
	}
	page := send("GET", "", "")
	if page.Status != 200 || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || !subscribed() {
		t.Errorf("following the link: %d %s, still subscribed: %v", page.Status, page.Header.Get("Content-Type"), subscribed())
	}
	if res := send("POST", "application/x-www-form-urlencoded", "something=else"); res.Status != 422 || !subscribed() {
		t.Errorf("another body: %d", res.Status)
	}
	const parts = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"
	if res := send("POST", "multipart/form-data; boundary=x", parts); res.Status != 200 || subscribed() {
		t.Errorf("one click: %d %s, still subscribed: %v", res.Status, res.Body, subscribed())
	}
	if res := send("POST", "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"); res.Status != 200 || subscribed() {
		t.Errorf("again: %d %s", res.Status, res.Body)
	}
	broadcast("The second sale")
	order := buy(t, admin)
	awaitMail(t, "test@example.com", order.Number+" is paid") // the broadcast would have been sent before
	all, err := mailbox(t.Context(), "test@example.com")
	must(t, err)
	for _, m := range all {
		if m.Subject == "The second sale" {
			t.Error("an e-mail of a kind that was unsubscribed from")
		}
	}
}
