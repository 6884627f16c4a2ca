package relay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"sidecart/kit/kittest"
)

// postOffice is an SMTP server at the edge of the process. It keeps what it got, and says no to some.
type postOffice struct {
	net.Listener
	mu          sync.Mutex
	got         []letter
	connections int
	impatient   bool // ends a connection after each mail
}

type letter struct{ to, text string }

func open(t *testing.T, impatient bool) *postOffice {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postOffice{Listener: listener, impatient: impatient}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

// replies are what it says to an address instead of yes.
var replies = map[string]string{
	"gone@example.com": "550 5.1.1 <gone@example.com>: no such mailbox", "full@example.com": "452 4.2.2 mailbox full", "busy@example.com": "421 too much",
}

func (p *postOffice) serve(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // a test's end
	p.mu.Lock()
	p.connections++
	p.mu.Unlock()
	in, to := bufio.NewReader(conn), ""
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	say("220 post office")
	for {
		command, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(command[:4]); verb {
		case "RCPT":
			to = command[strings.Index(command, "<")+1 : strings.Index(command, ">")]
			if no := replies[to]; no != "" {
				say(no)
				continue
			}
			say("250 ok")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for line, err := in.ReadString('\n'); line != ".\r\n"; line, err = in.ReadString('\n') {
				if err != nil {
					return
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			if to == "spam@example.com" {
				say("554 5.7.1 looks like spam")
				continue
			}
			p.mu.Lock()
			p.got = append(p.got, letter{to, text.String()})
			p.mu.Unlock()
			say("250 2.0.0 Ok: queued as 4F1A2")
			if p.impatient {
				return
			}
		default:
			say("250 ok")
		}
	}
}

func (p *postOffice) letters() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]letter{}, p.got...)
}

func service(t *testing.T, p *postOffice) *Service {
	t.Helper()
	dial, err := dialer("127.0.0.1", p.Addr().(*net.TCPAddr).Port, "none", "", "")
	if err != nil {
		t.Fatal(err)
	}
	return &Service{&mail.Address{Name: "Sidecart", Address: "shop@sidecart.example"}, newServer(dial, 4)}
}

func mailTo(to string) Mail {
	return Mail{ID: kittest.Somebody("user").ID.UUID, To: to, Subject: "Ihre Bestellung ist da: 1 × Größe", Text: "Grüße\nhttps://shop.example.com/x",
		HTML: "<p>Grüße</p>", Unsubscribe: "https://shop.example.com/unsubscribe?token=a-b_c"}
}

// parts are the header of a letter, and its text and its HTML.
func parts(t *testing.T, l letter) (mail.Header, []string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(l.text))
	if err != nil {
		t.Fatalf("%v in %s", err, l.text)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("it is %s, %v", kind, err)
	}
	var all []string
	for from := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := from.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, all
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

func TestAMailIsWhole(t *testing.T) {
	t.Parallel()
	office := open(t, false)
	s, m := service(t, office), mailTo("ada@example.com")
	receipt, err := s.Send(t.Context(), m)
	if err != nil || receipt.Answer != "250 2.0.0 Ok: queued as 4F1A2" {
		t.Fatalf("%+v %v", receipt, err)
	}
	got := office.letters()[0]
	header, bodies := parts(t, got)
	subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	if err != nil || subject != m.Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	for name, want := range map[string]string{
		"From": `"Sidecart" <shop@sidecart.example>`, "To": "<ada@example.com>", "Message-ID": "<" + m.ID.String() + "@sidecart.example>",
		"List-Unsubscribe": "<" + m.Unsubscribe + ">", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "Auto-Submitted": "auto-generated",
		"X-Mailer": "", "User-Agent": "",
	} {
		if header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, header.Get(name), want)
		}
	}
	if sent, err := header.Date(); err != nil || time.Since(sent) > time.Hour {
		t.Errorf("of %s, %v", sent, err)
	}
	want := []string{"text/plain; charset=UTF-8: " + strings.ReplaceAll(m.Text, "\n", "\r\n"), "text/html; charset=UTF-8: " + m.HTML}
	if fmt.Sprintf("%q", bodies) != fmt.Sprintf("%q", want) {
		t.Errorf("%q, want %q", bodies, want)
	}

	m.Unsubscribe = ""
	if _, err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	again, _ := parts(t, office.letters()[1])
	if again.Get("List-Unsubscribe")+again.Get("List-Unsubscribe-Post") != "" || again.Get("Message-ID") != header.Get("Message-ID") {
		t.Errorf("%v", again)
	}
}

// TestNobodyWritesHeaders: what customers and admins write stays inside the place it is for.
func TestNobodyWritesHeaders(t *testing.T) {
	t.Parallel()
	office := open(t, false)
	s := service(t, office)
	for name, spoil := range map[string]func(*Mail){
		"a second address":    func(m *Mail) { m.To = "ada@example.com, eve@example.com" },
		"a line in the to":    func(m *Mail) { m.To = "ada@example.com\r\nBcc: eve@example.com" },
		"a command in the to": func(m *Mail) { m.To = "ada@example.com>\r\nRCPT TO:<eve@example.com" },
		"a name in the to":    func(m *Mail) { m.To = "Eve <eve@example.com>" },
		"a line in the link":  func(m *Mail) { m.Unsubscribe = "https://x.example/\r\nBcc: eve@example.com" },
		"a second link":       func(m *Mail) { m.Unsubscribe = "https://x.example/>, <mailto:eve@example.com" },
		"a script as a link":  func(m *Mail) { m.Unsubscribe = "javascript:alert(1)" },
		"a line in a subject": func(m *Mail) { m.Subject = "a\r\nBcc: eve@example.com\r\n\r\nbody" },
		"a dot in the text":   func(m *Mail) { m.Text = "a\r\n.\r\nRCPT TO:<eve@example.com>\r\n.\r\nb" },
		"a boundary":          func(m *Mail) { m.Text = "--\r\nContent-Type: text/html\r\n\r\n<b>" },
	} {
		m := mailTo("ada@example.com")
		spoil(&m)
		before := len(office.letters())
		if _, err := s.Send(t.Context(), m); err != nil {
			if len(office.letters()) != before {
				t.Errorf("%s: refused and sent", name)
			}
			continue
		}
		got := office.letters()[before:]
		if len(got) != 1 || got[0].to != "ada@example.com" {
			t.Errorf("%s: %d mails, to %+v", name, len(got), got)
			continue
		}
		header, bodies := parts(t, got[0])
		if header.Get("Bcc") != "" || len(bodies) != 2 || strings.Contains(header.Get("List-Unsubscribe"), ", <") {
			t.Errorf("%s: %v %q", name, header, bodies)
		}
	}
}
