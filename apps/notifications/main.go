// Notifications is the service that tells people what happens to their orders and accounts.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"sidecart/apps/notifications/internal/message"
	"sidecart/kit/auth"
	"sidecart/kit/config"
	"sidecart/kit/event"
	"sidecart/kit/postgres"
	"sidecart/kit/sidecar"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("notifications stops", "err", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var env config.Env
	cfg := env.Web("8004")
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
	db, err := postgres.Open(ctx, url, event.Migrations, message.Migrations)
	if err != nil {
		return err
	}
	defer db.Close()

	verifier := auth.Follow(ctx, auth.AskWith(dapr.AskAnyway))
	cfg.Verify = verifier.Verify
	app := web.New("notifications", cfg)
	app.Needs(web.Check{Name: "database", Ask: db.Ping}, web.Check{Name: "sidecar", Ask: dapr.Well})
	app.Prefers(web.Check{Name: "broker", Ask: dapr.Broker}, web.Check{Name: "sessions", Ask: verifier.Well})
	messages := message.NewService(db)
	messages.Routes(app)
	hub := event.NewHub(app, "notifications", db)
	messages.Subscribe(hub)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return web.Serve(ctx, app) })
	g.Go(func() error { return event.Relay(ctx, db, "notifications", dapr.Publish) })
	g.Go(func() error { return hub.SchedulePruning(ctx, dapr.Every) })
	return g.Wait()
}
