// Bench measures a platform of its own, without rate limits, in one run: two floors first, then the shop, each
// result as a ratio to them. It takes about six minutes and sends requests to this machine only. What it started ends
// with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sidecart/tests/platform"
)

func main() {
	duration := flag.Duration("duration", 8*time.Second, "duration of each measurement")
	connections := flag.Int("connections", 32, "concurrent connections")
	write := flag.String("write", "", "write the report to this file, too (docs/performance.md)")
	only := flag.String("only", "", "measure only some parts, like edge,workflows (see parts)")
	floor := flag.String("floor", "", "only run the plain handler, on this address")
	flag.Parse()
	ctx := context.Background()
	runtime.LockOSThread() // the kernel signals the end of the parent to this thread
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0)
	switch {
	case err != nil:
	case *floor != "":
		err = servePlain(*floor)
	default:
		err = run(ctx, load{*duration, *connections}, *only, *write)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, l load, only, write string) (err error) {
	if err := needWrk(ctx); err != nil {
		return err
	}
	p, err := start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	users, err := setUp(ctx, p.URL())
	if err != nil {
		return err
	}
	m := measured{}
	if m.idle, err = memory(p); err != nil {
		return err
	}
	for _, part := range l.parts(p, users, &m) {
		if only != "" && part.name != "floors" && !slices.Contains(strings.Split(only, ","), part.name) {
			continue
		}
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if only != "" && write != "" {
		return errors.New("-write needs all measurements, without -only")
	}
	text := report(l, m)
	fmt.Print(text)
	if write == "" {
		return nil
	}
	return os.WriteFile(write, []byte(text), 0o644)
}

// start starts an empty platform, built as for `make run`, without rate limits, and with access tokens that last for
// the whole run on a slow machine, too.
func start() (*platform.Platform, error) {
	for name, value := range map[string]string{"RATE_LIMIT_SCALE": "1000000", "ACCESS_TOKEN_TTL": "24h"} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	fmt.Fprintln(os.Stderr, "starting a platform to measure (a running `make run` should be idle)")
	return platform.StartAsBuilt("bench", 4000, "--components", "tests/bench/components")
}

// part is a group of measurements.
type part struct {
	name    string
	measure func(context.Context) error
}

// parts are all measurements in their order: the floors first, and the import last, as it adds many products.
func (l load) parts(p *platform.Platform, users users, m *measured) []part {
	admin := users.admin
	return []part{
		{"floors", func(ctx context.Context) (err error) { m.floors, err = l.floors(ctx, p); return err }},
		{"shop", func(ctx context.Context) error { return m.add(l.shop(ctx, p, users)) }},
		{"edge", func(ctx context.Context) (err error) { m.edge, err = l.edgeCost(ctx, p, admin); return err }},
		{"sign-ins", func(ctx context.Context) (err error) { m.signIns, err = l.signInFlood(ctx, p); return err }},
		{"workflows", func(ctx context.Context) (err error) {
			if m.workflows, err = l.workflows(ctx, p, users); err != nil {
				return err
			}
			return m.add([]result{{name: "workflows: orders from placed to paid", rate: m.workflows.rate()}}, nil)
		}},
		{"flash-sale", func(ctx context.Context) error { return m.add(l.flashSale(ctx, p, users)) }},
		{"streams", func(ctx context.Context) (err error) {
			m.streams, err = measureStreams(ctx, p, admin)
			return err
		}},
		{"import", func(ctx context.Context) error { return m.add(m.catalog.importProducts(ctx, admin)) }},
		{"search", func(ctx context.Context) error { return m.add(l.search(ctx, p, admin, &m.catalog)) }},
		{"broadcast", func(ctx context.Context) (err error) {
			if m.broadcast, err = measureBroadcast(ctx, p, admin); err != nil {
				return err
			}
			return m.add([]result{{name: "mails, of a broadcast", rate: m.broadcast.rate()}}, nil)
		}},
	}
}

// floors are a handler without any of our code, and a request through a pair of sidecars.
func (l load) floors(ctx context.Context, p *platform.Platform) ([]result, error) {
	stopPlain, err := startPlain(ctx)
	if err != nil {
		return nil, err
	}
	defer stopPlain()
	token, _, err := p.Token("gateway")
	if err != nil {
		return nil, err
	}
	sidecar := fmt.Sprintf("http://127.0.0.1:%d", p.Port("gateway-dapr", "http"))
	return l.hitAll(ctx, []target{
		{name: "plain Fiber handler, 1 KB (floor)", url: "http://" + plainAddr + "/"},
		{
			name: "no-op through two sidecars (Dapr floor)", url: sidecar + "/health",
			headers: map[string]string{"dapr-app-id": "products", "dapr-api-token": token},
		},
	})
}

// shop is the most frequent requests.
func (l load) shop(ctx context.Context, p *platform.Platform, users users) ([]result, error) {
	bearer := map[string]string{"Authorization": "Bearer " + users.admin.Token}
	return l.hitAll(ctx, []target{
		{name: "GET product", url: p.URL() + "/api/v1/products/1"},
		{name: "GET product, a different one each", url: p.URL() + "/api/v1/products/", random: products},
		{name: "GET products (20 of 1,000)", url: p.URL() + "/api/v1/products"},
		{name: "GET order, signed in", url: p.URL() + "/api/v1/orders?limit=1", headers: bearer},
		{name: "sign-in", url: p.URL() + "/api/v1/auth/login", body: signIn, random: buyers, connections: 4},
		users.orders("POST orders", products),
	})
}

func (l load) hitAll(ctx context.Context, targets []target) (results []result, err error) {
	for _, t := range targets {
		r, err := l.hit(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		fmt.Fprintf(os.Stderr, "  %-48s %8.0f/s\n", t.name, r.rate)
		results = append(results, r)
	}
	return results, nil
}
