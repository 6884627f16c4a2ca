// Notifications is the service that notifies users of changes of their orders and accounts.
package main

import (
	"context"
	"net/http"
	"time"
	_ "time/tzdata" // for quiet hours in images without a time zone database

	"sidecart/apps/notifications/internal/broadcast"
	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/device"
	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/notice"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/auth"
	"sidecart/kit/event"
	"sidecart/kit/service"
	"sidecart/kit/sidecar"
)

func main() { service.Main("notifications", run) }

func run(ctx context.Context, s *service.Service) error {
	cfg := s.Env.Web("8004")
	publicURL := s.Env.String("PUBLIC_URL", "http://localhost:8000")
	smtp, authenticate := mailSettings(&s.Env)
	vapidContact := s.Env.String("VAPID_CONTACT", "mailto:shop@sidecart.example")
	s.Env.Reject("VAPID_CONTACT", device.CheckContact(vapidContact))
	if err := s.Connect(ctx); err != nil {
		return err
	}
	key, err := s.Sidecar.Secret(ctx, "notifications-key")
	if err != nil {
		return err
	}
	pushKeys, err := newPushKeys(ctx, s.Sidecar)
	if err != nil {
		return err
	}
	email, err := newEmailProvider(ctx, s.Sidecar, smtp, authenticate)
	if err != nil {
		return err
	}
	outbox, err := s.OpenDatabase(ctx, "notifications-database-url", inbox.Migrations, contact.Migrations,
		template.Migrations, preference.Migrations, delivery.Migrations, broadcast.Migrations, device.Migrations)
	if err != nil {
		return err
	}
	db := outbox.Pool
	unsubscribe, tracking := preference.NewUnsubscribeTokens(key), delivery.NewTrackingTokens(key)
	broadcasts, notices := broadcast.NewService(outbox), notice.NewService(db)
	app := s.NewApp(ctx, cfg, auth.NewFeed(s.Sidecar.InvokeWithoutBreaker))
	inbox.NewService(db).Routes(app)
	template.NewService(db).Routes(app)
	preference.NewService(db, unsubscribe, delivery.ApplyPreferences).Routes(app)
	broadcasts.Routes(app)
	device.NewService(outbox, pushKeys).Routes(app)
	delivery.NewService(db, tracking).Routes(app)
	notices.Routes(app)
	notices.Subscribe(s.NewHub(sidecar.Endpoint{App: "users", Method: "POST", Path: event.ReplayPath},
		sidecar.Endpoint{App: "products", Method: "POST", Path: event.ReplayPath},
		sidecar.Endpoint{App: "orders", Method: "POST", Path: event.ReplayPath}))
	fetchToken := delivery.NewFetchToken(s.Sidecar.Invoke)
	worker := delivery.NewWorker(db, delivery.NewRenderer(db, publicURL, unsubscribe, tracking, fetchToken).Render,
		map[kind.Channel]delivery.Provider{
			kind.Email: email,
			kind.SMS:   delivery.NewSMSProvider(s.Sidecar.InvokeBinding),
			kind.Push:  device.NewPushProvider(db, pushKeys, vapidContact, &http.Client{Timeout: 15 * time.Second}),
		})
	s.Relay(publishWith(s.Sidecar), false)
	s.Go(worker.Run)
	s.Go(broadcasts.Run)
	return s.Serve(ctx)
}
