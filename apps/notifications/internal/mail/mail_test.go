package mail

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"sidecart/apps/notifications/internal/delivery"
)

// parts are the header of an e-mail, and its text and HTML.
func parts(t *testing.T, got received) (mail.Header, []string) {
	t.Helper()
	parsed, err := mail.ReadMessage(strings.NewReader(got.text))
	if err != nil {
		t.Fatalf("%v in %s", err, got.text)
	}
	kind, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("it is %s, %v", kind, err)
	}
	var all []string
	for from := multipart.NewReader(parsed.Body, params["boundary"]); ; {
		part, err := from.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parsed.Header, all
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part.Header.Get("Content-Type")+": "+string(text))
	}
}

func decoded(t *testing.T, header string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		t.Error(err)
	}
	return text
}

func TestMailHasAllParts(t *testing.T) {
	t.Parallel()
	fake := startServer(t, newRefusingServer(nil))
	p, m := newTestProvider(t, fake, nil), messageTo("ada@example.com")
	m.Title = strings.Repeat("Größe ", 60) + "ist da"
	m.Body = strings.Repeat("a long line ", 500) + "\n.\n..\n" + strings.Repeat("x", 3000)
	m.HTML = "<p>" + strings.Repeat("ü", 3000) + "</p>"
	m.OneClick += strings.Repeat("x", 500)
	if response, err := p.Send(t.Context(), m); err != nil || response != "250 2.0.0 OK: queued" {
		t.Fatalf("%q %v", response, err)
	}
	got := fake.mails()[0]
	if got.to != "ada@example.com" {
		t.Errorf("it went to %s", got.to)
	}
	for line := range strings.SplitSeq(got.text, "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("a line of %d characters: %.100q", len(line), line)
		}
		if strings.Trim(line, "\t !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\\") != "" {
			t.Errorf("not ASCII: %q", line)
		}
	}
	header, bodies := parts(t, got)
	if subject := decoded(t, header.Get("Subject")); subject != m.Title {
		t.Errorf("subject %q", subject)
	}
	from, err := header.AddressList("From")
	if err != nil || len(from) != 1 || *from[0] != (mail.Address{Name: "Sidecart Größe", Address: "shop@sidecart.example"}) {
		t.Errorf("from %v, %v", from, err)
	}
	for name, want := range map[string]string{
		"To": "<ada@example.com>", "Message-ID": "<" + m.MessageID.String() + "@sidecart.example>",
		"List-Unsubscribe": "<" + m.OneClick + ">", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "Auto-Submitted": "auto-generated",
		"X-Mailer": "", "User-Agent": "", "Mime-Version": "1.0",
	} {
		if header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, header.Get(name), want)
		}
	}
	if sent, err := header.Date(); err != nil || time.Since(sent) > time.Hour {
		t.Errorf("of %s, %v", sent, err)
	}
	want := []string{"text/plain; charset=UTF-8: " + strings.ReplaceAll(m.Body, "\n", "\r\n"), "text/html; charset=UTF-8: " + m.HTML}
	if fmt.Sprintf("%q", bodies) != fmt.Sprintf("%q", want) {
		t.Errorf("%q, want %q", bodies, want)
	}

	m.OneClick = ""
	if _, err := p.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	again, _ := parts(t, fake.mails()[1])
	if again.Get("List-Unsubscribe")+again.Get("List-Unsubscribe-Post") != "" || again.Get("Message-ID") != header.Get("Message-ID") {
		t.Errorf("%v", again)
	}
}

// TestHeaderInjection: the input of customers and admins stays in its header or part.
func TestHeaderInjection(t *testing.T) {
	t.Parallel()
	fake := startServer(t, newRefusingServer(nil))
	p := newTestProvider(t, fake, nil)
	const bcc = "a\r\nBcc: eve@example.com\r\n\r\nbody"
	for name, c := range map[string]struct {
		change func(*delivery.Message)
		sent   bool
	}{
		"a second address":              {func(m *delivery.Message) { m.To = "ada@example.com, eve@example.com" }, false},
		"a line in the to":              {func(m *delivery.Message) { m.To = "ada@example.com\r\nBcc: eve@example.com" }, false},
		"a command in the to":           {func(m *delivery.Message) { m.To = "ada@example.com>\r\nRCPT TO:<eve@example.com" }, false},
		"a line in the name":            {func(m *delivery.Message) { m.To = "\"a\r\nBcc: eve@example.com\" <ada@example.com>" }, false},
		"a line in a subject":           {func(m *delivery.Message) { m.Title = bcc }, true},
		"a bare line feed in a subject": {func(m *delivery.Message) { m.Title = "a\nBcc: eve@example.com" }, true},
		"a line in a longer subject":    {func(m *delivery.Message) { m.Title = strings.Repeat("ü", 200) + bcc }, true},
		"an encoded word in a subject":  {func(m *delivery.Message) { m.Title = "=?utf-8?q?a=0D=0ABcc:_eve@example.com?=" }, true},
		"a dot in the text":             {func(m *delivery.Message) { m.Body = "a\r\n.\r\nRCPT TO:<eve@example.com>\r\n.\r\nb" }, true},
		"a boundary":                    {func(m *delivery.Message) { m.Body = "--\r\nContent-Type: text/html\r\n\r\n<b>" }, true},
	} {
		m := messageTo("ada@example.com")
		c.change(&m)
		before := len(fake.mails())
		_, err := p.Send(t.Context(), m)
		got := fake.mails()[before:]
		if !c.sent {
			if !errors.Is(err, delivery.ErrRefused) || len(got) > 0 {
				t.Errorf("%s: %v, and %d mails", name, err, len(got))
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0].to != "ada@example.com" {
			t.Errorf("%s: %v, %d mails, %+v", name, err, len(got), got)
			continue
		}
		header, bodies := parts(t, got[0])
		if header.Get("Bcc") != "" || len(bodies) != 2 || decoded(t, header.Get("Subject")) != decoded(t, m.Title) {
			t.Errorf("%s: %v %q", name, header, bodies)
		}
	}
}
