package mail

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/uuid"

	"sidecart/apps/notifications/internal/delivery"
)

const (
	username = "shop"
	password = "correct horse battery staple"
)

// certificate is that of the fake servers; the process trusts it.
var certificate tls.Certificate

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mail")
	if err == nil {
		err = newCertificate(filepath.Join(dir, "roots.pem"))
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func newCertificate(roots string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	_ = os.Setenv("SSL_CERT_FILE", roots)
	return os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// fakeServer is a real SMTP server in the process. It stores e-mails, and refuses some.
type fakeServer struct {
	tls           string         // starttls, tls or none
	signIn        bool           // is required
	mechanisms    []string       // of the authentication
	refusals      map[string]int // codes by step (MAIL, RCPT, DATA) and the local part of the address
	mu            sync.Mutex
	server        *smtp.Server
	addr          string
	got           []received
	passwords     []string
	cuts          int // e-mails in the middle of which it closes the connection
	unreplied     int // e-mails that it stores without a reply
	connections   int // in total
	open, maxOpen int
}

type received struct{ from, to, text string }

// startServer starts a server until the end of the test.
func startServer(t *testing.T, p *fakeServer) *fakeServer {
	t.Helper()
	p.addr = "127.0.0.1:0"
	p.start(t)
	t.Cleanup(p.stop)
	return p
}

func (p *fakeServer) start(t *testing.T) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	p.addr = listener.Addr().String()
	listener = counting{listener, p}
	s := smtp.NewServer(p)
	s.Domain, s.AllowInsecureAuth, s.EnableSMTPUTF8 = "mail.example.com", p.tls == "none", true
	s.ErrorLog = quiet{}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	switch p.tls {
	case "starttls":
		s.TLSConfig = config
	case "tls":
		listener = tls.NewListener(listener, config)
	}
	p.mu.Lock()
	p.server = s
	p.mu.Unlock()
	go func() { _ = s.Serve(listener) }()
}

func (p *fakeServer) stop() {
	p.mu.Lock()
	s := p.server
	p.mu.Unlock()
	_ = s.Close()
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// counting counts connections.
type counting struct {
	net.Listener
	fake *fakeServer
}

func (l counting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.fake.mu.Lock()
	defer l.fake.mu.Unlock()
	l.fake.connections++
	l.fake.open++
	l.fake.maxOpen = max(l.fake.maxOpen, l.fake.open)
	return &counted{Conn: conn, fake: l.fake}, nil
}

type counted struct {
	net.Conn
	fake *fakeServer
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() {
		c.fake.mu.Lock()
		c.fake.open--
		c.fake.mu.Unlock()
	})
	return c.Conn.Close()
}

func (p *fakeServer) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &dialog{fake: p, conn: c}, nil
}

type dialog struct {
	fake     *fakeServer
	conn     *smtp.Conn
	signedIn bool
	received
}

func (d *dialog) AuthMechanisms() []string { return d.fake.mechanisms }

func (d *dialog) Auth(mechanism string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, word string) error {
		d.fake.mu.Lock()
		d.fake.passwords = append(d.fake.passwords, word)
		d.fake.mu.Unlock()
		if d.signedIn = mechanism == sasl.Plain && name == username && word == password; !d.signedIn {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong password"}
		}
		return nil
	}), nil
}

// refusal is the reply to a step, or nil.
func (d *dialog) refusal(step string) error {
	word, _, _ := strings.Cut(d.to+d.from, "@")
	if code := d.fake.refusals[step+" "+word]; code > 0 {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: step + ": <" + d.to + ">\r\n not this one"}
	}
	return nil
}

func (d *dialog) Mail(from string, _ *smtp.MailOptions) error {
	if d.fake.signIn && !d.signedIn {
		return smtp.ErrAuthRequired
	}
	d.received = received{from: from}
	return d.refusal("MAIL")
}

func (d *dialog) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to, d.from = to, ""
	return d.refusal("RCPT")
}

func (d *dialog) Data(r io.Reader) error {
	d.fake.mu.Lock()
	cut := d.fake.cuts > 0
	d.fake.cuts = max(0, d.fake.cuts-1)
	d.fake.mu.Unlock()
	if cut {
		_, _ = io.CopyN(io.Discard, r, 10)
		return d.conn.Conn().Close()
	}
	text, err := io.ReadAll(r)
	if err == nil {
		err = d.refusal("DATA")
	}
	if err != nil {
		return err
	}
	d.text = string(text)
	d.fake.mu.Lock()
	d.fake.got = append(d.fake.got, d.received)
	silent := d.fake.unreplied > 0
	d.fake.unreplied = max(0, d.fake.unreplied-1)
	d.fake.mu.Unlock()
	if silent {
		return d.conn.Conn().Close()
	}
	return nil
}

func (d *dialog) Reset()        { d.received = received{} }
func (d *dialog) Logout() error { return nil }

func (p *fakeServer) mails() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *fakeServer) counts() (connections, open, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connections, p.open, p.maxOpen
}

// newTestProvider sends to a fake server; change changes the settings.
func newTestProvider(t *testing.T, p *fakeServer, change func(*Settings)) delivery.Provider {
	t.Helper()
	s := Settings{Addr: p.addr, TLS: p.tls, From: "Sidecart Größe <shop@sidecart.example>", Connections: 8, PerSecond: 1000}
	if p.signIn {
		s.Username, s.Password = username, password
	}
	if change != nil {
		change(&s)
	}
	provider, err := NewProvider(s)
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

func messageTo(address string) delivery.Message {
	return delivery.Message{
		MessageID: uuid.NewSHA1(uuid.Nil, []byte(address)), To: address, Title: "Ihre Bestellung ist da: 1 × Größe",
		Body: "Grüße\nhttps://shop.example.com/x", HTML: "<p>Grüße</p>", OneClick: "https://shop.example.com/unsubscribe?token=a-b_c",
	}
}

// newRefusingServer is a fake server without TLS, with refusals.
func newRefusingServer(refusals map[string]int) *fakeServer {
	return &fakeServer{tls: "none", refusals: refusals}
}
