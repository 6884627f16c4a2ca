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
	dialTimeout = 5 * time.Second  // until the greeting and the authentication
	sendTimeout = 15 * time.Second // for an e-mail and its connection; less than an attempt may take
)

// NewProvider sends through the SMTP server of the settings. It opens as many connections as messages are sent
// concurrently. It fails with the name of the environment variable that is invalid.
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
	return delivery.Provider{
		Name: "smtp", Concurrency: s.Connections, PerSecond: float64(s.PerSecond), Send: server.send,
	}, nil
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
			return nil, errors.New("SMTP_TLS=none: with a password, SMTP_ADDR must be on this machine")
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

// server is an SMTP server with its idle connections.
type server struct {
	from *mail.Address
	dial func(context.Context) (*smtp.Client, error)
	pool pool
}

// send returns once the server has accepted the e-mail. An idle connection may have been closed by the server: if it
// fails before the e-mail was begun, send tries the next one.
func (s *server) send(ctx context.Context, m delivery.Message) (response string, err error) {
	to, err := mail.ParseAddress(m.To)
	if err != nil {
		return "", fmt.Errorf("%w: invalid e-mail address", delivery.ErrRefused)
	}
	msg := newMail(s.from, to, m)
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
		step, response, err := dialogue(ctx, conn, s.from.Address, to.Address, msg)
		if err == nil || step != begin && connectionUsable(err) && conn.Reset() == nil {
			s.pool.put(conn)
		} else {
			_ = conn.Close()
		}
		if err == nil {
			return response, nil
		}
		if fresh || step != begin || ctx.Err() != nil {
			return "", classify(step, err, to.Address)
		}
	}
}

// step is the step of a dialogue.
type step int

const (
	begin     step = iota // connection and sender
	recipient             // address
	content               // the e-mail itself
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
		return content, "", err // the caller closes the connection, and the server discards the e-mail
	}
	if err := w.Close(); err != nil {
		return content, "", err
	}
	response := "250"
	if closed, ok := w.(*smtp.DataCloser); ok {
		response = strings.TrimSpace("250 " + redact(closed.ServerResponse(), to))
	}
	return content, response, nil
}

// senderRejected are replies about the sender or the server, not about an e-mail: the server stops, the rate is limited
// (SES), or authentication is required.
var senderRejected = []int{421, 454, 530}

// classify maps the error of a step. A reply to the connection, the password or the sender is not about this e-mail.
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

// connectionUsable is whether the server has replied and accepts further commands.
func connectionUsable(err error) bool {
	var reply *textproto.Error
	return errors.As(err, &reply) && reply.Code != 421
}

// redact puts a reply on one line, without the address, because the history stores no addresses.
func redact(text, to string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	return strings.ReplaceAll(text, to, "the address")
}
