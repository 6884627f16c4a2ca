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

// bareAddr is the address of the gateway without its edge while it is measured.
const bareAddr = "127.0.0.1:12098"

// turns is how often each side of a comparison is measured. The sides alternate in short turns, so that other load on
// the machine affects both.
const turns = 9

// comparison has the medians of all turns.
type comparison struct {
	before, after result
	percent       float64 // of the rate after to the rate before
}

// alternate measures two things in turns. Each is the first of a turn equally often.
func alternate(before, after func() (result, error)) (comparison, error) {
	measure := [2]func() (result, error){before, after}
	var all [2][]result
	var percents []float64
	for turn := range turns {
		for k := range 2 {
			i := (turn + k) % 2
			r, err := measure[i]()
			if err != nil {
				return comparison{}, err
			}
			fmt.Fprintf(os.Stderr, "  %-48s %8.0f/s\n", r.name, r.rate)
			all[i] = append(all[i], r)
		}
		percents = append(percents, 100*all[1][turn].rate/all[0][turn].rate)
	}
	slices.Sort(percents)
	return comparison{median(all[0]), median(all[1]), percents[turns/2]}, nil
}

func median(results []result) result {
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.rate, b.rate) })
	return results[len(results)/2]
}

// turnOf is the duration of one measurement of a turn, in whole seconds.
func turnOf(l load) time.Duration { return max(time.Second, (l.duration / 4).Truncate(time.Second)) }

// edgeCost measures a route of a signed-in user through the gateway, and through a gateway without the edge: without
// guards, token check, denylist and rate limit.
func (l load) edgeCost(ctx context.Context, p *platform.Platform, admin client.Client) (comparison, error) {
	if _, err := drain(ctx, admin); err != nil { // of earlier measurements
		return comparison{}, err
	}
	if err := awaitIdle(ctx, p); err != nil {
		return comparison{}, err
	}
	stop, err := startBare(ctx, p)
	if err != nil {
		return comparison{}, err
	}
	defer stop()
	const path = "/api/v1/orders?limit=1"
	l.duration = turnOf(l)
	hit := func(name, base string) func() (result, error) {
		return func() (result, error) {
			bearer := map[string]string{"Authorization": "Bearer " + admin.Token}
			return l.hit(ctx, target{name: name, url: base + path, headers: bearer})
		}
	}
	return alternate(hit("GET orders, without the edge", "http://"+bareAddr), hit("GET orders", p.URL()))
}

// startBare runs the gateway without its edge, with the sidecar of the platform's gateway.
func startBare(ctx context.Context, p *platform.Platform) (stop func(), err error) {
	program := filepath.Join(p.Root, ".sidecart", "bin", "bare")
	args := []string{"build", "-o", program, "./apps/gateway/internal/bare"}
	build := exec.CommandContext(ctx, "go", args...) //nolint:gosec // constants
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build bare: %w\n%s", err, out)
	}
	token, _, err := p.Token("gateway")
	if err != nil {
		return nil, err
	}
	sidecar := fmt.Sprintf("127.0.0.1:%d", p.Port("gateway-dapr", "http"))
	cmd := exec.CommandContext(ctx, program, "-listen", bareAddr, "-sidecar", sidecar) //nolint:gosec // built above
	cmd.Env = append(os.Environ(), "DAPR_API_TOKEN="+token)
	if err := platform.StartBound(cmd); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for range 100 {
		res, err := (client.Client{Base: "http://" + bareAddr}).Do(ctx, "GET /api/v1/orders", nil)
		if err == nil && res.Status == 401 {
			return stop, nil // orders itself requires a token
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return nil, errors.New("the gateway without its edge does not respond")
}

// signIns compares a read of the shop alone and during many sign-ins, and counts those of all turns.
type signIns struct {
	comparison
	succeeded, rejected int
}

// signInFlood measures a read of the shop alone, and while as many connections again only sign in, from so many
// addresses that each stays below its limit. A sign-in that waits too long for its password hash is rejected with
// "busy".
func (l load) signInFlood(ctx context.Context, p *platform.Platform) (s signIns, err error) {
	const name = "GET product, a different one each, alone"
	read := target{name: name, url: p.URL() + "/api/v1/products/", random: products}
	l.duration = turnOf(l)
	during := func() (result, error) {
		longer := l
		longer.duration += time.Second
		done := make(chan error, 1)
		go func() {
			r, err := longer.hit(ctx, target{
				name: "sign in", url: p.URL() + "/api/v1/auth/login", body: signIn, random: buyers, busy: "busy",
			})
			s.succeeded += r.responses - r.busy
			s.rejected += r.busy
			done <- err
		}()
		meanwhile := read
		meanwhile.name = strings.Replace(read.name, "alone", "while others sign in", 1)
		r, err := l.hit(ctx, meanwhile)
		return r, errors.Join(err, <-done)
	}
	s.comparison, err = alternate(func() (result, error) { return l.hit(ctx, read) }, during)
	if err == nil && s.succeeded == 0 {
		err = errors.New("no sign-in succeeded")
	}
	return s, err
}
