// Package mail_test checks the e-mails and SMS of the running platform, which MailHog receives.
package mail_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/e2e"
	"sidecart/tests/platform"
)

var (
	running   *platform.Platform
	anonymous client.Client
	admin     client.Client
)

func TestMain(m *testing.M) {
	_ = os.Setenv("RATE_LIMIT_SCALE", "1000")
	os.Exit(platform.Main(m, "mail", 7300, func(p *platform.Platform) {
		running, anonymous = p, client.Client{Base: p.URL()}
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestMail runs the parts in order on one platform.
func TestMail(t *testing.T) {
	running.LogsOnFailure(t, "notifications", "notifications-dapr")
	admin = e2e.FirstOrder(t, anonymous.Base)
	if t.Failed() {
		return
	}
	t.Run("links to the account", accounts)
	t.Run("an order in German", inGerman)
	t.Run("a kind that is turned off", turnedOff)
	t.Run("markup in names stays text", markupInNames)
	t.Run("tracking needs permission", tracking)
	t.Run("one-click unsubscribe", oneClick)
	t.Run("the mail server is stopped", serverStopped) // which loses its e-mails
	t.Run("kill -9 while sending ten thousand", workerKilled)
	t.Run("history and analytics", history)
	t.Run("stream", streaming)
}

// newBuyer registers a user and signs in.
func newBuyer(t *testing.T, username, fullName string) client.Client {
	t.Helper()
	must(t, anonymous.Call(t.Context(), "POST /api/v1/auth/register", map[string]string{
		"username": username, "email": username + "@example.com", "password": "SecurePassword123!", "full_name": fullName}, 201, nil))
	buyer, err := anonymous.SignIn(t.Context(), username, "SecurePassword123!")
	must(t, err)
	return buyer
}

// verify follows the link in the verification e-mail of a buyer, before which no e-mail has a name.
func verify(t *testing.T, username string) {
	t.Helper()
	first := awaitMail(t, username+"@example.com", "confirm your e-mail address")
	if text := strings.ToLower(first.Text + first.HTML); strings.Contains(text, username) || !strings.Contains(first.Text, "Hello,") {
		t.Errorf("the first e-mail has what was typed: %s\n%s", first.Text, first.HTML)
	}
	must(t, anonymous.Call(t.Context(), "POST /api/v1/auth/verify-email", map[string]string{"token": tokenIn(t, first, "/verify-email")}, 204, nil))
}

func buy(t *testing.T, buyer client.Client) (order client.Order) {
	t.Helper()
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(oneItem), 201, &order))
	return order
}

// oneItem is an order of one item.
var oneItem = strings.Replace(e2e.Order, `"quantity":2`, `"quantity":1`, 1)

func inGerman(t *testing.T) {
	buyer := newBuyer(t, "greta", "Greta Grün")
	verify(t, "greta")
	must(t, buyer.Call(t.Context(), "PUT /api/v1/notifications/preferences",
		client.Raw(`{"language":"de","phone":"+491701234567","kinds":{"orders.paid":{"sms":true}}}`), 200, nil))
	order := buy(t, buyer)
	got := awaitMail(t, "greta@example.com", "Wir haben Ihre Bestellung "+order.Number)
	for _, part := range []string{"Hallo Greta Grün", "1 × Wireless Headphones", "299.99 USD", "/live#orders/" + order.ID} {
		if !strings.Contains(got.HTML, part) || !strings.Contains(got.Text, part) {
			t.Errorf("no %s in the text or the HTML:\n%s\n%s", part, got.Text, got.HTML)
		}
	}
	if !strings.Contains(got.HTML, `lang="de"`) || strings.ContainsAny(got.Text, "<>") {
		t.Errorf("%s\n%s", got.Text, got.HTML)
	}
	if got.To != "<greta@example.com>" {
		t.Errorf("it went to %s", got.To)
	}
	awaitMail(t, "greta@example.com", "ist bezahlt")
	declined := strings.Replace(oneItem, `"payment_method"`, `"payment_token":"tok_declined","payment_method"`, 1)
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(declined), 201, nil))
	cancelled := awaitMail(t, "greta@example.com", "ist storniert")
	if !strings.Contains(cancelled.Text, "Grund: die Karte wurde abgelehnt.") {
		t.Errorf("the cancellation is %q", cancelled.Text)
	}
	sms := awaitMail(t, "+491701234567@sms", "SMS")
	if !strings.Contains(sms.Text, "Ihre Bestellung "+order.Number+" ist bezahlt: Wir haben 299.99 USD erhalten.") {
		t.Errorf("the SMS is %q", sms.Text)
	}
}

