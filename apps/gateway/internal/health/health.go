// Package health reports the health of the gateway, the services, and their dependencies.
package health

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"sidecart/apps/gateway/internal/forward"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// ServiceHealth is the health of one service, and how long the check took.
type ServiceHealth struct {
	web.Health
	LatencyMS float64 `json:"latency_ms,omitempty"`
}

// PlatformHealth is the health of all services. It is ok if every part of every service is.
type PlatformHealth struct {
	Status   string                   `json:"status" validate:"oneof=ok degraded down"`
	Services map[string]ServiceHealth `json:"services"`
}

const (
	checkTimeout = 2 * time.Second
	sharedFor    = 500 * time.Millisecond
)

// Reporter checks the services.
type Reporter struct {
	app      *web.App
	services []string
	forward  *forward.Forwarder
	verify   web.Verify
	ready    shared[web.Health]
	all      shared[PlatformHealth]
}

// NewReporter makes a reporter of the gateway's app and the services.
func NewReporter(app *web.App, services []string, to *forward.Forwarder, verify web.Verify) *Reporter {
	return &Reporter{app: app, services: services, forward: to, verify: verify}
}

// Probes adds /health (alive) and /health/ready (ready for requests).
func (r *Reporter) Probes() {
	web.DocumentHealth[web.Health](r.app, "/health", web.Doc("getHealth", "health", "Check that the gateway is alive"))
	web.DocumentHealth[web.Health](r.app, "/health/ready", web.Doc("getReadiness", "health", "Check that the gateway is ready"))
	r.app.Get("/health", web.RefuseBody, func(c *fiber.Ctx) error { return send(c, web.Health{Status: web.OK}, true) })
	r.app.Get("/health/ready", web.RefuseBody, func(c *fiber.Ctx) error {
		own := r.ready.get(c.UserContext(), r.app.Health)
		return send(c, public(own), own.Status != web.Down)
	})
}

// Routes adds /health/services. Only an admin sees latencies and errors, which would show others the effect of an
// attack.
func (r *Reporter) Routes() {
	web.DocumentHealth[PlatformHealth](r.app, "/health/services",
		web.Doc("getServiceHealth", "health", "Check the health of all services"),
		web.Describe("Each service with its sidecar, database and broker. An admin also sees latencies and errors."))
	r.app.Get("/health/services", web.RefuseBody, func(c *fiber.Ctx) error {
		report := r.all.get(c.UserContext(), r.check)
		ok := report.Status == web.OK
		if !r.isAdmin(c) {
			report = report.public()
		}
		return send(c, report, ok)
	})
}

// isAdmin reports whether the request has an admin's token.
func (r *Reporter) isAdmin(c *fiber.Ctx) bool {
	token, err := web.BearerToken(c)
	if err != nil {
		return false
	}
	caller, err := r.verify(c.UserContext(), token)
	return err == nil && caller.May(shop.SeeAnalytics)
}

func send(c *fiber.Ctx, health any, healthy bool) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	if !healthy {
		c.Status(fiber.StatusServiceUnavailable)
	}
	return c.JSON(health)
}

// public reduces a health to whether it and each part is ok.
func public(h web.Health) web.Health {
	shown := web.Health{Status: okOrDegraded(h.Status)}
	for name, part := range h.Checks {
		if shown.Checks == nil {
			shown.Checks = map[string]web.CheckResult{}
		}
		shown.Checks[name] = web.CheckResult{Status: okOrDegraded(part.Status)}
	}
	return shown
}

func (r PlatformHealth) public() PlatformHealth {
	shown := PlatformHealth{Status: okOrDegraded(r.Status), Services: map[string]ServiceHealth{}}
	for name, service := range r.Services {
		shown.Services[name] = ServiceHealth{Health: public(service.Health)}
	}
	return shown
}

func okOrDegraded(status string) string {
	if status == web.OK {
		return web.OK
	}
	return web.Degraded
}

// shared is a report that is made once in sharedFor for all requests, so that requests cannot multiply the checks.
type shared[T any] struct {
	mu   sync.Mutex
	last T
	at   time.Time
}

// get returns the stored report, or makes one, which continues when its first caller disconnects.
func (s *shared[T]) get(ctx context.Context, report func(context.Context) T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) >= sharedFor {
		s.last = report(context.WithoutCancel(ctx))
		s.at = time.Now()
	}
	return s.last
}

// check checks all services concurrently, each for at most 2 s.
func (r *Reporter) check(ctx context.Context) PlatformHealth {
	report := PlatformHealth{Status: web.OK, Services: map[string]ServiceHealth{}}
	var mu sync.Mutex
	add := func(name string, read func() ServiceHealth) func() {
		return func() {
			start := time.Now()
			service := read()
			service.LatencyMS = float64(time.Since(start).Microseconds()) / 1000
			mu.Lock()
			defer mu.Unlock()
			report.Services[name] = service
			if service.Status != web.OK {
				report.Status = web.Down
			}
		}
	}
	var wg sync.WaitGroup
	wg.Go(add("gateway", func() ServiceHealth { return ServiceHealth{Health: r.app.Health(ctx)} }))
	for _, name := range r.services {
		wg.Go(add(name, func() ServiceHealth { return r.service(ctx, name) }))
	}
	wg.Wait()
	return report
}

var ready = sidecar.Endpoint{Method: "GET", Path: "/health/ready"}

// service returns the health of one service: down unless it responds otherwise.
func (r *Reporter) service(ctx context.Context, name string) ServiceHealth {
	down := ServiceHealth{Health: web.Health{Status: web.Down}}
	response, err := r.forward.Probe(ctx, name, ready.Path, nil, checkTimeout)
	if err != nil {
		return down
	}
	var reported web.Health
	if json.Unmarshal(response.Body, &reported) != nil || reported.Status == "" {
		return down // a sidecar's error: its app does not respond
	}
	if response.Status != fiber.StatusOK {
		reported.Status = web.Down
	}
	return ServiceHealth{Health: reported}
}
