package main

import (
	"context"

	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/device"
	"sidecart/apps/notifications/internal/mail"
	"sidecart/kit/config"
	"sidecart/kit/sidecar"
)

// mailSettings reads the settings of the SMTP server, without the secrets. Unencrypted connections to another host are
// allowed only in the local environment, where the server is MailHog.
func mailSettings(env *config.Env) (s mail.Settings, authenticate bool) {
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

// newEmailProvider reads the secrets only if the SMTP server needs authentication.
func newEmailProvider(
	ctx context.Context, dapr *sidecar.Sidecar, s mail.Settings, authenticate bool,
) (p delivery.Provider, err error) {
	if authenticate {
		if s.Username, err = dapr.Secret(ctx, "smtp-username"); err != nil {
			return p, err
		}
		if s.Password, err = dapr.Secret(ctx, "smtp-password"); err != nil {
			return p, err
		}
	}
	return mail.NewProvider(s)
}

func newPushKeys(ctx context.Context, dapr *sidecar.Sidecar) (device.VAPIDKeys, error) {
	private, err := dapr.Secret(ctx, "vapid-private-key")
	if err != nil {
		return device.VAPIDKeys{}, err
	}
	return device.NewVAPIDKeys(private)
}
