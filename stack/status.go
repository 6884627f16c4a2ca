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

// status shows what runs. It exits with 1 when nothing does.
func status(_ context.Context, c command) error {
	pid := platform.Supervisor(c.Instance)
	s, err := platform.ReadState(c.Instance)
	if err != nil {
		return err
	}
	if pid == 0 || s.PID != pid {
		if !c.json {
			fmt.Println("the platform does not run")
		}
		return exitCode(1)
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

// hold keeps processes down and returns when they are.
func hold(ctx context.Context, c command) error {
	return each(ctx, c, func(name string) error { return proc.Hold(c.Dir(), name) },
		func(p proc.Status) bool { return p.State == proc.Held })
}

// release lets them come back and returns when they have.
func release(ctx context.Context, c command) error {
	return each(ctx, c, func(name string) error { return proc.Release(c.Dir(), name) },
		func(p proc.Status) bool { return p.State == proc.Running })
}

func each(ctx context.Context, c command, do func(string) error, reached func(proc.Status) bool) error {
	s, err := platform.ReadState(c.Instance)
	if err != nil {
		return err
	}
	if platform.Supervisor(c.Instance) == 0 {
		return errors.New("the platform does not run")
	}
	for _, name := range c.args {
		if _, ok := s.Process(name); !ok {
			return fmt.Errorf("there is no process %q", name)
		}
		if err := do(name); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		s, err := platform.ReadState(c.Instance)
		done := err == nil
		for _, name := range c.args {
			p, _ := s.Process(name)
			done = done && reached(p)
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within a minute: %v", c.args)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
