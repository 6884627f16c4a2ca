package mail

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"

	"sidecart/apps/notifications/internal/delivery"
	"sidecart/kit/kittest"
)

// sentinel is the error of package delivery that err wraps, or nil if the outcome is unknown.
func sentinel(err error) error {
	for _, known := range []error{delivery.ErrSenderRejected, delivery.ErrTemporary, delivery.ErrRefused} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

func TestConnectionsAreEncrypted(t *testing.T) {
	t.Parallel()
	plain := []string{sasl.Plain}
	for name, c := range map[string]struct {
		fake   *fakeServer
		change func(*Settings)
		fails  string // the error; empty if the e-mail is sent
	}{
		"STARTTLS":                       {&fakeServer{tls: "starttls", signIn: true, mechanisms: plain}, nil, ""},
		"TLS":                            {&fakeServer{tls: "tls", signIn: true, mechanisms: plain}, nil, ""},
		"unencrypted, on this machine":   {&fakeServer{tls: "none", signIn: true, mechanisms: plain}, nil, ""},
		"no authentication":              {&fakeServer{tls: "starttls"}, nil, ""},
		"no STARTTLS":                    {&fakeServer{tls: "none", signIn: true, mechanisms: plain}, func(s *Settings) { s.TLS = "starttls" }, "does not support STARTTLS"},
		"no STARTTLS, no authentication": {&fakeServer{tls: "none"}, func(s *Settings) { s.TLS = "starttls" }, "does not support STARTTLS"},
		"no TLS":                         {&fakeServer{tls: "none", signIn: true, mechanisms: plain}, func(s *Settings) { s.TLS = "tls" }, "tls: "},
		"another certificate, STARTTLS":  {&fakeServer{tls: "starttls", signIn: true, mechanisms: plain}, wrongName, "certificate"},
		"another certificate, TLS":       {&fakeServer{tls: "tls", signIn: true, mechanisms: plain}, wrongName, "certificate"},
		"a wrong password":               {&fakeServer{tls: "starttls", signIn: true, mechanisms: plain}, func(s *Settings) { s.Password = "wrong" }, "535 5.7.8 wrong password"},
		"a password without AUTH":        {&fakeServer{tls: "starttls"}, func(s *Settings) { s.Username, s.Password = username, password }, "AUTH"},
		"no password with AUTH":          {&fakeServer{tls: "starttls", signIn: true, mechanisms: plain}, func(s *Settings) { s.Username = "" }, "502"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := startServer(t, c.fake)
			_, err := newTestProvider(t, fake, c.change).Send(t.Context(), messageTo("ada@example.com"))
			if c.fails == "" && (err != nil || len(fake.mails()) != 1) {
				t.Errorf("%v", err)
			}
			if c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails) || len(fake.mails()) != 0) {
				t.Errorf("%v", err)
			}
			if errors.Is(err, delivery.ErrRefused) {
				t.Errorf("%v is a permanent failure of the e-mail", err)
			}
			encrypted := c.fake.tls != "none" || c.fails == ""
			fake.mu.Lock()
			defer fake.mu.Unlock()
			if len(fake.passwords) > 0 && !encrypted {
				t.Errorf("the passwords %q were sent unencrypted", fake.passwords)
			}
		})
	}
}

// wrongName sets a host name that the certificate does not have.
func wrongName(s *Settings) { s.Addr = strings.Replace(s.Addr, "127.0.0.1", "localhost", 1) }

func TestInvalidSettings(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Settings){
		"MAIL_FROM": func(s *Settings) { s.From = "shop" },
		"SMTP_ADDR": func(s *Settings) { s.Addr = "mail.example.com" },
		"SMTP_TLS":  func(s *Settings) { s.TLS = "maybe" },
		"SMTP_TLS=none: with a password, SMTP_ADDR must be on this machine": func(s *Settings) { s.TLS, s.Username, s.Password = "none", username, password },
	} {
		s := Settings{Addr: "mail.example.com:587", TLS: "starttls", From: "shop@example.com", Connections: 1, PerSecond: 1}
		if _, err := NewProvider(s); err != nil {
			t.Fatal(err)
		}
		change(&s)
		if _, err := NewProvider(s); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReplies(t *testing.T) {
	t.Parallel()
	fake := startServer(t, newRefusingServer(map[string]int{
		"RCPT unknown": 550, "RCPT full": 452, "RCPT busy": 421, "RCPT throttled": 454, "DATA spam": 554, "DATA later": 451, "DATA much": 454}))
	p := newTestProvider(t, fake, nil)
	for recipient, want := range map[string]error{
		"unknown": delivery.ErrRefused, "spam": delivery.ErrRefused, "full": delivery.ErrTemporary, "later": delivery.ErrTemporary,
		"busy": delivery.ErrSenderRejected, "throttled": delivery.ErrSenderRejected, "much": delivery.ErrSenderRejected,
	} {
		_, err := p.Send(t.Context(), messageTo(recipient+"@example.com"))
		if !errors.Is(sentinel(err), want) || strings.Contains(err.Error(), "@") || strings.ContainsAny(err.Error(), "\r\n") || !strings.Contains(err.Error(), "<the address> not this one") {
			t.Errorf("%s: %v", recipient, err)
		}
		if _, err := p.Send(t.Context(), messageTo("ada@example.com")); err != nil {
			t.Errorf("after %s: %v", recipient, err)
		}
	}
	if connections, _, _ := fake.counts(); len(fake.mails()) != 7 || connections != 2 { // the connection of busy is not used again
		t.Errorf("%d mails over %d connections", len(fake.mails()), connections)
	}

	sender := startServer(t, newRefusingServer(map[string]int{"MAIL shop": 550}))
	if _, err := newTestProvider(t, sender, nil).Send(t.Context(), messageTo("ada@example.com")); !errors.Is(sentinel(err), delivery.ErrSenderRejected) {
		t.Errorf("sender rejected: %v", err)
	}
	sender.stop()
	if _, err := newTestProvider(t, sender, nil).Send(t.Context(), messageTo("ada@example.com")); sentinel(err) != nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("no server: %v", err)
	}
}