// turnedOff waits for the e-mail about the payment, before which the other one would have been sent.
func turnedOff(t *testing.T) {
	buyer := newBuyer(t, "quentin", "Quentin")
	must(t, buyer.Call(t.Context(), "PUT /api/v1/notifications/preferences",
		client.Raw(`{"kinds":{"orders.placed":{"email":false}}}`), 200, nil))
	order := buy(t, buyer)
	awaitMail(t, "quentin@example.com", "is paid")
	all, err := mailbox(t.Context(), "quentin@example.com")
	must(t, err)
	for _, m := range all {
		if strings.Contains(m.Subject, "We have your order") {
			t.Errorf("an e-mail of a kind that is turned off: %s", m.Subject)
		}
	}
	e2e.AwaitNotifications(t, buyer, order.ID, "orders.placed", "orders.paid")
}

func markupInNames(t *testing.T) {
	const name = `<img src=x onerror=alert(1)> {{.Secret}} & "co"`
	buyer := newBuyer(t, "mallory", name)
	verify(t, "mallory")
	buy(t, buyer)
	got := awaitMail(t, "mallory@example.com", "We have your order")
	if strings.Contains(got.HTML, "<img") || !strings.Contains(got.HTML, "&lt;img src=x onerror=alert(1)&gt; {{.Secret}} &amp; &#34;co&#34;") {
		t.Errorf("the name is markup: %s", got.HTML)
	}
	if !strings.Contains(got.Text, name) {
		t.Errorf("the name was changed: %s", got.Text)
	}
}

// serverStopped checks that e-mails are sent in order after an outage of the server.
func serverStopped(t *testing.T) {
	buyer := newBuyer(t, "paula", "Paula")
	awaitMail(t, "paula@example.com", "Welcome to Sidecart: confirm your e-mail address") // the server will lose it
	restart := running.StopUntil(t, "mailhog")
	var want []string
	for range 4 {
		order := buy(t, buyer)
		e2e.AwaitNotifications(t, buyer, order.ID, "orders.placed", "orders.paid")
		want = append(want, "We have your order "+order.Number, "Your order "+order.Number+" is paid")
	}
	platform.Eventually(t, time.Minute, func() error { // an attempt has failed
		var page client.Page[struct{ Answer string }]
		err := admin.Call(t.Context(), "GET /api/v1/notifications/history?outcome=failed&limit=1", nil, 200, &page)
		if err == nil && len(page.Items) == 0 {
			err = errors.New("no attempt has failed")
		}
		return err
	})
	restart()
	awaitMail(t, "paula@example.com", want[len(want)-1])
	all, err := mailbox(t.Context(), "paula@example.com")
	must(t, err)
	for i, m := range all {
		if i >= len(want) || m.Subject != want[i] {
			t.Errorf("mail %d is %q, want %q", i, m.Subject, want)
		}
	}
	if len(all) != len(want) {
		t.Errorf("%d mails, want %d", len(all), len(want))
	}
}

func history(t *testing.T) {
	var page client.Page[struct {
		Kind, Channel, Outcome, Answer string
	}]
	must(t, admin.Call(t.Context(), "GET /api/v1/notifications/history?outcome=failed&limit=100", nil, 200, &page))
	refused := false // while the mail server was stopped
	for _, a := range page.Items {
		refused = refused || strings.Contains(a.Answer, "connection refused")
		if strings.Contains(a.Answer, "@") {
			t.Errorf("the history has an address: %+v", a)
		}
	}
	if !refused {
		t.Errorf("%+v", page.Items)
	}
	must(t, admin.Call(t.Context(), "GET /api/v1/notifications/history?outcome=sent&limit=1&channel=email", nil, 200, &page))
	if len(page.Items) != 1 || !strings.HasPrefix(page.Items[0].Answer, "250 ") {
		t.Errorf("no response of the mail server: %+v", page.Items)
	}
	var days client.Page[struct {
		Kind, Channel string
		Sent          int
	}]
	must(t, admin.Call(t.Context(), "GET /api/v1/notifications/analytics", nil, 200, &days))
	found := false
	for _, d := range days.Items {
		found = found || d.Kind == "orders.paid" && d.Channel == "email" && d.Sent >= messages
	}
	if !found {
		t.Errorf("%+v", days.Items)
	}
	must(t, newBuyer(t, "nora", "Nora").Call(t.Context(), "GET /api/v1/notifications/history", nil, 403, nil))
}
