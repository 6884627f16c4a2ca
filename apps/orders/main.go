// Orders is the service that knows what has been bought, and carries it through.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/apps/orders/internal/cart"
	"sidecart/apps/orders/internal/fulfilment"
	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/sales"
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
		slog.Error("orders stops", "err", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var env config.Env
	cfg := env.Web("8003")
	paidBy := env.String("PAYMENT_PROVIDER", "simulated")
	cartTTL := env.Duration("CART_TTL", 30*24*time.Hour)
	placeWithin := env.Duration("PLACE_WITHIN", 50*time.Millisecond)
	times := fulfilment.Times{
		Unpaid:  env.Duration("UNPAID_ORDER_TTL", 30*time.Minute),
		Ship:    env.Duration("AUTO_SHIP_AFTER", 0),
		Deliver: env.Duration("AUTO_DELIVER_AFTER", 0),
		Keep:    env.Duration("WORKFLOW_RETENTION", 10*time.Minute),
	}
	if err := env.Err(); err != nil {
		return err
	}
	flush, err := telemetry.Start(ctx, "orders")
	if err != nil {
		return err
	}
	defer flush()

	dapr, err := sidecar.Connect(ctx)
	if err != nil {
		return err
	}
	url, err := dapr.Secret(ctx, "orders-database-url")
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, url, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations, payment.Migrations)
	if err != nil {
		return err
	}
	defer db.Close()
	outbox := event.NewOutbox(db)

	verifier := auth.Follow(ctx, auth.AskWith(dapr.AskAnyway))
	cfg.Verify = verifier.Verify
	app := web.New("orders", cfg)
	app.Needs(web.Check{Name: "database", Ask: db.Ping}, web.Check{Name: "sidecar", Ask: dapr.Well})
	app.Prefers(web.Check{Name: "broker", Ask: dapr.Broker}, web.Check{Name: "sessions", Ask: verifier.Well})
	orders := order.NewService(outbox, order.ReserveWith(dapr.Ask), order.ReleaseWith(dapr.Ask))
	orders.PlaceFirst(placeWithin)
	sales.NewService(db, orders.Statuses).Routes(app)
	orders.Routes(app)
	carts := cart.NewService(db, cart.MemoryWith(dapr, cartTTL), cart.PricesWith(dapr.Ask), orders)
	carts.Routes(app)
	moves, err := provider(ctx, paidBy, db, dapr)
	if err != nil {
		return err
	}
	payments := payment.NewService(db, moves)
	payments.Routes(app)
	fulfilments := fulfilment.NewService(orders, payments, fulfilment.StockWith(dapr.Ask), dapr.Workflows(), times)
	orders.ShowInside(fulfilments.LookInside, order.ToldWith(dapr.Ask))
	fulfilments.Routes(app)
	hub := event.NewHub(app, "orders", outbox)
	fulfilments.Subscribe(hub)
	carts.Subscribe(hub)
	hub.Compare(map[string]event.Sent{"users": cart.SentByUsers(dapr.Ask)})
	event.SentRoute(app, "orders", db)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return web.Serve(ctx, app) })
	g.Go(func() error { return event.RelayHeld(ctx, outbox, "orders", dapr.Publish, event.Kept, orders.Hold) })
	g.Go(func() error { return idempotency.Prune(ctx, db) })
	g.Go(func() error { return fulfilments.Work(ctx) })
	g.Go(func() error { return fulfilments.ScheduleUpkeep(ctx, dapr.Every) })
	g.Go(func() error { return hub.SchedulePruning(ctx, dapr.Every) })
	g.Go(func() error { return hub.ScheduleComparing(ctx, dapr.Every) })
	g.Go(func() error { return fulfilments.ScheduleReconcile(ctx, dapr.Every) })
	return g.Wait()
}
