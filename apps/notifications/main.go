// Notifications is the service that tells people what happens to their orders and accounts.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // quiet hours are in the readers' time zones, wherever this runs

	"golang.org/x/sync/errgroup"

	"sidecart/apps/notifications/internal/broadcast"
	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/device"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/message"
	"sidecart/apps/notifications/internal/notice"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/auth"
	"sidecart/kit/config"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("notifications stops", "err", err)
		os.Exit(1) //nolint:gocritic // the signals end with the process
	}
}

func run(ctx context.Context) error {
	var env config.Env
	cfg := env.Web("8004")
	publicURL := env.String("PUBLIC_URL", "http://localhost:8000")
	smtp, signIn := mailSettings(&env)
	if err := env.Err(); err != nil {
		return err
	}
	flush, err := telemetry.Start(ctx, "notifications")
	if err != nil {
		return err
	}
	defer flush()

	dapr, err := sidecar.Connect(ctx)
	if err != nil {
		return err
	}
	url, err := dapr.Secret(ctx, "notifications-database-url")
	if err != nil {
		return err
	}
	key, err := dapr.Secret(ctx, "notifications-key")
	if err != nil {
		return err
	}
	vapid, err := dapr.Secret(ctx, "vapid-private-key")
	if err != nil {
		return err
	}
	pushKeys, err := device.NewKeys(vapid)
	if err != nil {
		return err
	}
	email, err := emailWith(ctx, dapr, smtp, signIn)
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, url, event.Migrations, idempotency.Migrations, message.Migrations, contact.Migrations, template.Migrations,
		preference.Migrations, delivery.Migrations, broadcast.Migrations, device.Migrations)
	if err != nil {
		return err
	}
	defer db.Close()
	outbox := event.NewOutbox(db)

	verifier := auth.Follow(ctx, auth.AskWith(dapr.AskAnyway))
	cfg.Verify = verifier.Verify
	app := web.New("notifications", cfg)
	app.Needs(web.Check{Name: "database", Ask: db.Ping}, web.Check{Name: "sidecar", Ask: dapr.Well})
	app.Prefers(web.Check{Name: "broker", Ask: dapr.Broker}, web.Check{Name: "sessions", Ask: verifier.Well})
	links, tracks := preference.NewLinks(key), delivery.NewTracks(key)
	messages, deliveries := message.NewService(db), delivery.NewService(db)
	messages.Routes(app)
	template.NewService(db).Routes(app)
	preference.NewService(db, links, delivery.Reconsider).Routes(app)
	broadcasts := broadcast.NewService(outbox)
	broadcasts.Routes(app)
	device.NewService(outbox, pushKeys).Routes(app)
	delivery.NewDesk(deliveries, messages, tracks).Routes(app)
	hub := event.NewHub(app, "notifications", outbox)
	notices := notice.NewService(db)
	notices.Routes(app)
	notices.Subscribe(hub)
	hub.Compare(notice.SentBy(dapr.Ask))
	engine := delivery.NewEngine(db, delivery.NewComposer(db, publicURL, links, tracks, delivery.TokenWith(dapr.Ask)).Compose,
		map[kind.Channel]delivery.Provider{kind.Email: email, kind.SMS: delivery.SMSWith(dapr.Bind),
			kind.Push: device.PushWith(db, pushKeys, "shop@sidecart.example", &http.Client{Timeout: 15 * time.Second})})

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return web.Serve(ctx, app) })
	g.Go(func() error { return engine.Work(ctx) })
	g.Go(func() error { return broadcasts.Work(ctx) })
	g.Go(func() error { return event.Relay(ctx, outbox, "notifications", tellWith(dapr), 0) })
	g.Go(func() error { return idempotency.Prune(ctx, db) })
	g.Go(func() error { return hub.SchedulePruning(ctx, dapr.Every) })
	g.Go(func() error { return hub.ScheduleComparing(ctx, dapr.Every) })
	return g.Wait()
}

// tellWith publishes what is new in an inbox to whoever listens now; all else waits for its hearers.
func tellWith(dapr *sidecar.Sidecar) event.Publish {
	return func(ctx context.Context, topic string, cloudEvent []byte) error {
		if topic == (shop.NotificationCreated{}).Topic() {
			return dapr.Announce(ctx, topic, cloudEvent)
		}
		return dapr.Publish(ctx, topic, cloudEvent)
	}
}
