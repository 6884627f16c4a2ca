// Gateway is the only public service: it authenticates, authorises and limits requests and forwards them to services.
package main

import (
	"context"

	"sidecart/apps/gateway/internal/analytics"
	"sidecart/apps/gateway/internal/forward"
	"sidecart/apps/gateway/internal/limit"
	"sidecart/apps/gateway/internal/metrics"
	"sidecart/apps/gateway/internal/route"
	"sidecart/apps/gateway/internal/stream"
	"sidecart/kit/auth"
	"sidecart/kit/service"
	"sidecart/kit/web"
)

func main() { service.Main("gateway", run) }

func run(ctx context.Context, s *service.Service) error {
	cfg := readSettings(&s.Env)
	routes, err := route.Complete(route.Table)
	if err != nil {
		return err
	}
	if err := s.Connect(ctx); err != nil {
		return err
	}
	password, err := s.Sidecar.Secret(ctx, "redis-password")
	if err != nil {
		return err
	}
	limiter := limit.Connect(cfg.redisAddr, password, cfg.redisTLS, cfg.limitScale)
	defer limiter.Close() //nolint:errcheck // at exit
	requests := analytics.Connect(cfg.redisAddr, password, cfg.redisTLS)
	defer requests.Close() //nolint:errcheck // at exit

	app := s.NewApp(ctx, cfg.web, auth.NewFeed(s.Sidecar.InvokeWithoutBreaker))
	app.ReportHealth(web.Check{Name: "redis", Probe: limiter.Healthy})
	to := forward.New(s.Sidecar.HTTPAddr, cfg.daprToken, route.Services(routes))
	streams := stream.New(s.Verifier.Verify, stream.NewInbox(s.Sidecar.Invoke))
	build(app, cfg, routes, s.Verifier.Verify, limiter, requests, streams, to) //nolint:contextcheck // each request brings its own
	s.Go(requests.Share)
	s.Go(func(ctx context.Context) error { return metrics.Serve(ctx, cfg.metricsAddr) })
	s.Go(func(ctx context.Context) error { return streams.Follow(ctx, s.Sidecar.SubscribeBroadcast) })
	return s.Serve(ctx)
}
