// Package web is the Fiber app that every service starts from: routes with typed input and output, one error answer,
// health, metrics, and documents that are made of the routes themselves.
package web

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Verify finds out who a bearer token speaks for. It fails with a fault: unauthenticated for a bad token, unavailable
// where it cannot know.
type Verify func(ctx context.Context, token string) (shop.Caller, error)

// Config is what an app may choose. The zero value of each field has a default.
type Config struct {
	// Addr is where the app listens, host:port.
	Addr string
	// Verify is asked on every route that needs a caller.
	Verify Verify
	// AppToken is what the app's own sidecar shows in dapr-api-token. With one, every route except health, documents
	// and metrics is closed to anybody who cannot show it, whatever bearer token comes along.
	AppToken string
	// Timeout bounds the work on one request. Default 10 s.
	Timeout time.Duration
	// ReadTimeout is how long a request may take to arrive, head and body together. Default 15 s.
	ReadTimeout time.Duration
	// WriteTimeout is how long an answer may take to be sent. Default 30 s.
	WriteTimeout time.Duration
	// BodyLimit is the largest body in bytes. Default 1 MiB.
	BodyLimit int
	// Streaming hands bodies to the handlers as they arrive; BodyLimit is then the handlers' own business.
	Streaming bool
	// Bare leaves out the routes that every service has (health, metrics, documents), for an app that brings its own,
	// and matches paths exactly: case counts and a trailing slash is another path.
	Bare bool
}

// App is a Fiber app that remembers what its routes take and give.
type App struct {
	*fiber.App
	name   string
	cfg    Config
	routes []*operation
	checks []Check
	infos  []Check
}

// New makes the app of a service. Its routes are added with Handle.
func New(name string, cfg Config) *App {
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, 15*time.Second)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, 30*time.Second)
	cfg.BodyLimit = cmp.Or(cfg.BodyLimit, 1<<20)
	app := &App{name: name, cfg: cfg}
	app.App = fiber.New(fiber.Config{
		AppName:               name,
		ServerHeader:          "",
		ErrorHandler:          answerError,
		BodyLimit:             cfg.BodyLimit,
		StreamRequestBody:     cfg.Streaming,
		CaseSensitive:         cfg.Bare,
		StrictRouting:         cfg.Bare,
		ReadTimeout:           cfg.ReadTimeout,
		WriteTimeout:          cfg.WriteTimeout,
		IdleTimeout:           60 * time.Second,
		ReadBufferSize:        16 << 10,
		DisableStartupMessage: true,
		// Strings that a handler keeps must not change under it when the connection's buffer is used again.
		Immutable: true,
		// A form that is read ahead would be a body that does not stream.
		DisablePreParseMultipartForm: cfg.Streaming,
	})
	app.Use(observe(name), recoverPanic)
	if !cfg.Bare {
		app.platformRoutes()
	}
	if cfg.AppToken != "" {
		app.Use(app.onlyOwnSidecar)
	}
	return app
}

// errNotSidecar answers whoever calls a service past its sidecar.
var errNotSidecar = fault.New(fault.Unauthenticated, "sidecar_token", "this port answers only to its own sidecar; ask the gateway")

func (app *App) onlyOwnSidecar(c *fiber.Ctx) error {
	if subtle.ConstantTimeCompare([]byte(c.Get("dapr-api-token")), []byte(app.cfg.AppToken)) != 1 {
		return errNotSidecar
	}
	return c.Next()
}

// Serve listens until ctx ends, then lets running requests finish for up to 8 s.
func Serve(ctx context.Context, app *App) error {
	app.OpenAPI() // panics on what cannot be documented
	app.Use(func(c *fiber.Ctx) error { return app.noRoute(c) })
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", app.cfg.Addr)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- app.Listener(listener) }()
	slog.InfoContext(ctx, "listening", "addr", app.cfg.Addr)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	if err := app.ShutdownWithTimeout(8 * time.Second); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

var (
	errNoRoute    = fault.New(fault.NotFound, "no_such_route", "there is nothing at this address")
	errMethod     = fault.New(fault.NotAllowed, "method_not_allowed", "this address does not take that method")
	errHostUnread = fault.New(fault.Malformed, "malformed", "the request could not be read")
)

// noRoute answers 405 with Allow where another method would do, else 404.
func (app *App) noRoute(c *fiber.Ctx) error {
	var allowed []string
	for _, op := range app.routes {
		if fiber.RoutePatternMatch(c.Path(), op.fiberPath) {
			allowed = append(allowed, op.method)
		}
	}
	if len(allowed) == 0 {
		return errNoRoute
	}
	c.Set(fiber.HeaderAllow, strings.Join(allowed, ", "))
	return errMethod
}
