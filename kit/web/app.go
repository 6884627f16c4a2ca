// Package web is the Fiber app of every service: routes with typed input and output, problem+json errors, health,
// metrics, and an OpenAPI document made of the routes.
package web

import (
	"cmp"
	"context"
	"crypto/rand"
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

// Verify returns the caller that a bearer token authenticates. It fails with a fault: Unauthenticated for an invalid
// token, Unavailable if it cannot verify any.
type Verify func(ctx context.Context, token string) (shop.Caller, error)

// Config configures an app. A zero field has its default.
type Config struct {
	// Addr is where the app listens, host:port.
	Addr string
	// Verify is called on every route that needs a caller.
	Verify Verify
	// AppToken is the dapr-api-token that the app's own sidecar sends. If it is set, every route except health, API
	// docs and metrics refuses requests without it, whatever their bearer token.
	AppToken string
	// Timeout bounds the work on one request. Default 10 s.
	Timeout time.Duration
	// ReadTimeout bounds reading a request, head and body together. Default 15 s.
	ReadTimeout time.Duration
	// WriteTimeout bounds writing a response. Default 30 s.
	WriteTimeout time.Duration
	// BodyLimit is the maximum size of a body in bytes. Default 1 MiB.
	BodyLimit int
	// Streaming passes bodies to handlers while they arrive. BodyLimit is then enforced per route.
	Streaming bool
	// CursorKey signs cursors. Replicas need the same (see CursorKey). Default: a random one.
	CursorKey []byte
	// Bare leaves out the routes that every service has (health, metrics, API docs), and matches paths exactly: case
	// matters, and a trailing slash makes another path.
	Bare bool
}

// App is a Fiber app with the input and output types of its routes.
type App struct {
	*fiber.App
	name               string
	cfg                Config
	routes             []*operation
	required, reported []Check
}

// New returns an app without routes of its own; Handle adds them.
func New(name string, cfg Config) *App {
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, 15*time.Second)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, 30*time.Second)
	cfg.BodyLimit = cmp.Or(cfg.BodyLimit, 1<<20)
	if cfg.CursorKey == nil {
		cfg.CursorKey = make([]byte, 32)
		_, _ = rand.Read(cfg.CursorKey) // never fails
	}
	app := &App{name: name, cfg: cfg}
	app.App = fiber.New(fiber.Config{
		AppName:               name,
		ServerHeader:          "",
		ErrorHandler:          respondError,
		BodyLimit:             cfg.BodyLimit,
		StreamRequestBody:     cfg.Streaming,
		CaseSensitive:         cfg.Bare,
		StrictRouting:         cfg.Bare,
		ReadTimeout:           cfg.ReadTimeout,
		WriteTimeout:          cfg.WriteTimeout,
		IdleTimeout:           60 * time.Second,
		ReadBufferSize:        16 << 10,
		DisableStartupMessage: true,
		// A string that a handler keeps must not change when the connection's buffer is reused.
		Immutable: true,
		// A form that is parsed ahead does not stream, and a malformed one is refused without the app's error handler.
		DisablePreParseMultipartForm: true,
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

// errNotSidecar refuses requests that bypass the sidecar.
var errNotSidecar = fault.New(fault.Unauthenticated, "sidecar_token", "this port serves its own sidecar only; use the gateway")

func (app *App) onlyOwnSidecar(c *fiber.Ctx) error {
	if subtle.ConstantTimeCompare([]byte(c.Get("dapr-api-token")), []byte(app.cfg.AppToken)) != 1 {
		return errNotSidecar
	}
	return c.Next()
}

// Serve listens until ctx ends, then waits up to 8 s for running requests. It panics on a route without documentation.
func Serve(ctx context.Context, app *App) error {
	app.OpenAPI()
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
	errNoRoute    = fault.New(fault.NotFound, "no_such_route", "no such path")
	errMethod     = fault.New(fault.NotAllowed, "method_not_allowed", "this path does not support the method")
	errUnreadable = fault.New(fault.Malformed, "malformed", "the request could not be parsed")
)

// noRoute fails with 405 and Allow if the path has other methods, else with 404.
func (app *App) noRoute(c *fiber.Ctx) error {
	var allowed []string
	for _, op := range app.routes {
		if fiber.RoutePatternMatch(c.Path(), op.fiberPath) {
			allowed = append(allowed, op.methods()...)
		}
	}
	if len(allowed) == 0 {
		return errNoRoute
	}
	c.Set(fiber.HeaderAllow, strings.Join(allowed, ", "))
	return errMethod
}
