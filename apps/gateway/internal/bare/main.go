// Bare is the gateway without its edge: it forwards every request to one service without authentication. Only the
// benchmark uses it, on the loopback, to measure the cost of the edge.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"

	"sidecart/apps/gateway/internal/forward"
	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

func main() {
	addr := flag.String("listen", "127.0.0.1:0", "where to listen")
	sidecar := flag.String("sidecar", "", "the gateway's sidecar, host:port; its token is DAPR_API_TOKEN")
	service := flag.String("service", "orders", "the service to forward to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *sidecar, *service); err != nil {
		slog.Error("bare failed", "err", err)
		os.Exit(1) //nolint:gocritic // the signals end with the process
	}
}

func run(ctx context.Context, addr, sidecar, service string) error {
	flush, err := telemetry.Start(ctx, "bare")
	if err != nil {
		return err
	}
	defer flush()
	app := web.New("bare", web.Config{Addr: addr, Streaming: true, Bare: true})
	to := forward.New(sidecar, os.Getenv("DAPR_API_TOKEN"), []string{service})
	app.Get("/api/*", func(c *fiber.Ctx) error { //nolint:contextcheck // each request brings its own
		return to.Forward(c, forward.Target{
			Service: service, Path: route.ServicePath(c.Path()), BodyLimit: 1 << 20, Deadline: 9 * time.Second, WithToken: true,
		}, "127.0.0.1")
	})
	return web.Serve(ctx, app)
}
