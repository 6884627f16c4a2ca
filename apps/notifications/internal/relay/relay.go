// Package relay hands mails to an SMTP server: it takes them from a sidecar's HTTP binding, makes them of a text and an HTML
// part with the headers that readers' programs know, and says what the server said. It keeps nothing.
package relay

import (
	"fmt"
	"net/mail"
	"net/url"

	"github.com/google/uuid"
	gomail "github.com/wneessen/go-mail"

	"sidecart/kit/fault"
)

// What can become of a mail instead of being taken. The message of each is what the server said, without the address.
var (
	ErrRefused = fault.New(fault.Invalid, "mail_refused", "the mail server does not take this mail")
	ErrPutOff  = fault.New(fault.Unavailable, "mail_put_off", "the mail server does not take this mail now").After(60)
	ErrSilent  = fault.New(fault.Unavailable, "mail_server_silent", "the mail server does not answer").After(2)
)

// Mail is what is to be sent to one reader. Its ID is the same at each attempt, and becomes its Message-ID.
type Mail struct {
	ID      uuid.UUID `json:"id" validate:"required"`
	To      string    `json:"to" validate:"required,max=254"`
	Subject string    `json:"subject" validate:"required,line,max=2000"`
	Text    string    `json:"text" validate:"required"`
	HTML    string    `json:"html" validate:"required"`
	// Unsubscribe is where one POST ends mails of this kind (RFC 8058); empty for what cannot be ended.
	Unsubscribe string `json:"unsubscribe,omitempty" validate:"max=1000"`
}

// Receipt is what the server said when it took a mail: 250 2.0.0 Ok: queued as 4F1A2.
type Receipt struct {
	Answer string `json:"answer"`
}

// compose makes the message of a mail from a sender. It fails with fault.ErrInvalid where an address or the link is none.
func (m Mail) compose(from *mail.Address) (*gomail.Msg, error) {
	to, err := mail.ParseAddress(m.To)
	if err != nil || to.Address != m.To {
		return nil, fault.ErrInvalid.With("to", "must be one e-mail address, and nothing else")
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(from)
	msg.ToMailAddress(to)
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(fmt.Sprintf("%s@%s", m.ID, domain(from)))
	msg.SetDate()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // so that nobody's absence is told to the shop (RFC 3834)
	if m.Unsubscribe != "" {
		link, err := url.Parse(m.Unsubscribe)
		if err != nil || link.Host == "" || link.Scheme != "https" && link.Scheme != "http" {
			return nil, fault.ErrInvalid.With("unsubscribe", "must be a web address")
		}
		msg.SetListUnsubscribe(link.String())
		msg.SetListUnsubscribePost()
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg, nil
}
