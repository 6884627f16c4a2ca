// Package platform runs an instance: it prepares what is missing, starts everything in the right order, and stops it in
// the reverse one.
package platform

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/place"
	"sidecart/stack/internal/port"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
	"sidecart/stack/internal/render"
	"sidecart/stack/internal/secret"
	"sidecart/stack/internal/template"
)

// Options say how an instance runs.
type Options struct {
	InfraOnly bool // what is underneath the services, and not the services
	Race      bool // build the services as tests want them: with the race detector and the points of kit/crash
	// Replicas say how many of each service run.
	Replicas template.Replicas
}

// run is one life of an instance.
type run struct {
	place.Instance
	Options
	log    *progress.Log
	record *recorder
	super  *proc.Supervisor
	apps   []template.App
	set    secret.Set
	dapr   program.Dapr
}

// Run runs an instance until ctx ends, and then stops all it started. It fails when the instance cannot start; what dies
// later is started again and never ends the run.
func Run(ctx context.Context, i place.Instance, o Options, log *progress.Log) error {
	unlock, err := lock(i)
	if err != nil {
		return err
	}
	defer unlock()
	r := &run{Instance: i, Options: o, log: log}
	r.record = &recorder{path: i.Path("state.json"), state: State{
		Instance: i.Name, Dir: i.Dir(), Offset: i.Offset, PID: os.Getpid(), InfraOnly: o.InfraOnly,
		Phase: Preparing, Started: time.Now(), URL: fmt.Sprintf("http://127.0.0.1:%d", i.Port(8000)),
	}}
	r.super = proc.NewSupervisor(i.Dir(), log.Say, r.record.processes, proc.DefaultBackoff())
	defer os.Remove(i.Path("state.json"))
	defer r.stop()
	if err := r.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	go r.boundLogs(ctx)
	<-ctx.Done()
	return nil
}

func (r *run) start(ctx context.Context) error {
	if err := r.clear(ctx); err != nil {
		return err
	}
	if err := r.furnish(); err != nil {
		return err
	}
	if err := r.beneath(ctx); err != nil {
		return err
	}
	if r.InfraOnly {
		r.record.phase(Ready)
		r.greetInfra()
		return nil
	}
	r.record.phase(Rising)
	if err := r.services(ctx); err != nil {
		return err
	}
	if err := r.awaitWell(ctx); err != nil {
		return err
	}
	r.record.phase(Ready)
	r.greet()
	return nil
}

// clear ends what an earlier run left and makes sure that nobody else has our ports.
func (r *run) clear(ctx context.Context) error {
	if n, err := proc.EndLeftovers(r.Dir()); err != nil {
		return err
	} else if n > 0 {
		r.log.Say("ended %d processes that an earlier run left behind", n)
	}
	if err := proc.ReleaseAll(r.Dir()); err != nil {
		return err
	}
	if err := render.Copies(r.Instance); err != nil {
		return err
	}
	var err error
	if r.apps, err = template.Read(r.Template()); err != nil {
		return err
	}
	if r.apps, err = template.Replicate(r.apps, r.Replicas); err != nil {
		return err
	}
	return r.freePorts(ctx)
}

func (r *run) freePorts(ctx context.Context) error {
	ports := infraPorts(r.Instance)
	if !r.InfraOnly {
		ports = Ports(r.Instance, r.apps)
	}
	var taken []string
	for p, who := range ports {
		if holder, is := port.Taken(ctx, p); is {
			taken = append(taken, fmt.Sprintf("port %d, which %s needs, is taken by %s", p, who, holder))
		}
	}
	if len(taken) == 0 {
		return nil
	}
	sort.Strings(taken)
	return fmt.Errorf("%s\nend that process, then start again", strings.Join(taken, "\n"))
}

