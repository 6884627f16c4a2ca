package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

const (
	dialing    = 5 * time.Second  // until the server has greeted us
	keptIdle   = 20 * time.Second // servers close what is idle for longer, some after half a minute
	longAnswer = 300              // characters
)

// server is an SMTP server and the connections to it, of which there are never more than cap(slots).
type server struct {
	dial  *gomail.Client
	slots chan struct{}
	idle  chan kept
}

// kept is a connection that waits for the next mail.
type kept struct {
	*smtp.Client
	since time.Time
}

func newServer(dial *gomail.Client, connections int) *server {
	return &server{dial: dial, slots: make(chan struct{}, connections), idle: make(chan kept, connections)}
}

// take hands a message to the server and returns what it said. One that was kept may have been closed meanwhile: what
// fails on it before the message was begun is tried again on a new one.
func (s *server) take(ctx context.Context, from, to string, msg io.WriterTo) (answer string, err error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return "", ErrSilent.Because(ctx.Err())
	}
	for {
		conn, fresh, err := s.connection(ctx)
		if err != nil {
			return "", ErrSilent.Saying(said(err, to))
		}
		step, answer, err := dialogue(ctx, conn, from, to, msg)
		if err == nil {
			s.keep(conn)
			return answer, nil
		}
		_ = conn.Close()
		if fresh || step != begin || ctx.Err() != nil {
			return "", refusal(step, err, to)
		}
	}
}

// connection is one that was kept, or a new one.
func (s *server) connection(ctx context.Context) (conn *smtp.Client, fresh bool, err error) {
	for {
		select {
		case k := <-s.idle:
			if time.Since(k.since) < keptIdle {
				return k.Client, false, nil
			}
			_ = k.Close()
		default:
			conn, err = s.dial.DialToSMTPClientWithContext(ctx)
			return conn, true, err
		}
	}
}

func (s *server) keep(conn *smtp.Client) {
	select {
	case s.idle <- kept{conn, time.Now()}:
	default:
		_ = conn.Close()
	}
}

// step is how far a dialogue came.
type step int

const (
	begin   step = iota // the sender
	reader              // the address
	content             // the mail itself
)

func dialogue(ctx context.Context, conn *smtp.Client, from, to string, msg io.WriterTo) (step, string, error) {
	if until, ok := ctx.Deadline(); ok {
		if err := conn.UpdateDeadline(time.Until(until)); err != nil {
			return begin, "", err
		}
	}
	if err := conn.Mail("<" + from + ">"); err != nil {
		return begin, "", err
	}
	if err := conn.Rcpt("<" + to + ">"); err != nil {
		return reader, "", err
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
		answer = strings.TrimSpace("250 " + line(closed.ServerResponse()))
	}
	return content, answer, nil
}

// refusal sorts what a dialogue failed with. A no to our sender says nothing of this mail and may be mended: it is put off.
func refusal(at step, err error, to string) error {
	var reply *textproto.Error
	switch text := said(err, to); {
	case !errors.As(err, &reply):
		return ErrSilent.Saying(text)
	case reply.Code >= 500 && at != begin:
		return ErrRefused.Saying(text)
	default:
		return ErrPutOff.Saying(text)
	}
}

// said is an error on one line, without the address: nobody keeps it with the history.
func said(err error, to string) string {
	text := err.Error()
	if reply := (*textproto.Error)(nil); errors.As(err, &reply) {
		text = fmt.Sprintf("%d %s", reply.Code, reply.Msg)
	}
	runes := []rune(strings.ReplaceAll(line(text), to, "the address"))
	return string(runes[:min(len(runes), longAnswer)])
}

func line(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// domain is what stands behind the @ of an address.
func domain(a *mail.Address) string { return a.Address[strings.LastIndex(a.Address, "@")+1:] }

// secured are the words of SMTP_TLS.
func secured(word string) (gomail.Option, error) {
	switch word {
	case "starttls":
		return gomail.WithTLSPolicy(gomail.TLSMandatory), nil
	case "tls":
		return gomail.WithSSL(), nil
	case "none":
		return gomail.WithTLSPolicy(gomail.NoTLS), nil
	}
	return nil, fmt.Errorf("SMTP_TLS=%q: must be starttls, tls or none", word)
}
