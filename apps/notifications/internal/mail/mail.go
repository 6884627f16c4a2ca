// Package mail hands messages to an SMTP server: as mails of a text and an HTML part, over a few connections that it
// keeps.
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

// Settings say which mail server takes our mails, and how.
type Settings struct {
	Addr        string // host:port
	TLS         string // starttls, tls (from the first byte) or none
	Username    string // empty where nobody signs in
	Password    string
	From        string // Name <address>; its domain is that of the Message-IDs, too
	Connections int    // at a time
	PerSecond   int    // mails
}

// CheckTLS says why mails may not be sent in clear: what they carry, links that reset a password among them, crosses no
// network so.
func (s Settings) CheckTLS() error {
	host, _, _ := net.SplitHostPort(s.Addr) // Over refuses what is no address
	if s.TLS != "none" || host == "" || host == "localhost" || net.ParseIP(host).IsLoopback() {
		return nil
	}
	return errors.New("none sends mails in clear, and SMTP_ADDR is not on this machine: set starttls or tls")
}

// newMail makes the mail of a message. Whatever stands in a message stays in its place: the library encodes what would
// begin another header.
func newMail(from, to *mail.Address, l delivery.Message) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(from)
	msg.ToMailAddress(to)
	msg.Subject(l.Title)
	_, domain, _ := strings.Cut(from.Address, "@")
	msg.SetMessageIDWithValue(fmt.Sprintf("%s@%s", l.MessageID, domain)) // the same at each attempt
	msg.SetDate()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // no absence notes come back to the shop (RFC 3834)
	if l.OneClick != "" {
		msg.SetListUnsubscribe(l.OneClick)
		msg.SetListUnsubscribePost()
	}
	msg.SetBodyString(gomail.TypeTextPlain, l.Body)
	msg.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	return msg
}
