package main

import (
	"sidecart/apps/gateway/internal/analytics"
	"sidecart/apps/gateway/internal/cache"
	"sidecart/apps/gateway/internal/document"
	"sidecart/apps/gateway/internal/edge"
	"sidecart/apps/gateway/internal/forward"
	"sidecart/apps/gateway/internal/health"
	"sidecart/apps/gateway/internal/limit"
	"sidecart/apps/gateway/internal/page"
	"sidecart/apps/gateway/internal/route"
	"sidecart/apps/gateway/internal/stream"
	"sidecart/kit/web"
)

// build adds all routes to the gateway's app, from the checks of the edge to the response for unknown paths.
func build(app *web.App, cfg settings, routes []route.Route, verify web.Verify, limiter *limit.Limiter, requests *analytics.Requests,
	streams *stream.Streams, to *forward.Forwarder) {
	front := edge.New(cfg.edge, routes, verify, limiter, cache.New(cfg.cacheBytes), to)
	front.Routes(app)
	requests.Routes(app)
	streams.Routes(app)
	reporter := health.NewReporter(app, route.Services(routes), to, verify)
	reporter.Probes() // before the limit: an orchestrator's probes may share an address with all clients
	front.LimitOthers(app)
	reporter.Routes()
	page.Routes(app, cfg.mailPageURL)
	document.New(routes, cfg.limitScale, to, app.OpenAPI).Routes(app)
	edge.NoRoute(app)
}
