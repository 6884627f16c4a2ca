// Bench measures a platform of its own, with its limits out of the way, in one run: two floors first, then what the shop
// does, each as a ratio to them. It takes about three minutes, sends to this machine only, and stops what it started.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

const (
	instance = "bench"
	offset   = 4000
)

func main() {
	duration := flag.Duration("duration", 8*time.Second, "how long each measurement takes")
	connections := flag.Int("connections", 32, "how many connections at a time")
	write := flag.String("write", "", "also write the table into this file (docs/performance.md)")
	only := flag.String("only", "", "measure only some of: shop,door,flood,orders")
	floor := flag.String("floor", "", "only be the plain handler, listening here")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *floor != "" {
		err = servePlain(*floor)
	} else {
		err = run(ctx, load{*duration, *connections}, *only, *write)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // the signals end with the process
	}
}

func run(ctx context.Context, l load, only, write string) (err error) {
	if err := needWrk(ctx); err != nil {
		return err
	}
	// As the measured thing must be the services, nobody is turned away and nobody is slowed down.
	for name, value := range map[string]string{"RATE_LIMIT_SCALE": "1000000"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stderr, "starting a platform for the measurement (make run may go on, but idle)")
	p, err := start(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := stack(context.WithoutCancel(ctx), "stop"); err == nil {
			err = stopErr
		}
	}()
	admin, err := fill(ctx, p.URL(), products)
	if err != nil {
		return err
	}
	idle, err := memory(p)
	if err != nil {
		return err
	}
	m := measured{idle: idle}
	if only == "" || strings.Contains(only, "shop") {
		if m.results, err = measure(ctx, l, p, admin); err != nil {
			return err
		}
	}
	if only == "" || strings.Contains(only, "door") {
		if m.door, err = l.doorCost(ctx, p, map[string]string{"Authorization": "Bearer " + admin.Token}); err != nil {
			return err
		}
	}
	if only == "" || strings.Contains(only, "flood") {
		if m.flood, err = l.loginFlood(ctx, p); err != nil {
			return err
		}
	}
	if only == "" || strings.Contains(only, "orders") {
		if m.carried, err = l.carry(ctx, p, admin); err != nil {
			return err
		}
	}
	if only != "" && write != "" {
		return errors.New("a part of the measurements is not the report")
	}
	text := report(l, m)
	fmt.Print(text)
	if write == "" {
		return nil
	}
	return os.WriteFile(write, []byte(text), 0o644)
}

// start starts an empty platform in the background, built as for `make run`.
func start(ctx context.Context) (*platform.Platform, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"stop"}, {"reset", "--yes"}, {"start"}} {
		if err := stack(ctx, args...); err != nil {
			return nil, fmt.Errorf("%w (run this from the repository's root: make bench)", err)
		}
	}
	return &platform.Platform{Name: instance, Offset: offset, Root: root, Dir: filepath.Join(root, ".sidecart", instance)}, nil
}

func stack(ctx context.Context, args ...string) error {
	all := append([]string{args[0], "--instance", instance, "--offset", strconv.Itoa(offset)}, args[1:]...)
	out, err := exec.CommandContext(ctx, filepath.Join(".sidecart", "bin", "stack"), all...).CombinedOutput() //nolint:gosec // fixed words
	if err != nil {
		return fmt.Errorf("stack %v: %w\n%s", args, err, out)
	}
	return nil
}

// measure goes from the floors up.
func measure(ctx context.Context, l load, p *platform.Platform, admin client.Client) ([]result, error) {
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
	bearer := map[string]string{"Authorization": "Bearer " + admin.Token}
	var results []result
	for _, what := range []target{
		{name: "plain Fiber handler, 1 KB (floor)", url: "http://" + plainAddr + "/"},
		{name: "no-op through a pair of sidecars (Dapr floor)", url: sidecar + "/health", headers: map[string]string{"dapr-app-id": "products", "dapr-api-token": token}},
		{name: "GET product", url: p.URL() + "/api/v1/products/1"},
		{name: "GET product, each another one", url: p.URL() + "/api/v1/products/", random: products},
		{name: "GET products (20 of 1,000)", url: p.URL() + "/api/v1/products"},
		{name: "GET order, signed in", url: p.URL() + "/api/v1/orders?limit=1", headers: bearer},
		{name: "login", url: p.URL() + "/api/v1/auth/login", body: login, random: buyers},
		{name: "POST orders", url: p.URL() + "/api/v1/orders", headers: bearer, body: order, random: products},
	} {
		fmt.Fprintf(os.Stderr, "  %-48s ", what.name)
		r, err := l.hit(ctx, what)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what.name, err)
		}
		fmt.Fprintf(os.Stderr, "%8.0f/s\n", r.rate)
		results = append(results, r)
	}
	return results, nil
}
