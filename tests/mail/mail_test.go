// Package mail_test reads what the platform told people out of the mail server that it told them through.
package mail_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/journey"
	"sidecart/tests/platform"
)

var (
	running *platform.Platform
	nobody  client.Client
	admin   client.Client
)

func TestMain(m *testing.M) {
	_ = os.Setenv("RATE_LIMIT_SCALE", "1000")
	os.Exit(platform.Main(m, "mail", 7300, func(p *platform.Platform) {
		running, nobody = p, client.Client{Base: p.URL()}
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestMail is one story: each part goes on with the platform that the one before left.
func TestMail(t *testing.T) {
	running.LogsOnFailure(t, "notifications", "notifications-dapr")
	admin = journey.FirstOrder(t, nobody.Base)
	if t.Failed() {
		return
	}
	t.Run("links to the account", accounts)
	t.Run("an order in German", inGerman)
	t.Run("who does not want it does not get it", unwanted)
	t.Run("hostile names stay text", hostile)
	t.Run("a mail tells what its reader allows", tracking)
	t.Run("one click ends a kind", oneClick)
	t.Run("the mail server is away", serverDown) // which forgets what it got
	t.Run("kill -9 in the middle of ten thousand", killed)
	t.Run("history and analytics", history)
	t.Run("live", live)
}

// newBuyer opens an account with an address of its own.
func newBuyer(t *testing.T, username, fullName string) client.Client {
	t.Helper()
	must(t, nobody.Call(t.Context(), "POST /api/v1/auth/register", map[string]string{
		"username": username, "email": username + "@example.com", "password": "SecurePassword123!", "full_name": fullName}, 201, nil))
	buyer, err := nobody.SignIn(t.Context(), username, "SecurePassword123!")
	must(t, err)
	return buyer
}

func buy(t *testing.T, buyer client.Client) (order client.Order) {
	t.Helper()
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(one), 201, &order))
	return order
}

// one is an order of one thing.
var one = strings.Replace(journey.Order, `"quantity":2`, `"quantity":1`, 1)

func inGerman(t *testing.T) {
	buyer := newBuyer(t, "greta", "Greta Grün")
	must(t, buyer.Call(t.Context(), "PUT /api/v1/notifications/preferences", client.Raw(`{"language":"de","phone":"+491701234567","kinds":{"orders.paid":{"sms":true}}}`), 200, nil))
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
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(strings.Replace(one, `"payment_method"`, `"payment_token":"tok_declined","payment_method"`, 1)), 201, nil))
	if refused := awaitMail(t, "greta@example.com", "ist storniert"); !strings.Contains(refused.Text, "Grund: die Karte wurde abgelehnt.") {
		t.Errorf("the cancellation says %q", refused.Text)
	}
	if sms := awaitMail(t, "+491701234567@sms", "SMS"); !strings.Contains(sms.Text, "Ihre Bestellung "+order.Number+" ist bezahlt: Wir haben 299.99 USD erhalten.") {
		t.Errorf("the SMS says %q", sms.Text)
	}
}

// unwanted: the mail about the payment comes, and so the one about the order would have come by then.
func unwanted(t *testing.T) {
	buyer := newBuyer(t, "quentin", "Quentin")
	must(t, buyer.Call(t.Context(), "PUT /api/v1/notifications/preferences", client.Raw(`{"kinds":{"orders.placed":{"email":false}}}`), 200, nil))
	order := buy(t, buyer)
	awaitMail(t, "quentin@example.com", "is paid")
	all, err := mailbox(t.Context(), "quentin@example.com")
	must(t, err)
	for _, m := range all {
		if strings.Contains(m.Subject, "We have your order") {
			t.Errorf("an unwanted mail: %s", m.Subject)
		}
	}
	journey.AwaitTold(t, buyer, order.ID, "orders.placed", "orders.paid")
}

func hostile(t *testing.T) {
	const name = `<img src=x onerror=alert(1)> {{.Secret}} & "co"`
	buyer := newBuyer(t, "mallory", name)
	buy(t, buyer)
	got := awaitMail(t, "mallory@example.com", "We have your order")
	if strings.Contains(got.HTML, "<img") || !strings.Contains(got.HTML, "&lt;img src=x onerror=alert(1)&gt; {{.Secret}} &amp; &#34;co&#34;") {
		t.Errorf("the name is markup: %s", got.HTML)
	}
	if !strings.Contains(got.Text, name) {
		t.Errorf("the name is not as it was written: %s", got.Text)
	}
}

// serverDown: what could not be sent comes later, in order.
func serverDown(t *testing.T) {
	buyer := newBuyer(t, "paula", "Paula")
	awaitMail(t, "paula@example.com", "Welcome to Sidecart: confirm your e-mail address") // before the server goes, and forgets it
	back := running.StopUntil(t, "mailhog")
	var want []string
	for range 4 {
		order := buy(t, buyer)
		journey.AwaitTold(t, buyer, order.ID, "orders.placed", "orders.paid")
		want = append(want, "We have your order "+order.Number, "Your order "+order.Number+" is paid")
	}
	platform.Eventually(t, time.Minute, func() error { // it was tried, in vain
		var page client.Page[struct{ Answer string }]
		err := admin.Call(t.Context(), "GET /api/v1/notifications/history?outcome=failed&limit=1", nil, 200, &page)
		if err == nil && len(page.Items) == 0 {
			err = errors.New("nothing was tried")
		}
		return err
	})
	back()
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
	refused := false // when the mail server was away
	for _, a := range page.Items {
		refused = refused || strings.Contains(a.Answer, "connection refused")
		if strings.Contains(a.Answer, "@") {
			t.Errorf("somebody's address is kept: %+v", a)
		}
	}
	if !refused {
		t.Errorf("%+v", page.Items)
	}
	must(t, admin.Call(t.Context(), "GET /api/v1/notifications/history?outcome=sent&limit=1&channel=email", nil, 200, &page))
	if len(page.Items) != 1 || !strings.HasPrefix(page.Items[0].Answer, "250 ") {
		t.Errorf("the mail server's answer is not kept: %+v", page.Items)
	}
	var days client.Page[struct {
		Kind, Channel string
		Sent          int
	}]
	must(t, admin.Call(t.Context(), "GET /api/v1/notifications/analytics", nil, 200, &days))
	found := false
	for _, d := range days.Items {
		found = found || d.Kind == "orders.paid" && d.Channel == "email" && d.Sent >= letters
	}
	if !found {
		t.Errorf("%+v", days.Items)
	}
	must(t, newBuyer(t, "nosy", "Nosy").Call(t.Context(), "GET /api/v1/notifications/history", nil, 403, nil))
}
