// Products is the service that knows what is for sale and how much of it is left.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/apps/products/internal/category"
	"sidecart/apps/products/internal/image"
	"sidecart/apps/products/internal/product"
	"sidecart/apps/products/internal/stock"
	"sidecart/apps/products/internal/transfer"
	"sidecart/kit/auth"
	"sidecart/kit/config"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/sidecar"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("products stops", "err", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var env config.Env
	cfg := env.Web("8002")
	hold := env.Duration("RESERVATION_TTL", 30*time.Minute)
	language := env.String("PRODUCT_LANGUAGE", "en")
	if !slices.Contains(product.Languages, language) {
		return fmt.Errorf("PRODUCT_LANGUAGE is %q, and not one of %v", language, product.Languages)
	}
	if err := env.Err(); err != nil {
		return err
	}
	flush, err := telemetry.Start(ctx, "products")
	if err != nil {
		return err
	}
	defer flush()

	dapr, err := sidecar.Connect(ctx)
	if err != nil {
		return err
	}
	url, err := dapr.Secret(ctx, "products-database-url")
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, url, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations, image.Migrations, stock.Migrations, transfer.Migrations)
	if err != nil {
		return err
	}
	defer db.Close()
	outbox := event.NewOutbox(db)

	verifier := auth.Follow(ctx, auth.AskWith(dapr.AskAnyway))
	cfg.Verify = verifier.Verify
	cfg.Streaming = true // images and imports are larger than the rest
	app := web.New("products", cfg)
	app.Needs(web.Check{Name: "database", Ask: db.Ping}, web.Check{Name: "sidecar", Ask: dapr.Well})
	app.Prefers(web.Check{Name: "broker", Ask: dapr.Broker}, web.Check{Name: "sessions", Ask: verifier.Well})
	category.NewService(outbox).Routes(app)
	transfer.NewService(outbox, language).Routes(app)
	product.NewService(outbox, language).Routes(app)
	images := image.NewService(outbox, image.FilesOf(dapr))
	images.Routes(app)
	stocks := stock.NewService(outbox, hold)
	stocks.Routes(app)
	hub := event.NewHub(app, "products", outbox)
	stocks.Subscribe(hub)
	hub.Compare(map[string]event.Sent{"users": stock.SentByUsers(dapr.Ask)})
	event.SentRoute(app, "products", db)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return web.Serve(ctx, app) })
	g.Go(func() error { return event.Relay(ctx, outbox, "products", dapr.Publish, event.Kept) })
	g.Go(func() error { return idempotency.Prune(ctx, db) })
	g.Go(func() error { return hub.SchedulePruning(ctx, dapr.Every) })
	g.Go(func() error { return hub.ScheduleComparing(ctx, dapr.Every) })
	g.Go(func() error { return stocks.ScheduleExpiry(ctx, dapr.Every) })
	g.Go(func() error { return images.ScheduleCleaning(ctx, dapr.Every) })
	return g.Wait()
}
