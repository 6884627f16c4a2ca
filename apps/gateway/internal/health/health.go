// Package health tells how the platform is: the gateway, each service behind it, and what they stand on.
package health

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"sidecart/apps/gateway/internal/forward"
	"sidecart/kit/web"
)

// Service is how one service is and how long it took to say so.
type Service struct {
	Status    string              `json:"status"`
	LatencyMS float64             `json:"latency_ms"`
	Checks    map[string]web.Part `json:"checks,omitempty"`
}

// Report is how all are: ok only if every part of every service is.
type Report struct {
	Status   string             `json:"status"`
	Services map[string]Service `json:"services"`
}

const (
	patience = 2 * time.Second
	// shared is how long a report is given to everybody who asks: it costs every service a look at its parts, which
	// nobody may order in any number.
	shared = 500 * time.Millisecond
)

// Reporter asks the services.
type Reporter struct {
	app      *web.App
	services []string
	forward  *forward.Forwarder
	mu       sync.Mutex
	last     Report
	at       time.Time
}

// NewReporter makes a reporter on the gateway's own app and the services behind it.
func NewReporter(app *web.App, services []string, to *forward.Forwarder) *Reporter {
	return &Reporter{app: app, services: services, forward: to}
}

// Routes adds /health (alive), /health/ready (can work) and /health/services (everything can).
func (r *Reporter) Routes() {
	r.app.Get("/health", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderCacheControl, "no-store")
		return c.JSON(web.Health{Status: web.OK})
	})
	r.app.Get("/health/ready", func(c *fiber.Ctx) error {
		own := r.app.Health(c.UserContext())
		return send(c, own, own.Status != web.Down)
	})
	r.app.Get("/health/services", func(c *fiber.Ctx) error {
		report := r.Report(c.UserContext())
		return send(c, report, report.Status == web.OK)
	})
}

func send(c *fiber.Ctx, health any, well bool) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	if !well {
		c.Status(fiber.StatusServiceUnavailable)
	}
	return c.JSON(health)
}

// Report asks all services at once, each for at most 2 s. Who asks while it is being made waits for the same one.
func (r *Reporter) Report(ctx context.Context) Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) < shared {
		return r.last
	}
	// Others wait for this report, too: it is made even if its first asker leaves.
	r.last = r.ask(context.WithoutCancel(ctx))
	r.at = time.Now()
	return r.last
}

func (r *Reporter) ask(ctx context.Context) Report {
	report := Report{Status: web.OK, Services: map[string]Service{}}
	var mu sync.Mutex
	add := func(name string, ask func() Service) func() {
		return func() {
			start := time.Now()
			service := ask()
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
	wg.Go(add("gateway", func() Service {
		own := r.app.Health(ctx)
		return Service{Status: own.Status, Checks: own.Checks}
	}))
	for _, name := range r.services {
		wg.Go(add(name, func() Service { return r.service(ctx, name) }))
	}
	wg.Wait()
	return report
}

// service is down unless it says otherwise.
func (r *Reporter) service(ctx context.Context, name string) Service {
	answer, err := r.forward.Ask(ctx, name, "/health/ready", nil, patience)
	if err != nil {
		return Service{Status: web.Down}
	}
	var said web.Health
	if json.Unmarshal(answer.Body, &said) != nil || said.Status == "" {
		return Service{Status: web.Down} // a sidecar's error, that is: its app does not answer
	}
	if answer.Status != fiber.StatusOK {
		said.Status = web.Down
	}
	return Service{Status: said.Status, Checks: said.Checks}
}
