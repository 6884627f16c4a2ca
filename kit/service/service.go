// Package service is what every service does at its start and at its end, so that a main shows only what is particular
// to its service:
//
//	func main() { service.Main("products", run) }
//
//	func run(ctx context.Context, s *service.Service) error {
//		cfg := s.Env.Web("8002")                     // the whole environment first:
//		hold := s.Env.Duration("RESERVATION_TTL", 30*time.Minute)
//		if err := s.Connect(ctx); err != nil {       // fails with everything that is wrong with it
//			return err
//		}
//		outbox, err := s.OpenDatabase(ctx, "products-database-url", stock.Migrations)
//		if err != nil {
//			return err
//		}
//		app := s.NewApp(ctx, cfg, auth.NewFeed(s.Sidecar.InvokeWithoutBreaker)) // with health checks
//		stocks := stock.NewService(outbox, hold)
//		stocks.Routes(app)
//		s.Every("release-expired-reservations", "@every 30s", stocks.ReleaseExpired)
//		return s.Serve(ctx)                          // until ctx ends
//	}
package service

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/kit/auth"
	"sidecart/kit/config"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

// Service is one service: what it has opened, and what it does until it ends.
type Service struct {
	Name     string
	Env      config.Env
	Sidecar  *sidecar.Sidecar // after Connect
	Verifier *auth.Verifier   // after NewApp

	db    *event.Outbox
	app   *web.App
	tasks []func(ctx context.Context) error
	close []func()
}

// Main runs a service until it is interrupted or fails, and ends the process.
func Main(name string, run func(ctx context.Context, s *Service) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := Run(ctx, name, run)
	stop()
	if err != nil {
		slog.Error("the service stops", "service", name, "err", err)
		os.Exit(1)
	}
}

// Run calls run, which ends with Serve, and then closes what the service has opened, the last first.
func Run(ctx context.Context, name string, run func(ctx context.Context, s *Service) error) error {
	s := &Service{Name: name}
	defer func() {
		for _, end := range slices.Backward(s.close) {
			end()
		}
	}()
	return run(ctx, s)
}

// Go has Serve run task. The service ends when task fails; the task's ctx ends with the service.
func (s *Service) Go(task func(ctx context.Context) error) { s.tasks = append(s.tasks, task) }

// order panics where calls of a main do not come in the order that they need.
func order(kept bool, rule string) {
	if !kept {
		panic("service: " + rule)
	}
}

// Serve runs all tasks and the web app until ctx ends or one of them fails.
func (s *Service) Serve(ctx context.Context) error {
	order(s.app != nil, "NewApp comes before Serve")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return web.Serve(ctx, s.app) })
	for _, task := range s.tasks {
		g.Go(func() error { return task(ctx) })
	}
	return g.Wait()
}

// Connect starts telemetry and connects to the sidecar. It fails first with all that is wrong with the environment, so
// read every variable before it.
func (s *Service) Connect(ctx context.Context) error {
	if err := s.Env.Err(); err != nil {
		return err
	}
	flush, err := telemetry.Start(ctx, s.Name)
	if err != nil {
		return err
	}
	s.close = append(s.close, flush)
	if s.Sidecar, err = sidecar.Connect(ctx); err != nil {
		return err
	}
	s.close = append(s.close, s.Sidecar.Close)
	return nil
}

// OpenDatabase opens the database whose URL is a secret and migrates it: the tables of kit, then those of the service.
// What emits takes the outbox, anything else its Pool.
func (s *Service) OpenDatabase(ctx context.Context, secret string, migrations ...postgres.Migrations) (*event.Outbox, error) {
	order(s.app == nil, "OpenDatabase comes before NewApp, which watches the database")
	order(s.Sidecar != nil, "Connect comes before OpenDatabase")
	url, err := s.Sidecar.Secret(ctx, secret)
	if err != nil {
		return nil, err
	}
	all := append([]postgres.Migrations{event.Migrations, idempotency.Migrations}, migrations...)
	db, err := postgres.Open(ctx, url, all...)
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, db.Close)
	s.db = event.NewOutbox(db)
	return s.db, nil
}

// NewApp is the service's web app. It verifies tokens with the keys of feed, and has health checks of the sidecar and
// of the database, if there is one: OpenDatabase comes first. What the tables of kit have kept for long enough is
// removed.
func (s *Service) NewApp(ctx context.Context, cfg web.Config, feed auth.Feed) *web.App {
	order(s.Sidecar != nil, "Connect comes before NewApp")
	s.Verifier = auth.Follow(ctx, feed)
	cfg.Verify = s.Verifier.Verify
	s.app = web.New(s.Name, cfg)
	s.app.RequireHealthy(web.Check{Name: "sidecar", Ask: s.Sidecar.Healthy})
	s.app.ReportHealth(web.Check{Name: "sessions", Ask: s.Verifier.Healthy})
	if s.db != nil {
		s.app.RequireHealthy(web.Check{Name: "database", Ask: s.db.Ping})
		s.app.ReportHealth(web.Check{Name: "broker", Ask: s.Sidecar.CheckBroker})
		s.Every("prune", "@every 10m", func(ctx context.Context) error {
			return errors.Join(event.Prune(ctx, s.db.Pool), idempotency.Prune(ctx, s.db.Pool))
		}, web.Timeout(time.Minute))
	}
	return s.app
}

// Relay has the outbox published. What was published is kept for so long for consumers that look for gaps: event.Kept,
// or zero where nobody has an inbox for it.
func (s *Service) Relay(publish event.Publish, keep time.Duration) {
	order(s.db != nil && s.app != nil, "OpenDatabase and NewApp come before Relay")
	if keep > 0 {
		event.ReplayRoute(s.app, s.Name, s.db.Pool)
	}
	s.Go(func(ctx context.Context) error { return event.Relay(ctx, s.db, s.Name, publish, keep) })
}

// NewHub is where the service subscribes. Its inbox is compared with what publishers sent (Hub.Compare).
func (s *Service) NewHub(publishers ...sidecar.Endpoint) *event.Hub {
	order(s.db != nil && s.app != nil, "OpenDatabase and NewApp come before NewHub")
	hub := event.NewHub(s.app, s.Name, s.db)
	s.Every("compare-events", "@every 30s", func(ctx context.Context) error {
		return hub.DetectGaps(ctx, s.Sidecar.Invoke, publishers...)
	}, web.Timeout(time.Minute))
	return hub
}

// Every has the scheduler call job again and again, on one replica each time. A job that fails is called again at its
// next time. It may take as long as a request, or as web.Patience says. A job outlives this process: the scheduler
// calls for ever what was given another name.
func (s *Service) Every(name, schedule string, job func(ctx context.Context) error, options ...web.Option) {
	order(s.app != nil, "NewApp comes before Every")
	web.Handle(s.app, "POST /job/"+name, shop.Anyone, func(ctx context.Context, _ shop.Caller, _ web.None) (web.None, error) {
		return web.None{}, job(ctx)
	}, append(options, web.Internal)...)
	s.Go(func(ctx context.Context) error { return s.Sidecar.Every(ctx, name, schedule) })
}
