// Bench measures a platform of its own, with its limits out of the way, in one run: two floors first, then what the
// shop does, each as a ratio to them. It takes about six minutes, sends to this machine only, and what it started ends
// with it, however it ends.
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
	duration := flag.Duration("duration", 8*time.Second, "how long each measurement takes")
	connections := flag.Int("connections", 32, "how many connections at a time")
	write := flag.String("write", "", "also write the table into this file (docs/performance.md)")
	only := flag.String("only", "", "measure only some of: shop,door,flood,orders,flash,streams,import,search,mails")
	floor := flag.String("floor", "", "only be the plain handler, listening here")
	flag.Parse()
	ctx := context.Background() // whatever ends this program ends what it has started
	runtime.LockOSThread()      // for as long as this thread lives, the kernel tells it that its parent ended
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
	all, err := open(ctx, p.URL())
	if err != nil {
		return err
	}
	m := measured{}
	if m.idle, err = memory(p); err != nil {
		return err
	}
	for _, part := range l.parts(p, all, &m) {
		if only != "" && part.name != "floors" && !slices.Contains(strings.Split(only, ","), part.name) {
			continue
		}
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
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

// start starts an empty platform, built as for `make run`. As the measured thing must be the services, nobody is turned
// away and nobody is slowed down; and who has signed in stays so for as long as a slow machine takes.
func start() (*platform.Platform, error) {
	for name, value := range map[string]string{"RATE_LIMIT_SCALE": "1000000", "ACCESS_TOKEN_TTL": "24h"} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	fmt.Fprintln(os.Stderr, "starting a platform for the measurement (make run may go on, but idle)")
	return platform.StartAsBuilt("bench", 4000, "--components", "tests/bench/components")
}

// part is some of the measurements, in which nothing of the parts before it is still at work.
type part struct {
	name    string
	measure func(context.Context) error
}

// parts are all of them, in their order: the floors belong to each, and goods come last, as there are many more of them afterwards.
func (l load) parts(p *platform.Platform, all people, m *measured) []part {
	admin := all.admin
	return []part{
		{"floors", func(ctx context.Context) (err error) { m.floors, err = l.floors(ctx, p); return err }},
		{"shop", func(ctx context.Context) error { return m.add(l.shop(ctx, p, all)) }},
		{"door", func(ctx context.Context) (err error) { m.door, err = l.doorCost(ctx, p, admin); return err }},
		{"flood", func(ctx context.Context) (err error) { m.flood, err = l.loginFlood(ctx, p); return err }},
		{"orders", func(ctx context.Context) (err error) {
			if m.carried, err = l.carry(ctx, p, all); err != nil {
				return err
			}
			return m.add([]result{{name: "workflows: orders from placed to paid", rate: m.carried.rate()}}, nil)
		}},
		{"flash", func(ctx context.Context) error { return m.add(l.flashSale(ctx, p, all)) }},
		{"streams", func(ctx context.Context) (err error) { m.streams, err = watch(ctx, p, admin); return err }},
		{"import", func(ctx context.Context) error { return m.add(m.wholesale.bring(ctx, admin)) }},
		{"search", func(ctx context.Context) error { return m.add(l.search(ctx, p, admin, &m.wholesale)) }},
		{"mails", func(ctx context.Context) (err error) {
			if m.told, err = broadcast(ctx, p, admin); err != nil {
				return err
			}
			return m.add([]result{{name: "mails, of a broadcast", rate: m.told.rate()}}, nil)
		}},
	}
}

// floors are what is above nothing, and above a pair of sidecars.
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
		{name: "no-op through two sidecars (Dapr floor)", url: sidecar + "/health", headers: map[string]string{"dapr-app-id": "products", "dapr-api-token": token}},
	})
}

// shop is what people do there most.
func (l load) shop(ctx context.Context, p *platform.Platform, all people) ([]result, error) {
	bearer := map[string]string{"Authorization": "Bearer " + all.admin.Token}
	return l.hitAll(ctx, []target{
		{name: "GET product", url: p.URL() + "/api/v1/products/1"},
		{name: "GET product, a different one each", url: p.URL() + "/api/v1/products/", random: products},
		{name: "GET products (20 of 1,000)", url: p.URL() + "/api/v1/products"},
		{name: "GET order, signed in", url: p.URL() + "/api/v1/orders?limit=1", headers: bearer},
		{name: "sign-in", url: p.URL() + "/api/v1/auth/login", body: login, random: buyers, connections: 4},
		all.orders("POST orders", products),
	})
}

func (l load) hitAll(ctx context.Context, targets []target) (results []result, err error) {
	for _, what := range targets {
		r, err := l.hit(ctx, what)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what.name, err)
		}
		fmt.Fprintf(os.Stderr, "  %-48s %8.0f/s\n", what.name, r.rate)
		results = append(results, r)
	}
	return results, nil
}
