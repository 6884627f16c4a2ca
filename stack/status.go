package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"sidecart/stack/internal/platform"
	"sidecart/stack/internal/proc"
)

var errNotRunning = errors.New("the platform does not run; start it with `make start` or `make run`")

// runningState is the state of a running platform. It fails with errNotRunning.
func runningState(c command) (platform.State, error) {
	s, err := platform.ReadState(c.Instance)
	if pid := platform.Supervisor(c.Instance); err == nil && (pid == 0 || s.PID != pid) {
		err = errNotRunning
	}
	return s, err
}

// status lists the processes. Its exit code is 1 when the platform does not run.
func status(_ context.Context, c command) error {
	s, err := runningState(c)
	if errors.Is(err, errNotRunning) {
		if !c.json {
			fmt.Println(err)
		}
		return exitCode(1)
	}
	if err != nil {
		return err
	}
	if c.json {
		return json.NewEncoder(os.Stdout).Encode(s)
	}
	fmt.Printf("instance %s, pid %d, %s, %s\n", s.Instance, s.PID, s.Phase, s.URL)
	w := tabwriter.NewWriter(os.Stdout, 2, 2, 2, ' ', 0)
	for _, p := range s.Processes {
		fmt.Fprintf(w, "  %s\t%s\tpid %d\trestarts %d\tfor %s\t%v\n", p.Name, p.State, p.PID, p.Restarts,
			time.Since(p.Since).Round(time.Second), slices.Sorted(maps.Values(p.Ports)))
	}
	return w.Flush()
}

// hold stops processes and returns when they are down.
func hold(ctx context.Context, c command) error { return each(ctx, c, proc.Hold, proc.OnHold) }

// release lets processes start again and returns when they run.
func release(ctx context.Context, c command) error { return each(ctx, c, proc.Release, proc.Running) }

func each(ctx context.Context, c command, do func(dir, name string) error, state string) error {
	s, err := runningState(c)
	if err != nil {
		return err
	}
	for _, name := range c.args {
		if _, ok := s.Process(name); !ok {
			return fmt.Errorf("no process %q; see `stack status`", name)
		}
		if err := do(c.Dir(), name); err != nil {
			return err
		}
	}
	for began := time.Now(); time.Since(began) < time.Minute && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		s, err := platform.ReadState(c.Instance)
		if err == nil && !slices.ContainsFunc(c.args, func(name string) bool {
			p, _ := s.Process(name)
			return p.State != state
		}) {
			return nil
		}
	}
	return fmt.Errorf("%v: not %s within a minute; see `stack status`", c.args, state)
}