// furnish makes the folders and secrets of the instance.
func (r *run) furnish() (err error) {
	if err := os.MkdirAll(r.Path("logs"), 0o755); err != nil {
		return err
	}
	if err := proc.Rotate(r.Path("logs"), "stack.log"); err != nil {
		return err
	}
	// Who is where is announced anew by each sidecar; what an earlier life announced must not be believed.
	for _, name := range []string{"names.db", "names.db-wal", "names.db-shm"} {
		if err := os.Remove(r.Path(name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if err := identity.Prepare(r.Instance, time.Now(), r.log.Say); err != nil {
		return err
	}
	if err := identity.Admit(r.Instance, r.ids()); err != nil {
		return err
	}
	r.set, err = secret.Load(r.Instance)
	return err
}

func (r *run) ids() []string {
	ids := make([]string, 0, len(r.apps))
	for _, a := range r.apps {
		if !a.Further() {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// beneath starts what the services stand on, as far apart as it does not depend on one another, and builds them meanwhile.
func (r *run) beneath(ctx context.Context) error {
	postgres, redis, err := program.Servers(ctx, r.log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.startDatabases(ctx, postgres) })
	g.Go(func() error {
		r.super.Start(ctx, redisServer(r.Instance, redis, r.set).Spec(redisName))
		return r.await(ctx, redisName, time.Minute)
	})
	g.Go(func() error { return r.startMail(ctx) })
	g.Go(func() (err error) {
		if r.dapr, err = program.EnsureDapr(ctx, r.Instance, r.log); err != nil {
			return err
		}
		r.super.Start(ctx, sentry(r.Instance, r.dapr))
		if err := r.await(ctx, sentryName, time.Minute); err != nil {
			return err
		}
		r.super.Start(ctx, placement(r.Instance, r.dapr))
		r.super.Start(ctx, scheduler(r.Instance, r.dapr))
		if r.InfraOnly {
			return r.forCLI(ctx)
		}
		return r.buildApps(ctx)
	})
	return g.Wait()
}

func (r *run) startMail(ctx context.Context) error {
	path, err := program.MailHog.Ensure(ctx, r.Instance, r.log)
	if err != nil {
		return err
	}
	r.super.Start(ctx, mailServer(r.Instance, path))
	return r.await(ctx, mailName, time.Minute)
}

func (r *run) startDatabases(ctx context.Context, bin string) error {
	pw, err := secret.Superuser(r.Instance)
	if err != nil {
		return err
	}
	server := postgresServer(r.Instance, bin, pw)
	done := r.log.Step("making the database server's data folder", "its databases")
	err = server.Init(ctx)
	done(err)
	if err != nil {
		return err
	}
	spec, err := server.Spec(postgresName)
	if err != nil {
		return err
	}
	r.super.Start(ctx, spec)
	if err := r.await(ctx, postgresName, 2*time.Minute); err != nil { // it may have much to recover
		return err
	}
	owners, err := owners(r.Instance, r.set)
	if err != nil {
		return err
	}
	return server.Create(ctx, owners)
}

func (r *run) forCLI(ctx context.Context) error {
	runtime, err := identity.Launcher(r.Instance, r.dapr.Daprd, template.Loopback)
	if err != nil {
		return err
	}
	anchors, err := identity.AnchorsEnv(r.Instance)
	if err != nil {
		return err
	}
	if err := secret.WriteEnv(r.Instance, runtime, anchors); err != nil {
		return err
	}
	if err := r.await(ctx, placementName, time.Minute); err != nil {
		return err
	}
	return r.await(ctx, schedulerName, time.Minute)
}

func (r *run) await(ctx context.Context, name string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := r.log.Step("waiting for "+name, "the services")
	err := r.super.WaitReady(ctx, name)
	done(err)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, proc.Tail(r.Log(name), 2000))
	}
	return nil
}

// buildApps builds every service whose command is `go run`.
func (r *run) buildApps(ctx context.Context) error {
	args := []string{"build"}
	if r.Race {
		args = append(args, "-race", "-tags", "crashpoints") // what only tests do
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
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.Root
	out, err := cmd.CombinedOutput()
	done(err)
	if err != nil {
		return fmt.Errorf("the services do not build: %w\n%s", err, out)
	}
	return nil
}

// services starts each app and its sidecar. They wait for one another by themselves.
func (r *run) services(ctx context.Context) error {
	names := make([]string, 0, len(r.apps))
	for _, a := range r.apps {
		names = append(names, a.Name())
	}
	tokens, err := secret.NewTokens(r.Instance, names)
	if err != nil {
		return err
	}
	for _, a := range r.apps {
		env, err := identity.SidecarEnv(r.Instance, a.ID)
		if err != nil {
			return err
		}
		r.super.Start(ctx, sidecar(r.Instance, r.dapr, a, tokens[a.Name()], env))
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
		if err == nil && code == 200 && r.allRun() {
			done(nil)
			return nil
		}
		if err == nil {
			last = fmt.Sprintf("it says %d %s", code, shorten(body))
		}
		select {
		case <-ctx.Done():
			done(ctx.Err())
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r *run) allRun() bool {
	for _, p := range r.super.Snapshot() {
		if p.State != proc.Running {
			return false
		}
	}
	return true
}

func (r *run) pending(last string) string {
	var names []string
	for _, p := range r.super.Snapshot() {
		if p.State != proc.Running {
			names = append(names, p.Name+" "+p.State)
		}
	}
	if len(names) == 0 {
		return last
	}
	return strings.Join(names, ", ")
}

// stop ends everything in order: first who asks, then who is asked.
func (r *run) stop() {
	if len(r.super.Snapshot()) == 0 {
		return
	}
	r.record.phase(Stopping)
	began := time.Now()
	var apps, sidecars []string
	for _, a := range r.apps {
		apps, sidecars = append(apps, a.Name()), append(sidecars, SidecarName(a.Name()))
	}
	for _, group := range [][]string{apps, sidecars, {schedulerName, placementName}, {sentryName, redisName, postgresName, mailName}} {
		done := r.log.Step("stopping "+strings.Join(group, ", "), "what is underneath")
		r.super.Stop(group...)
		done(nil)
	}
	r.log.Say("stopped in %.1fs", time.Since(began).Seconds())
}

func (r *run) boundLogs(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, p := range r.super.Snapshot() {
				_ = proc.Bound(p.Log, 64<<20)
			}
		}
	}
}

func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return s
}
