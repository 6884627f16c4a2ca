package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// bareAddr is where the gateway without its door listens while it is measured.
const bareAddr = "127.0.0.1:12098"

// turns is how often each of two things is measured that are compared. They take turns, and shortly, so that what else the
// machine does meets both.
const turns = 9

// pair is two measurements that are compared: the middle ones of all turns, and the middle of what was left in each.
type pair struct {
	before, after result
	kept          float64 // in percent
}

// inTurns measures two things one after the other, and again, each one first as often as the other.
func inTurns(before, after func() (result, error)) (pair, error) {
	measure := [2]func() (result, error){before, after}
	var all [2][]result
	var kept []float64
	for turn := range turns {
		for place := range 2 {
			i := (turn + place) % 2
			r, err := measure[i]()
			if err != nil {
				return pair{}, err
			}
			fmt.Fprintf(os.Stderr, "  %-48s %8.0f/s\n", r.name, r.rate)
			all[i] = append(all[i], r)
		}
		kept = append(kept, 100*all[1][turn].rate/all[0][turn].rate)
	}
	slices.Sort(kept)
	return pair{middle(all[0]), middle(all[1]), kept[turns/2]}, nil
}

func middle(results []result) result {
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.rate, b.rate) })
	return results[len(results)/2]
}

// turnOf is how long one measurement of a turn takes, in whole seconds.
func turnOf(l load) time.Duration { return max(time.Second, (l.duration / 4).Truncate(time.Second)) }

// doorCost measures a route of a signed-in buyer through the gateway, and through one that has no door: the same program but
// for guards, token, denylist and limit.
func (l load) doorCost(ctx context.Context, p *platform.Platform, admin client.Client) (pair, error) {
	if _, err := drain(ctx, admin); err != nil { // the orders of the part before
		return pair{}, err
	}
	if err := rest(ctx, p); err != nil {
		return pair{}, err
	}
	stop, err := startBare(ctx, p)
	if err != nil {
		return pair{}, err
	}
	defer stop()
	const path = "/api/v1/orders?limit=1"
	l.duration = turnOf(l)
	hit := func(name, base string) func() (result, error) {
		return func() (result, error) {
			return l.hit(ctx, target{name: name, url: base + path, headers: map[string]string{"Authorization": "Bearer " + admin.Token}})
		}
	}
	return inTurns(hit("GET orders, without the edge", "http://"+bareAddr), hit("GET orders", p.URL()))
}

// startBare runs the gateway without its door beside the platform's own, on the same sidecar.
func startBare(ctx context.Context, p *platform.Platform) (stop func(), err error) {
	program := filepath.Join(p.Root, ".sidecart", "bin", "bare")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./apps/gateway/internal/bare") //nolint:gosec // our own words
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build bare: %w\n%s", err, out)
	}
	token, _, err := p.Token("gateway")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, "-listen", bareAddr, "-sidecar", fmt.Sprintf("127.0.0.1:%d", p.Port("gateway-dapr", "http"))) //nolint:gosec // our own words
	cmd.Env = append(os.Environ(), "DAPR_API_TOKEN="+token)
	if err := platform.StartBound(cmd); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for range 100 {
		if a, err := (client.Client{Base: "http://" + bareAddr}).Do(ctx, "GET /api/v1/orders", nil); err == nil && a.Status == 401 {
			return stop, nil // orders itself asks for a token
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return nil, errors.New("the gateway without its door does not answer")
}

// flood is a read of the shop alone and during a flood of logins, and what became of those, of all turns together.
type flood struct {
	pair
	logins, refused int
}

// loginFlood measures a read of the shop alone, and while as many connections as there are do nothing but sign in: as many
// addresses do it that each stays below its limit. Who waits too long for one hash after the other is told to come again.
func (l load) loginFlood(ctx context.Context, p *platform.Platform) (f flood, err error) {
	others := target{name: "GET product, a different one each, alone", url: p.URL() + "/api/v1/products/", random: products}
	l.duration = turnOf(l)
	during := func() (result, error) {
		harder := l
		harder.duration += time.Second
		flooded := make(chan error, 1)
		go func() {
			r, err := harder.hit(ctx, target{name: "sign-in", url: p.URL() + "/api/v1/auth/login", body: login, random: buyers, busy: "busy"})
			f.logins += r.answers - r.refused
			f.refused += r.refused
			flooded <- err
		}()
		meanwhile := others
		meanwhile.name = strings.Replace(others.name, "alone", "while others sign in", 1)
		r, err := l.hit(ctx, meanwhile)
		return r, errors.Join(err, <-flooded) // and what it counted can be read
	}
	f.pair, err = inTurns(func() (result, error) { return l.hit(ctx, others) }, during)
	if err == nil && f.logins == 0 {
		err = errors.New("nobody could sign in")
	}
	return f, err
}
