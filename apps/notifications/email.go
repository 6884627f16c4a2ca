package main

import (
	"context"

	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/mail"
	"sidecart/kit/config"
	"sidecart/kit/sidecar"
)

// mailSettings are what the environment says of the mail server: all but who signs in there, which is secret.
// Without protection they leave this machine only on somebody's laptop, where the mail server is MailHog.
func mailSettings(env *config.Env) (s mail.Settings, signIn bool) {
	s = mail.Settings{
		Addr: env.String("SMTP_ADDR", "localhost:587"), TLS: env.String("SMTP_TLS", "starttls"),
		From:        env.String("MAIL_FROM", "Sidecart <shop@sidecart.example>"),
		Connections: env.Int("SMTP_CONNECTIONS", 8, 1), PerSecond: env.Int("SMTP_RATE", 100, 1),
	}
	if !env.Local() {
		env.Reject("SMTP_TLS", s.CheckTLS())
	}
	return s, env.Bool("SMTP_AUTH", false)
}

// emailWith sends through the mail server. The secrets are read only where somebody signs in.
func emailWith(ctx context.Context, dapr *sidecar.Sidecar, s mail.Settings, signIn bool) (p delivery.Provider, err error) {
	if signIn {
		if s.Username, err = dapr.Secret(ctx, "smtp-username"); err != nil {
			return p, err
		}
		if s.Password, err = dapr.Secret(ctx, "smtp-password"); err != nil {
			return p, err
		}
	}
	return mail.NewProvider(s)
}
