package platform

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/secret"
	"sidecart/stack/internal/template"
)

// buildApps builds every service whose command is `go run`.
func (r *run) buildApps(ctx context.Context) error {
	args := []string{"build"}
	if r.Race {
		args = append(args, "-race", "-tags", "crashpoints")
		// Packages without shared memory: a password would take 13 times as long.
		for _, pkg := range []string{"golang.org/x/crypto/blowfish", "image/...", "golang.org/x/image/..."} {
			args = append(args, "-gcflags="+pkg+"=-race=false")
		}
	}
	args = append(args, "-o", r.AppBin()+"/")
	for _, a := range r.apps {
		pkg, ok := a.GoPackage()
		if !ok || a.IsReplica() {
			continue
		}
		if pkg != "." {
			return fmt.Errorf("%s: the command must be `go run .`, not `go run %s`", a.ID, pkg)
		}
		args = append(args, a.Dir)
	}
	if err := os.MkdirAll(r.AppBin(), 0o755); err != nil {
		return err
	}
	err := r.log.Step("building the services", "starting them with their sidecars", func() error {
		_, err := program.Go(ctx, r.Root, nil, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("the services do not build: %w", err)
	}
	return nil
}

// startApps starts each app and its sidecar. They wait for one another, except for the first sidecar.
func (r *run) startApps(ctx context.Context) error {
	names := make([]string, 0, len(r.apps))
	for _, a := range r.apps {
		names = append(names, a.Name())
	}
	tokens, err := secret.NewTokens(r.Instance, names)
	if err != nil {
		return err
	}
	for n, a := range r.apps {
		env, err := identity.SidecarEnv(r.Instance, a.ID)
		if err != nil {
			return err
		}
		r.super.Start(ctx, sidecarSpec(r.Instance, r.dapr, a, tokens[a.Name()], append(env, template.Tracing(os.Getenv(template.TracingEndpoint))...)))
		if n == 0 {
			// It creates the database of names. When two sidecars create it concurrently, one of them fails on the
			// other's lock, logs that, and continues without ever being found (daprd 1.18.2).
			if err := r.await(ctx, SidecarName(a.Name())); err != nil {
				return err
			}
		}
		r.super.Start(ctx, appSpec(r.Instance, a, tokens[a.Name()]))
	}
	return nil
}

// awaitHealthy waits until the gateway reports every service as healthy. The gateway checks one replica of each
// service, so all processes must be running, too.
func (r *run) awaitHealthy(ctx context.Context) error {
	url := fmt.Sprintf("http://127.0.0.1:%d/health/services", r.Port(8000))
	var last atomic.Value
	last.Store("no response yet")
	state := func() string { return cmp.Or(r.notRunning(), last.Load().(string)) }
	return r.log.Watch("waiting for "+url, state, func() error {
		for {
			code, body, err := get(ctx, url)
			if err == nil && code == 200 && r.notRunning() == "" {
				return nil
			}
			if err == nil {
				last.Store(fmt.Sprintf("it responds %d %.200s", code, body))
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}

// notRunning lists the processes that are not running, with their states.
func (r *run) notRunning() string {
	var names []string
	for _, p := range r.super.Snapshot() {
		if p.State != proc.Running {
			names = append(names, p.Name+" "+p.State)
		}
	}
	return strings.Join(names, ", ")
}
