// Gateway is the only public door: who are you, may you, how often, and which service answers.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"sidecart/apps/gateway/internal/analytics"
	"sidecart/apps/gateway/internal/forward"
	"sidecart/apps/gateway/internal/limit"
	"sidecart/apps/gateway/internal/live"
	"sidecart/apps/gateway/internal/metrics"
	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/auth"
	"sidecart/kit/sidecar"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("gateway stops", "err", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := load()
	if err != nil {
		return err
	}
	flush, err := telemetry.Start(ctx, "gateway")
	if err != nil {
		return err
	}
	defer flush()

	routes, err := route.Complete(route.Table)
	if err != nil {
		return err
	}
	dapr, err := sidecar.Connect(ctx)
	if err != nil {
		return err
	}
	defer dapr.Close()
	password, err := dapr.Secret(ctx, "redis-password")
	if err != nil {
		return err
	}
	limiter := limit.Connect(cfg.redisAddr, password, cfg.limitScale)
	defer limiter.Close() //nolint:errcheck // at the end nobody can do anything about it

	requests := analytics.Connect(cfg.redisAddr, password)
	defer requests.Close() //nolint:errcheck // at the end nobody can do anything about it

	to := forward.New(dapr.HTTPAddr, cfg.daprToken, route.Services(routes))
	verifier := auth.Follow(ctx, auth.AskWith(dapr.AskAnyway))
	streams := live.New(verifier.Verify, live.InboxWith(dapr.Ask))
	app := open(cfg, routes, verifier.Verify, limiter, requests, streams, to) //nolint:contextcheck // each request brings its own
	app.Needs(web.Check{Name: "sidecar", Ask: dapr.Well})
	app.Prefers(web.Check{Name: "redis", Ask: limiter.Well}, web.Check{Name: "sessions", Ask: verifier.Well})

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return web.Serve(ctx, app) })
	g.Go(func() error { return metrics.Serve(ctx, cfg.metricsAddr) })
	g.Go(func() error { return requests.Share(ctx) })
	g.Go(func() error { return streams.Follow(ctx, dapr.Listen) })
	return g.Wait()
}
