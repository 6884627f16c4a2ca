// Package platform runs an instance: it prepares what is missing, starts the processes in order, and stops them in the
// reverse order.
package platform

import (
	"context"
	"fmt"
	"os"
	"slices"
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

// Options select what runs.
type Options struct {
	InfraOnly bool // the infrastructure without the services
	Replicas  template.Replicas
}

// run is one run of an instance.
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

// Run runs an instance until ctx ends, and then stops what it started. It fails when the instance cannot start. A
// process that exits later is restarted and never ends the run.
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
	r.super = proc.NewSupervisor(i.Dir(), log.Printf, r.record.processes, proc.DefaultBackoff())
	defer os.Remove(i.Path("state.json"))
	defer r.stop()
	if err := r.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
			for _, p := range r.super.Snapshot() {
				_ = proc.Truncate(p.Log, 64<<20)
			}
		}
	}
	return nil
}

func (r *run) start(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		r.endOrphans, r.readTemplate, r.checkPorts, r.prepareFiles, r.startInfrastructure,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if r.InfraOnly {
		r.record.phase(Ready)
		r.infraBanner()
		return nil
	}
	r.record.phase(Starting)
	if err := r.startApps(ctx); err != nil {
		return err
	}
	if err := r.awaitHealthy(ctx); err != nil {
		return err
	}
	r.record.phase(Ready)
	r.banner()
	return nil
}

// endOrphans ends what an earlier run left behind.
func (r *run) endOrphans(context.Context) error {
	n, err := proc.EndOrphans(r.Dir())
	if n > 0 && err == nil {
		r.log.Printf("ended %d processes that an earlier run left behind", n)
	}
	if err != nil {
		return err
	}
	return proc.ReleaseAll(r.Dir())
}

func (r *run) readTemplate(context.Context) (err error) {
	if err := render.Copies(r.Instance); err != nil {
		return err
	}
	if r.apps, err = template.Read(r.Template()); err != nil {
		return err
	}
	r.apps, err = template.Replicate(r.apps, r.Replicas)
	return err
}

func (r *run) checkPorts(ctx context.Context) error {
	ports := infraPorts(r.Instance)
	if !r.InfraOnly {
		ports = Ports(r.Instance, r.apps)
	}
	var used []string
	for p, name := range ports {
		if process, is := port.InUse(p); is {
			used = append(used, fmt.Sprintf("port %d, which %s needs, is used by %s", p, name, process))
		}
	}
	if len(used) > 0 {
		slices.Sort(used)
		return fmt.Errorf("%s\nstop that process, then start again", strings.Join(used, "\n"))
	}
	ctx, cancel := context.WithTimeout(ctx, portTimeout)
	defer cancel()
	for p, name := range ports {
		waiting := func() {
			r.log.Printf("waiting for port %d, which %s needs and a connection of another program has", p, name)
		}
		if err := port.AwaitFree(ctx, p, waiting); err != nil {
			return fmt.Errorf("%w\nstart again", err)
		}
	}
	return nil
}

// portTimeout is more than the minute for which the kernel keeps the port of a connection that has ended.
const portTimeout = 75 * time.Second

// prepareFiles prepares the instance's folders, tokens and secrets.
func (r *run) prepareFiles(context.Context) (err error) {
	if err := os.MkdirAll(r.Path("logs"), 0o755); err != nil {
		return err
	}
	if err := proc.Rotate(r.Path("logs"), "stack.log"); err != nil {
		return err
	}
	// Each sidecar registers its address again; those of an earlier run are wrong.
	for _, name := range []string{"names.db", "names.db-wal", "names.db-shm"} {
		if err := os.Remove(r.Path(name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	var ids []string
	for _, a := range r.apps {
		if !a.IsReplica() {
			ids = append(ids, a.ID)
		}
	}
	if err := identity.Create(r.Instance, ids); err != nil {
		return err
	}
	r.set, err = secret.Load(r.Instance)
	return err
}

// stop stops callers before those that they call.
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
	for _, group := range [][]string{
		apps, sidecars, {schedulerName, placementName}, {sentryName, redisName, postgresName, mailName},
	} {
		_ = r.log.Step("stopping "+strings.Join(group, ", "), "the infrastructure", func() error {
			r.super.Stop(group...)
			return nil
		})
	}
	r.log.Printf("stopped in %.1fs", time.Since(began).Seconds())
}
