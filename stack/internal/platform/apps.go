package platform

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/secret"
)

// buildApps builds every service whose command is `go run`.
func (r *run) buildApps(ctx context.Context) error {
	args := []string{"build"}
	if r.Race {
		args = append(args, "-race", "-tags", "crashpoints") // what only tests do
		for _, pure := range []string{"golang.org/x/crypto/blowfish", "image/...", "golang.org/x/image/..."} {
			args = append(args, "-gcflags="+pure+"=-race=false") // it shares nothing, and a password would take 13 times as long
		}
	}
	args = append(args, "-o", r.AppBin()+"/")
	for _, a := range r.apps {
		pkg, ok := a.GoPackage()
		if !ok || a.Further() {
			continue
		}
		if pkg != "." {
			return fmt.Errorf("%s: only `go run .` is understood, not `go run %s`", a.ID, pkg)
		}
		args = append(args, a.Dir)
	}
	if err := os.MkdirAll(r.AppBin(), 0o755); err != nil {
		return err
	}
	done := r.log.Step("building the services", "starting them beside their sidecars")
	_, err := program.Go(ctx, r.Root, nil, args...)
	done(err)
	if err != nil {
		return fmt.Errorf("the services do not build: %w", err)
	}
	return nil
}

// services starts each app and its sidecar. They wait for one another by themselves, but for the first sidecar.
func (r *run) services(ctx context.Context) error {
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
		r.super.Start(ctx, sidecar(r.Instance, r.dapr, a, tokens[a.Name()], append(env, tracing()...)))
		if n == 0 {
			// It makes the file of names. Where two make it at once, one fails on the other's lock, says so, and runs on without ever
			// being found (daprd 1.18.2).
			if err := r.await(ctx, SidecarName(a.Name()), time.Minute); err != nil {
				return err
			}
		}
		r.super.Start(ctx, app(r.Instance, a, tokens[a.Name()]))
	}
	return nil
}

// awaitWell waits until the gateway says that everything is.
func (r *run) awaitWell(ctx context.Context) error {
	url := fmt.Sprintf("http://127.0.0.1:%d/health/services", r.Port(8000))
	last := "no answer yet"
	done := r.log.Watch("waiting for "+url, func() string { return r.pending(last) })
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		code, body, err := get(try, url)
		cancel()
		// The gateway asks one replica of each service; the others have to run, too.
		if err == nil && code == 200 && r.pending("") == "" {
			done(nil)
			return nil
		}
		if err == nil {
			last = fmt.Sprintf("it says %d %.200s", code, body)
		}
		select {
		case <-ctx.Done():
			done(ctx.Err())
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// pending names what does not run yet; where all of it does, it is last.
func (r *run) pending(last string) string {
	var names []string
	for _, p := range r.super.Snapshot() {
		if p.State != proc.Running {
			names = append(names, p.Name+" "+p.State)
		}
	}
	return cmp.Or(strings.Join(names, ", "), last)
}
