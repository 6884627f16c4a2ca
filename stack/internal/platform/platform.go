// Package platform runs an instance: it prepares what is missing, starts everything in the right order, and stops it in
// the reverse one.
package platform

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/instance"
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
	// Replicas say how many of each service run.
	Replicas template.Replicas
}

// run is one life of an instance.
type run struct {
	instance.Instance
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
func Run(ctx context.Context, i instance.Instance, o Options, log *progress.Log) error {
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
