package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/web"
)

const token = "0123456789abcdef0123456789abcdef"

func text(t *testing.T, m Mail) string {
	t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	office := open(t, false)
	app := web.New("mail-relay", web.Config{AppToken: token, BodyLimit: largest})
	service(t, office).Routes(app)
	own := map[string]string{"dapr-api-token": token}
	const path = "POST /mails"
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "nobody", Do: path, Body: text(t, mailTo("ada@example.com")), Want: 401, Has: []string{"sidecar_token"}},
		{Name: "somebody else", Do: path, Header: map[string]string{"dapr-api-token": token[1:] + "0"}, Body: text(t, mailTo("ada@example.com")), Want: 401},
		{Name: "taken", Do: path, Header: own, Body: text(t, mailTo("ada@example.com")), Want: 200, Has: []string{`{"answer":"250 2.0.0 Ok: queued as 4F1A2"}`}},
		{Name: "refused", Do: path, Header: own, Body: text(t, mailTo("gone@example.com")), Want: 422, Has: []string{"mail_refused", `550 5.1.1 \u003cthe address\u003e: no such mailbox`}},
		{Name: "refused at the end", Do: path, Header: own, Body: text(t, mailTo("spam@example.com")), Want: 422, Has: []string{"mail_refused", "554 5.7.1 looks like spam"}},
		{Name: "put off", Do: path, Header: own, Body: text(t, mailTo("full@example.com")), Want: 503, Has: []string{"mail_put_off", "452 4.2.2 mailbox full"}},
		{Name: "put off at once", Do: path, Header: own, Body: text(t, mailTo("busy@example.com")), Want: 503, Has: []string{"mail_put_off", "421 too much"}},
		{Name: "two subjects", Do: path, Header: own, Body: strings.Replace(text(t, mailTo("ada@example.com")), `"subject":"`, `"subject":"a\r\nBcc: x`, 1), Want: 422, Has: []string{`"subject":"must not contain control characters"`}},
		{Name: "no address", Do: path, Header: own, Body: text(t, mailTo("ada")), Want: 422, Has: []string{`"to"`}},
		{Name: "nothing", Do: path, Header: own, Body: `{}`, Want: 422, Has: []string{`"id"`, `"to"`, `"subject"`, `"text"`, `"html"`}},
		{Name: "something else", Do: path, Header: own, Body: `{"bcc":"eve@example.com"}`, Want: 422, Has: []string{`"bcc":"is not a known field"`}},
	})
	if n := len(office.letters()); n != 1 {
		t.Errorf("%d mails were sent, want 1", n)
	}
	if err := office.Close(); err != nil {
		t.Fatal(err)
	}
	app = web.New("mail-relay", web.Config{AppToken: token})
	service(t, office).Routes(app)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "silence", Do: path, Header: own, Body: text(t, mailTo("ada@example.com")), Want: 503, Has: []string{"mail_server_silent", "connection refused"}},
	})
}

// TestManyAtOnce: each gets its own mail, over few connections that are used again.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	for name, impatient := range map[string]bool{"patient": false, "impatient": true} {
		office := open(t, impatient)
		s := service(t, office)
		var all sync.WaitGroup
		for n := range 200 {
			all.Go(func() {
				m := mailTo(fmt.Sprintf("p%d@example.com", n))
				m.Subject = "for " + m.To
				if _, err := s.Send(t.Context(), m); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		all.Wait()
		seen := map[string]bool{}
		for _, l := range office.letters() {
			header, _ := parts(t, l)
			if header.Get("Subject") != "for "+l.to || header.Get("To") != "<"+l.to+">" || seen[l.to] {
				t.Errorf("%s: %s got %q for %q", name, l.to, header.Get("Subject"), header.Get("To"))
			}
			seen[l.to] = true
		}
		office.mu.Lock()
		if len(seen) != 200 || !impatient && office.connections > 4 {
			t.Errorf("%s: %d mails over %d connections", name, len(seen), office.connections)
		}
		office.mu.Unlock()
	}
}

// TestItDoesNotStartHalf: what is set up wrongly is named, and without a token there is no relay.
func TestItDoesNotStartHalf(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := map[string]string{"MAIL_RELAY_TOKEN_FILE": file(token), "MAIL_FROM": "shop@example.com", "SMTP_TLS": "starttls", "SMTP_PORT": "25"}
	for _, bad := range [][2]string{
		{"MAIL_RELAY_TOKEN_FILE", ""}, {"MAIL_RELAY_TOKEN_FILE", "/nowhere"}, {"MAIL_RELAY_TOKEN_FILE", file("short")}, {"MAIL_FROM", "shop"}, {"SMTP_TLS", "maybe"},
		{"SMTP_PORT", "x"}, {"SMTP_PASSWORD_FILE", "/nowhere"},
	} {
		for name, value := range good {
			t.Setenv(name, value)
		}
		t.Setenv("SMTP_USER", "shop")
		t.Setenv("SMTP_PASSWORD_FILE", good["MAIL_RELAY_TOKEN_FILE"])
		t.Setenv(bad[0], bad[1])
		if err := Run(t.Context()); err == nil || !strings.Contains(err.Error(), bad[0]) {
			t.Errorf("%s=%q: %v", bad[0], bad[1], err)
		}
	}
}

func TestSilenceIsNoRefusal(t *testing.T) {
	t.Parallel()
	if err := refusal(content, errors.New("EOF"), "x"); !errors.Is(err, ErrSilent) || errors.Is(err, ErrRefused) {
		t.Errorf("%v", err)
	}
}
