// Package mail_test reads what the platform told people out of the mail server that it told them through.
package mail_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/http"
	neturl "net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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
	t.Run("the mail server is away", serverDown)
	t.Run("kill -9 in the middle of a thousand", killed)
	t.Run("history and analytics", history)
	t.Run("live", live)
}

// mail is what arrived.
type mail struct {
	To, Subject, Body string
}

// mailbox is what the mail server has for an address, oldest first ("": for everybody).
func mailbox(ctx context.Context, to string) (all []mail, err error) {
	for start := 0; ; start += 250 {
		some, err := mailPage(ctx, to, start)
		if err != nil || len(some) == 0 {
			slices.Reverse(all)
			return all, err
		}
		all = append(all, some...)
	}
}

// mailPage is at most 250 of them, newest first.
func mailPage(ctx context.Context, to string, start int) (all []mail, err error) {
	url := fmt.Sprintf("http://127.0.0.1:%d/api/v2/messages?limit=250&start=%d", running.Port("mailhog", "web"), start)
	if to != "" {
		url = strings.Replace(url, "messages?", "search?kind=to&query="+neturl.QueryEscape(to)+"&", 1)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var page struct {
		Items []struct {
			Content struct {
				Headers map[string][]string
				Body    string
			}
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
		return nil, err
	}
	for _, item := range page.Items {
		c := item.Content
		subject, err := new(mime.WordDecoder).DecodeHeader(strings.Join(c.Headers["Subject"], ""))
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(c.Body)))
		if err != nil {
			return nil, err
		}
		all = append(all, mail{strings.Join(c.Headers["To"], ","), subject, string(body)})
	}
	return all, nil
}

// awaitMail waits for a mail to somebody whose subject has these words.
func awaitMail(t *testing.T, to, subject string) (found mail) {
	t.Helper()
	platform.Eventually(t, 60*time.Second, func() error {
		all, err := mailbox(t.Context(), to)
		if err != nil {
			return err
		}
		for _, m := range all {
			if strings.Contains(m.Subject, subject) {
				found = m
				return nil
			}
		}
		return fmt.Errorf("%s has %d mails, none of %q", to, len(all), subject)
	})
	return found
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
	for _, part := range []string{"Hallo Greta Grün", "1 × Wireless Headphones", "299.99 USD", `lang="de"`, "/live#orders/" + order.ID} {
		if !strings.Contains(got.Body, part) {
			t.Errorf("no %s in %s", part, got.Body)
		}
	}
	if got.To != "greta@example.com" {
		t.Errorf("it went to %s", got.To)
	}
	awaitMail(t, "greta@example.com", "ist bezahlt")
	if sms := awaitMail(t, "+491701234567@sms", "SMS"); !strings.Contains(sms.Body, "Ihre Bestellung "+order.Number+" ist bezahlt: Wir haben 299.99 USD erhalten.") {
		t.Errorf("the SMS says %q", sms.Body)
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
	if strings.Contains(got.Body, "<img") || !strings.Contains(got.Body, "&lt;img src=x onerror=alert(1)&gt; {{.Secret}} &amp; &#34;co&#34;") {
		t.Errorf("the name is markup: %s", got.Body)
	}
}

// serverDown: what could not be sent comes later, in order.
func serverDown(t *testing.T) {
	buyer := newBuyer(t, "paula", "Paula")
	back := running.StopUntil(t, "mailhog")
	var want []string
	for range 4 {
		order := buy(t, buyer)
		journey.AwaitTold(t, buyer, order.ID, "orders.placed", "orders.paid")
		want = append(want, "We have your order "+order.Number, "Your order "+order.Number+" is paid")
	}
	platform.Eventually(t, 30*time.Second, func() error { // it was tried, in vain
		return admin.Call(t.Context(), "GET /api/v1/notifications/history?outcome=failed&limit=1", nil, 200, &struct{}{})
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

// killed: of a thousand deliveries none is lost, whatever dies in the middle, and no more come twice than were in flight.
func killed(t *testing.T) {
	const letters, inFlight = 1000, 9 // one being handed over, eight whose records were being written
	url, err := running.Secret("notifications-database-url")
	must(t, err)
	db, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer db.Close(context.Background())
	_, err = db.Exec(t.Context(), `
		with people as (
			insert into contacts (user_id, email, username)
			select gen_random_uuid(), 'many' || n || '@example.com', 'many' || n from generate_series(1, $1) n returning user_id
		)
		insert into deliveries (id, message_id, user_id, kind, channel, lane, facts, due_at, give_up_at)
		select gen_random_uuid(), gen_random_uuid(), user_id, 'orders.paid', 'email', 1, '{"Number":"SC-1"}', now(), now() + interval '1 day' from people`, letters)
	must(t, err)
	began := time.Now()
	sent := func() (n int) {
		must(t, db.QueryRow(t.Context(), `select count(*) from deliveries where state = 'sent' and facts = '{}' and user_id in (select user_id from contacts where username like 'many%')`).Scan(&n))
		return n
	}
	platform.Eventually(t, 60*time.Second, func() error {
		if n := sent(); n < letters/4 {
			return fmt.Errorf("%d sent", n)
		}
		return nil
	})
	t.Logf("the first %d in %s", letters/4, time.Since(began).Round(10*time.Millisecond))
	running.KillAndWait(t, "notifications")
	// What it had in hand belongs to it for another minute.
	_, err = db.Exec(t.Context(), `update deliveries set leased_until = now() where state = 'sending'`)
	must(t, err)
	platform.Eventually(t, 60*time.Second, func() error {
		if n := sent(); n < letters {
			return fmt.Errorf("%d sent", n)
		}
		return nil
	})
	all, err := mailbox(t.Context(), "")
	must(t, err)
	times := map[string]int{}
	for _, m := range all {
		if strings.HasPrefix(m.To, "many") {
			times[m.To]++
		}
	}
	doubled := 0
	for _, n := range times {
		doubled += n - 1
	}
	t.Logf("%d letters in %s with a kill in the middle; %d came twice", letters, time.Since(began).Round(10*time.Millisecond), doubled)
	if len(times) != letters || doubled > inFlight {
		t.Errorf("%d people got a mail, want %d; %d came twice, want at most %d", len(times), letters, doubled, inFlight)
	}
}

func history(t *testing.T) {
	var page client.Page[struct {
		Kind, Channel, Outcome, Answer string
	}]
	must(t, admin.Call(t.Context(), "GET /api/v1/notifications/history?outcome=failed&limit=1", nil, 200, &page))
	if len(page.Items) != 1 || !strings.Contains(page.Items[0].Answer, "connection refused") || strings.Contains(page.Items[0].Answer, "paula") {
		t.Errorf("%+v", page.Items)
	}
	var days client.Page[struct {
		Kind, Channel string
		Sent          int
	}]
	must(t, admin.Call(t.Context(), "GET /api/v1/notifications/analytics", nil, 200, &days))
	found := false
	for _, d := range days.Items {
		found = found || d.Kind == "orders.paid" && d.Channel == "email" && d.Sent >= 1000
	}
	if !found {
		t.Errorf("%+v", days.Items)
	}
	must(t, newBuyer(t, "nosy", "Nosy").Call(t.Context(), "GET /api/v1/notifications/history", nil, 403, nil))
}
