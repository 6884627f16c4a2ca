package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"sidecart/apps/notifications/internal/delivery"
)

const (
	dialTimeout = 5 * time.Second  // until the server has greeted us, and let us in
	sendTimeout = 15 * time.Second // for one mail, the connection included; less than an attempt may take
)

// NewProvider sends through the mail server that the settings name, over no more connections at a time than the caller has
// messages. It fails, with the name of the variable, where the settings cannot be used.
func NewProvider(s Settings) (delivery.Provider, error) {
	from, err := mail.ParseAddress(s.From)
	if err != nil {
		return delivery.Provider{}, fmt.Errorf("MAIL_FROM=%q: %w", s.From, err)
	}
	dial, err := dialer(s)
	if err != nil {
		return delivery.Provider{}, err
	}
	server := &server{from: from, dial: dial.DialToSMTPClientWithContext, pool: pool{limit: idleLimit}}
	return delivery.Provider{Name: "smtp", Concurrency: s.Connections, PerSecond: float64(s.PerSecond), Send: server.send}, nil
}

func dialer(s Settings) (*gomail.Client, error) {
	host, portText, err := net.SplitHostPort(s.Addr)
	port, notNumber := strconv.Atoi(portText)
	if err = errors.Join(err, notNumber); err != nil {
		return nil, fmt.Errorf("SMTP_ADDR=%q: must be host:port: %w", s.Addr, err)
	}
	options, auth := []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(dialTimeout)}, gomail.SMTPAuthAutoDiscover
	switch s.TLS {
	case "starttls":
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case "tls":
		options = append(options, gomail.WithSSL())
	case "none":
		if s.Username != "" && s.CheckTLS() != nil {
			return nil, errors.New("SMTP_TLS=none: a password crosses no network in clear; SMTP_ADDR must be on this machine")
		}
		options, auth = append(options, gomail.WithTLSPolicy(gomail.NoTLS)), gomail.SMTPAuthPlain
	default:
		return nil, fmt.Errorf("SMTP_TLS=%q: must be starttls, tls or none", s.TLS)
	}
	if s.Username != "" {
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(s.Username), gomail.WithPassword(s.Password))
	}
	return gomail.NewClient(host, options...)
}

// server is a mail server, and the connections to it that wait for the next mail.
type server struct {
	from *mail.Address
	dial func(context.Context) (*smtp.Client, error)
	pool pool
}

// send returns once the server has taken a message. One of the connections that were kept may have been closed
// meanwhile: what fails on it before the mail was begun is tried again on another.
func (s *server) send(ctx context.Context, l delivery.Message) (answer string, err error) {
	to, err := mail.ParseAddress(l.To)
	if err != nil {
		return "", fmt.Errorf("%w: that is no address", delivery.ErrRefused)
	}
	msg := newMail(s.from, to, l)
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	for {
		conn := s.pool.take()
		fresh := conn == nil
		if fresh {
			if conn, err = s.dial(ctx); err != nil {
				return "", classify(begin, err, to.Address)
			}
		}
		step, answer, err := dialogue(ctx, conn, s.from.Address, to.Address, msg)
		if err == nil || step != begin && connectionUsable(err) && conn.Reset() == nil {
			s.pool.put(conn)
		} else {
			_ = conn.Close()
		}
		if err == nil {
			return answer, nil
		}
		if fresh || step != begin || ctx.Err() != nil {
			return "", classify(step, err, to.Address)
		}
	}
}

// step is how far a dialogue came.
type step int

const (
	begin     step = iota // the connection, and the sender
	recipient             // the address
	content               // the mail itself
)

func dialogue(ctx context.Context, conn *smtp.Client, from, to string, msg *gomail.Msg) (step, string, error) {
	until, _ := ctx.Deadline()
	if err := conn.UpdateDeadline(time.Until(until)); err != nil {
		return begin, "", err
	}
	if err := conn.Mail("<" + from + ">"); err != nil {
		return begin, "", err
	}
	if err := conn.Rcpt("<" + to + ">"); err != nil {
		return recipient, "", err
	}
	w, err := conn.Data()
	if err != nil {
		return content, "", err
	}
	if _, err := msg.WriteTo(w); err != nil {
		return content, "", err // the connection is closed without an end, and so the mail is none
	}
	if err := w.Close(); err != nil {
		return content, "", err
	}
	answer := "250"
	if closed, ok := w.(*smtp.DataCloser); ok {
		answer = strings.TrimSpace("250 " + redact(closed.ServerResponse(), to))
	}
	return content, answer, nil
}

// senderRejected are replies that are about the sender or the server, and not about a mail: the server stops, too much
// was sent (SES), or nobody signed in.
var senderRejected = []int{421, 454, 530}

// classify says what a dialogue that failed means for the delivery. A no to the connection, the password or the sender
// says nothing of this mail. Without a reply nobody knows.
func classify(at step, err error, to string) error {
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		return errors.New(redact(err.Error(), to))
	}
	text := redact(fmt.Sprintf("%d %s", reply.Code, reply.Msg), to)
	switch {
	case at == begin || slices.Contains(senderRejected, reply.Code):
		return fmt.Errorf("%w: %s", delivery.ErrSenderRejected, text)
	case reply.Code >= 500:
		return fmt.Errorf("%w: %s", delivery.ErrRefused, text)
	}
	return fmt.Errorf("%w: %s", delivery.ErrTemporary, text)
}

// connectionUsable says that the server said no, and listens for what comes next.
func connectionUsable(err error) bool {
	var reply *textproto.Error
	return errors.As(err, &reply) && reply.Code != 421
}

// redact is what was said on one line, without the address: the history keeps none.
func redact(text, to string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	return strings.ReplaceAll(text, to, "the address")
}
