package main

import (
	"sidecart/apps/gateway/internal/analytics"
	"sidecart/apps/gateway/internal/cache"
	"sidecart/apps/gateway/internal/document"
	"sidecart/apps/gateway/internal/door"
	"sidecart/apps/gateway/internal/forward"
	"sidecart/apps/gateway/internal/health"
	"sidecart/apps/gateway/internal/limit"
	"sidecart/apps/gateway/internal/live"
	"sidecart/apps/gateway/internal/page"
	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/web"
)

// open puts the gateway together on its app, from the guards to what is left over.
func open(app *web.App, cfg settings, routes []route.Route, verify web.Verify, limiter *limit.Limiter, requests *analytics.Requests,
	streams *live.Streams, to *forward.Forwarder) {
	edge := door.New(cfg.door, routes, verify, limiter, cache.New(cfg.cacheBytes), to)
	edge.Open(app)
	requests.Routes(app)
	streams.Routes(app)
	reporter := health.NewReporter(app, route.Services(routes), to, verify)
	reporter.Probes() // an orchestrator's come from one address, often the one that all clients seem to have: no limit
	edge.LimitOthers(app)
	reporter.Routes()
	page.Routes(app)
	document.NewLibrary(routes, cfg.limitScale, to, app.OpenAPI).Routes(app)
	door.Otherwise(app)
}
