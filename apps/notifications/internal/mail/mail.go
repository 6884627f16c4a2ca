// Package mail sends e-mails with a text and an HTML part through an SMTP server. It keeps connections open.
package mail

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"sidecart/apps/notifications/internal/delivery"
)

// Settings of the connection to the SMTP server.
type Settings struct {
	Addr        string // host:port
	TLS         string // starttls, tls (implicit) or none
	Username    string // empty for no authentication
	Password    string
	From        string // Name <address>; its domain is also that of Message-IDs
	Connections int    // concurrent
	PerSecond   int    // e-mails
}

// CheckTLS fails if e-mails would cross a network unencrypted: they have links that reset passwords.
func (s Settings) CheckTLS() error {
	host, _, _ := net.SplitHostPort(s.Addr) // NewProvider refuses an invalid address
	if s.TLS != "none" || host == "" || host == "localhost" || net.ParseIP(host).IsLoopback() {
		return nil
	}
	return errors.New("none sends e-mails unencrypted, and SMTP_ADDR is not on this machine: set starttls or tls")
}

// newMail makes the e-mail of a message. The library encodes line breaks in headers, so no content adds a header.
func newMail(from, to *mail.Address, m delivery.Message) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(from)
	msg.ToMailAddress(to)
	msg.Subject(m.Title)
	_, domain, _ := strings.Cut(from.Address, "@")
	msg.SetMessageIDWithValue(fmt.Sprintf("%s@%s", m.MessageID, domain)) // the same in each attempt
	msg.SetDate()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // so that no absence notes are sent back (RFC 3834)
	if m.OneClick != "" {
		msg.SetListUnsubscribe(m.OneClick)
		msg.SetListUnsubscribePost()
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Body)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg
}
