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

// open puts the gateway together, from the guards to what is left over.
func open(cfg settings, routes []route.Route, verify web.Verify, limiter *limit.Limiter, requests *analytics.Requests, streams *live.Streams, to *forward.Forwarder) *web.App {
	cfg.web.Verify = verify
	app := web.New("gateway", cfg.web)
	door.New(cfg.door, routes, verify, limiter, cache.New(cfg.cacheBytes), to).Open(app)
	requests.Routes(app)
	streams.Routes(app)
	page.Routes(app)
	health.NewReporter(app, route.Services(routes), to).Routes()
	document.NewLibrary(routes, cfg.limitScale, to, app.OpenAPI).Routes(app)
	door.Otherwise(app)
	return app
}
