package web

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check probes one dependency of a service. Probe must respect the deadline of its context.
type Check struct {
	Name  string
	Probe func(ctx context.Context) error
}

// RequireHealthy adds dependencies that the service needs: it is not ready while one of them is down.
func (app *App) RequireHealthy(checks ...Check) { app.required = append(app.required, checks...) }

// ReportHealth adds dependencies that the service works without for a while: it is degraded while one of them is down.
func (app *App) ReportHealth(checks ...Check) { app.reported = append(app.reported, checks...) }

// CheckResult is the health of one dependency.
type CheckResult struct {
	Status    string  `json:"status" validate:"oneof=ok degraded down"`
	LatencyMS float64 `json:"latency_ms,omitempty"`
	Error     string  `json:"error,omitempty"`
}

// Health is the health of a service: ok, degraded (works without a dependency for a while) or down.
type Health struct {
	Status string                 `json:"status" validate:"oneof=ok degraded down"`
	Checks map[string]CheckResult `json:"checks,omitempty"`
}

// The values of Status.
const (
	OK       = "ok"
	Degraded = "degraded"
	Down     = "down"
)

const checkTimeout = 2 * time.Second

// RunChecks runs all checks concurrently, for at most 2 s.
func RunChecks(ctx context.Context, checks []Check) map[string]CheckResult {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make(map[string]CheckResult, len(checks))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, check := range checks {
		wg.Go(func() {
			start := time.Now()
			result := CheckResult{Status: OK}
			if err := check.Probe(ctx); err != nil {
				result = CheckResult{Status: Down, Error: "not healthy"}
			}
			result.LatencyMS = float64(time.Since(start).Microseconds()) / 1000
			mu.Lock()
			defer mu.Unlock()
			results[check.Name] = result
		})
	}
	wg.Wait()
	return results
}

// Health runs all checks.
func (app *App) Health(ctx context.Context) Health {
	h := Health{Status: OK, Checks: RunChecks(ctx, slices.Concat(app.required, app.reported))}
	for _, check := range app.reported {
		if h.Checks[check.Name].Status != OK {
			h.Status = Degraded
		}
	}
	for _, check := range app.required {
		if h.Checks[check.Name].Status != OK {
			h.Status = Down
		}
	}
	return h
}

// platformRoutes are on the port of every service. They show no data of users, so they need no token.
func (app *App) platformRoutes() {
	app.Get("/health", RefuseBody, func(c *fiber.Ctx) error { return c.JSON(Health{Status: OK}) })
	app.Get("/health/ready", RefuseBody, func(c *fiber.Ctx) error {
		h := app.Health(c.UserContext())
		c.Set(fiber.HeaderCacheControl, "no-store")
		if h.Status == Down {
			c.Status(fiber.StatusServiceUnavailable)
		}
		return c.JSON(h)
	})
	app.Get("/metrics", RefuseBody, adaptor.HTTPHandler(promhttp.Handler()))
	app.Get("/openapi.json", RefuseBody, func(c *fiber.Ctx) error { return c.JSON(app.OpenAPI()) })
	Docs(app.App)
}