// TestInterruptedMail: if the connection ends in the middle, the outcome is unknown. The next attempt sends the same
// e-mail on another connection.
func TestInterruptedMail(t *testing.T) {
	t.Parallel()
	fake := startServer(t, &fakeServer{tls: "starttls", cuts: 1})
	p, m := newTestProvider(t, fake, nil), messageTo("ada@example.com")
	if _, err := p.Send(t.Context(), m); err == nil || sentinel(err) != nil {
		t.Errorf("%v", err)
	}
	if _, err := p.Send(t.Context(), m); err != nil {
		t.Error(err)
	}
	if got := fake.mails(); len(got) != 1 || !strings.Contains(got[0].text, m.MessageID.String()) {
		t.Errorf("%d mails", len(got))
	}
}

// sendConcurrently sends messages as the worker does: as many at a time as the provider allows.
func sendConcurrently(t *testing.T, p delivery.Provider, messages int, round string) {
	t.Helper()
	next := make(chan int)
	var workers sync.WaitGroup
	for range p.Concurrency {
		workers.Go(func() {
			for n := range next {
				m := messageTo(fmt.Sprintf("%s%d@example.com", round, n))
				m.Title = "for " + m.To
				if _, err := p.Send(t.Context(), m); err != nil {
					t.Errorf("%s: %v", m.To, err)
				}
			}
		})
	}
	for n := range messages {
		next <- n
	}
	close(next)
	workers.Wait()
}

// TestConcurrentMails: each address gets its own e-mail, over few connections that are reused.
func TestConcurrentMails(t *testing.T) {
	t.Parallel()
	fake := startServer(t, &fakeServer{tls: "starttls", signIn: true, mechanisms: []string{sasl.Plain}})
	p := newTestProvider(t, fake, nil)
	sendConcurrently(t, p, 300, "p")
	seen := map[string]bool{}
	for _, got := range fake.mails() {
		header, _ := parts(t, got)
		if header.Get("Subject") != "for "+got.to || header.Get("To") != "<"+got.to+">" || seen[got.to] {
			t.Errorf("%s got %q for %q", got.to, header.Get("Subject"), header.Get("To"))
		}
		seen[got.to] = true
	}
	if connections, _, _ := fake.counts(); len(seen) != 300 || connections > p.Concurrency {
		t.Errorf("%d mails over %d connections", len(seen), connections)
	}
}

// TestServerRestart: idle connections of before are not used, and each e-mail is sent once.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	fake := startServer(t, &fakeServer{tls: "tls"})
	p := newTestProvider(t, fake, nil)
	for _, round := range []string{"before", "after", "again"} {
		sendConcurrently(t, p, 40, round)
		fake.stop()
		fake.start(t)
	}
	times := map[string]int{}
	for _, got := range fake.mails() {
		times[got.to]++
	}
	for recipient, n := range times {
		if n != 1 {
			t.Errorf("%s got %d", recipient, n)
		}
	}
	if connections, _, most := fake.counts(); len(times) != 120 || connections > 3*p.Concurrency || most > p.Concurrency {
		t.Errorf("%d mails over %d connections, at most %d at a time", len(times), connections, most)
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	fake := startServer(t, newRefusingServer(nil))
	dial, err := dialer(Settings{Addr: fake.addr, TLS: "none"})
	if err != nil {
		t.Fatal(err)
	}
	p := pool{limit: 50 * time.Millisecond}
	for range 2 { // the timer is set again
		for range 3 {
			conn, err := dial.DialToSMTPClientWithContext(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p.put(conn)
		}
		kittest.Eventually(t, 10*time.Second, func() error {
			if _, open, _ := fake.counts(); open > 0 || p.take() != nil {
				return fmt.Errorf("%d connections are open", open)
			}
			return nil
		})
	}
	if connections, _, _ := fake.counts(); connections != 6 {
		t.Errorf("%d connections", connections)
	}
}
