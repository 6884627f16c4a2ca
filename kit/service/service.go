// Package service starts and stops a service, so that its main shows only what is particular to it:
//
//	func main() { service.Main("products", run) }
//
//	func run(ctx context.Context, s *service.Service) error {
//		cfg := s.Env.Web("8002")                     // read the whole environment first
//		hold := s.Env.Duration("RESERVATION_TTL", 30*time.Minute)
//		if err := s.Connect(ctx); err != nil {       // fails with all errors of it
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

// Service is a running service: its connections and its background tasks.
type Service struct {
	Name     string
	Env      config.Env
	Sidecar  *sidecar.Sidecar // after Connect
	Verifier *auth.Verifier   // after NewApp

	db        *event.Outbox
	app       *web.App
	cursorKey []byte // after OpenDatabase
	tasks     []func(ctx context.Context) error
	close     []func()
}

// Main runs a service until it is interrupted or fails, and ends the process. With the word "health" as its argument,
// the program only reports by its exit status whether the service in the same container is ready.
func Main(name string, run func(ctx context.Context, s *Service) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if len(os.Args) == 2 && os.Args[1] == "health" {
		run = func(ctx context.Context, _ *Service) error { return checkHealth(ctx) }
	}
	err := Run(ctx, name, run)
	stop()
	if err != nil {
		slog.Error("service failed", "service", name, "err", err)
		os.Exit(1)
	}
}

// Run calls run, which ends with Serve, and then closes the service's connections in reverse order.
func Run(ctx context.Context, name string, run func(ctx context.Context, s *Service) error) error {
	if err := readTokenFiles(); err != nil {
		return err
	}
	s := &Service{Name: name}
	defer func() {
		for _, end := range slices.Backward(s.close) {
			within(closeTimeout, end)
		}
	}()
	return run(ctx, s)
}

// closeTimeout bounds the end of each connection. Over a network that has ended, a database's pool would wait 15 s for
// each of its connections (pgx 5.12.0), and whatever stops this service would kill it before.
const closeTimeout = 2 * time.Second

// within calls end and leaves it behind when it takes too long.
func within(timeout time.Duration, end func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		end()
	}()
	select {
	case <-ended:
	case <-time.After(timeout):
		slog.Warn("a connection was not closed in time")
	}
}

// Go adds a background task that Serve runs. The service stops when a task fails; a task's ctx ends with the service.
func (s *Service) Go(task func(ctx context.Context) error) { s.tasks = append(s.tasks, task) }

// requireOrder panics if a main calls methods in the wrong order.
func requireOrder(ok bool, rule string) {
	if !ok {
		panic("service: " + rule)
	}
}

// Serve runs all tasks and the web app until ctx ends or one of them fails.
func (s *Service) Serve(ctx context.Context) error {
	requireOrder(s.app != nil, "NewApp comes before Serve")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return web.Serve(ctx, s.app) })
	for _, task := range s.tasks {
		g.Go(func() error { return task(ctx) })
	}
	return g.Wait()
}

// Connect starts telemetry and connects to the sidecar. It fails with all errors of the environment, so read every
// variable before it.
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
// Packages that emit events take the outbox, others its Pool.
func (s *Service) OpenDatabase(ctx context.Context, secret string, migrations ...postgres.Migrations) (*event.Outbox, error) {
	requireOrder(s.app == nil, "OpenDatabase comes before NewApp, which watches the database")
	requireOrder(s.Sidecar != nil, "Connect comes before OpenDatabase")
	url, err := s.Sidecar.Secret(ctx, secret)
	if err != nil {
		return nil, err
	}
	all := append([]postgres.Migrations{event.Migrations, idempotency.Migrations, web.Migrations}, migrations...)
	db, err := postgres.Open(ctx, url, all...)
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, db.Close)
	if s.cursorKey, err = web.CursorKey(ctx, db); err != nil {
		return nil, err
	}
	s.db = event.NewOutbox(db)
	return s.db, nil
}

// NewApp makes the service's web app. It verifies tokens with the key set of feed, and has health checks of the sidecar
// and, after OpenDatabase, of the database. A job prunes the tables of kit.
func (s *Service) NewApp(ctx context.Context, cfg web.Config, feed auth.Feed) *web.App {
	requireOrder(s.Sidecar != nil, "Connect comes before NewApp")
	s.Verifier = auth.Follow(ctx, feed)
	cfg.Verify, cfg.CursorKey = s.Verifier.Verify, s.cursorKey
	s.app = web.New(s.Name, cfg)
	s.app.RequireHealthy(web.Check{Name: "sidecar", Probe: s.Sidecar.Healthy})
	s.app.ReportHealth(web.Check{Name: "sessions", Probe: s.Verifier.Healthy})
	if s.db != nil {
		s.app.RequireHealthy(web.Check{Name: "database", Probe: s.db.Ping})
		s.app.ReportHealth(web.Check{Name: "broker", Probe: s.Sidecar.CheckBroker})
		s.Every("prune", "@every 10m", func(ctx context.Context) error {
			return errors.Join(event.Prune(ctx, s.db.Pool), idempotency.Prune(ctx, s.db.Pool))
		}, web.Timeout(time.Minute))
	}
	return s.app
}

// Relay publishes the events of the outbox. keepPublished adds the replay endpoint, for consumers that detect gaps.
func (s *Service) Relay(publish event.Publish, keepPublished bool) {
	requireOrder(s.db != nil && s.app != nil, "OpenDatabase and NewApp come before Relay")
	if keepPublished {
		event.ReplayRoute(s.app, s.Name, s.db.Pool)
	}
	s.Go(func(ctx context.Context) error { return event.Relay(ctx, s.db, s.Name, publish, keepPublished) })
}

// NewHub makes the service's event consumer. A job detects gaps between its inbox and what publishers published.
func (s *Service) NewHub(publishers ...sidecar.Endpoint) *event.Hub {
	requireOrder(s.db != nil && s.app != nil, "OpenDatabase and NewApp come before NewHub")
	hub := event.NewHub(s.app, s.Name, s.db)
	s.Every("detect-gaps", "@every 30s", func(ctx context.Context) error {
		return hub.DetectGaps(ctx, s.Sidecar.Invoke, publishers...)
	}, web.Timeout(time.Minute))
	return hub
}

// Every schedules a recurring job, which runs on one replica each time. A job that fails runs again at its next time.
// Its timeout is that of a request, or web.Timeout's. A schedule outlives this process: the scheduler calls a job that
// was renamed by its old name, too, for ever.
func (s *Service) Every(name, schedule string, job func(ctx context.Context) error, options ...web.Option) {
	requireOrder(s.app != nil, "NewApp comes before Every")
	web.Handle(s.app, "POST /job/"+name, shop.Anyone, func(ctx context.Context, _ shop.Caller, _ web.None) (web.None, error) {
		return web.None{}, job(ctx)
	}, append(options, web.Internal)...)
	s.Go(func(ctx context.Context) error { return s.Sidecar.Every(ctx, name, schedule) })
}
