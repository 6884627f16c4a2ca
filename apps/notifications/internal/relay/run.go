package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"sidecart/kit/config"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

const (
	// A mail is sent or not within this time, which is less than whoever asks waits.
	longest = 15 * time.Second
	// A text and a page of 256 KiB each, as JSON.
	largest = 2 << 20
	// The shortest token that is one.
	shortestToken = 32
)

// Run serves until ctx ends. It fails at once without a token: nobody else may send mail in the shop's name.
func Run(ctx context.Context) error {
	var env config.Env
	addr := env.String("MAIL_RELAY_ADDR", "127.0.0.1:18026")
	tokenFile := env.String("MAIL_RELAY_TOKEN_FILE", "")
	sender := env.String("MAIL_FROM", "Sidecart <shop@sidecart.example>")
	host, port := env.String("SMTP_HOST", "localhost"), env.Int("SMTP_PORT", 587, 1)
	tls, connections := env.String("SMTP_TLS", "starttls"), env.Int("SMTP_CONNECTIONS", 8, 1)
	user, passwordFile := env.String("SMTP_USER", ""), env.String("SMTP_PASSWORD_FILE", "")
	if err := env.Err(); err != nil {
		return err
	}
	from, err := mail.ParseAddress(sender)
	if err != nil {
		return fmt.Errorf("MAIL_FROM=%q: %w", sender, err)
	}
	token, err := secret(tokenFile)
	if err == nil && len(token) < shortestToken {
		err = fmt.Errorf("a token has at least %d characters", shortestToken)
	}
	if err != nil {
		return fmt.Errorf("MAIL_RELAY_TOKEN_FILE: %w", err)
	}
	dial, err := dialer(host, port, tls, user, passwordFile)
	if err != nil {
		return err
	}
	flush, err := telemetry.Start(ctx, "mail-relay")
	if err != nil {
		return err
	}
	defer flush()
	app := web.New("mail-relay", web.Config{Addr: addr, AppToken: token, Timeout: longest, BodyLimit: largest})
	app.Needs(web.Check{Name: "smtp", Ask: listens(net.JoinHostPort(host, strconv.Itoa(port)))})
	(&Service{from, newServer(dial, connections)}).Routes(app)
	return web.Serve(ctx, app)
}

func dialer(host string, port int, tls, user, passwordFile string) (*gomail.Client, error) {
	security, err := secured(tls)
	if err != nil {
		return nil, err
	}
	options := []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(dialing), security}
	if user != "" {
		password, err := secret(passwordFile)
		if err != nil {
			return nil, fmt.Errorf("SMTP_PASSWORD_FILE: %w", err)
		}
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(user), gomail.WithPassword(password))
	}
	return gomail.NewClient(host, options...)
}

func secret(file string) (string, error) {
	if file == "" {
		return "", errors.New("no file is named")
	}
	text, err := os.ReadFile(file) //nolint:gosec // an operator's own word
	return strings.TrimSpace(string(text)), err
}

func listens(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
