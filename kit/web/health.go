package web

import (
	"context"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check asks one part a service stands on whether it is well. It must respect the deadline of its context.
type Check struct {
	Name string
	Ask  func(ctx context.Context) error
}

// RequireHealthy adds parts without which the service cannot work: it is not ready while one of them is not.
func (app *App) RequireHealthy(checks ...Check) { app.checks = append(app.checks, checks...) }

// ReportHealth adds parts that the service goes on without for a while; they are told of and do not decide.
func (app *App) ReportHealth(checks ...Check) { app.infos = append(app.infos, checks...) }

// Part is how one part is.
type Part struct {
	Status    string  `json:"status"` // ok or down
	LatencyMS float64 `json:"latency_ms,omitempty"`
	Error     string  `json:"error,omitempty"`
}

// Health is how a service is: ok, degraded (a part it can do without for a while is down) or down.
type Health struct {
	Status string          `json:"status"`
	Checks map[string]Part `json:"checks,omitempty"`
}

// The words of a Health and a Part.
const (
	OK       = "ok"
	Degraded = "degraded"
	Down     = "down"
)

const checkTimeout = 2 * time.Second

// RunChecks asks all checks at once and waits at most 2 s.
func RunChecks(ctx context.Context, checks []Check) map[string]Part {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	parts := make(map[string]Part, len(checks))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, check := range checks {
		wg.Go(func() {
			start := time.Now()
			part := Part{Status: OK}
			if err := check.Ask(ctx); err != nil {
				part = Part{Status: Down, Error: "does not answer as it should"}
			}
			part.LatencyMS = float64(time.Since(start).Microseconds()) / 1000
			mu.Lock()
			defer mu.Unlock()
			parts[check.Name] = part
		})
	}
	wg.Wait()
	return parts
}

// Health asks all parts.
func (app *App) Health(ctx context.Context) Health {
	all := append(append([]Check{}, app.checks...), app.infos...)
	h := Health{Status: OK, Checks: RunChecks(ctx, all)}
	for _, info := range app.infos {
		if h.Checks[info.Name].Status != OK {
			h.Status = Degraded
		}
	}
	for _, check := range app.checks {
		if h.Checks[check.Name].Status != OK {
			h.Status = Down
		}
	}
	return h
}

// platformRoutes are what every service has on its own port: they tell nothing of anybody, so they need no token.
func (app *App) platformRoutes() {
	app.Get("/health", func(c *fiber.Ctx) error { return c.JSON(Health{Status: OK}) })
	app.Get("/health/ready", func(c *fiber.Ctx) error {
		h := app.Health(c.UserContext())
		c.Set(fiber.HeaderCacheControl, "no-store")
		if h.Status == Down {
			c.Status(fiber.StatusServiceUnavailable)
		}
		return c.JSON(h)
	})
	app.Get("/metrics", adaptor.HTTPHandler(promhttp.Handler()))
	app.Get("/openapi.json", func(c *fiber.Ctx) error { return c.JSON(app.OpenAPI()) })
	Docs(app.App)
}
