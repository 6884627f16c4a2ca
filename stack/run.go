package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"sidecart/stack/internal/platform"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/progress"
)

func run(ctx context.Context, c command) error {
	return platform.Run(ctx, c.Instance, c.Options, progress.To(os.Stdout))
}

func infra(ctx context.Context, c command) error {
	c.InfraOnly = true
	return start(ctx, c)
}

// slowest is how long services may take from their start until all is well, before a start in the background gives up.
const slowest = 2 * time.Minute

// start runs the platform detached from this terminal and shows what it says until it is ready.
func start(ctx context.Context, c command) error {
	if pid := platform.Settled(c.Instance); pid != 0 {
		return fmt.Errorf("%w: instance %s, pid %d", platform.ErrRuns, c.Name, pid)
	}
	child, err := detach(c)
	if err != nil {
		return err
	}
	died := make(chan struct{})
	go func() {
		_ = child.Wait() // its log says why
		close(died)
	}()
	shown := follower{path: c.Log("stack")}
	defer func() { shown.print("") }()
	var rising time.Time
	for {
		select {
		case <-died:
			shown.print("")
			return fmt.Errorf("the platform did not start; see %s", c.Log("stack"))
		case <-ctx.Done():
			return errors.Join(errors.New("interrupted"), stop(context.WithoutCancel(ctx), c))
		case <-time.After(100 * time.Millisecond):
		}
		shown.print("")
		s, err := platform.ReadState(c.Instance)
		if err != nil || s.PID != child.Process.Pid {
			continue
		}
		switch {
		case s.Phase == platform.Ready:
			return nil
		case s.Phase == platform.Rising && rising.IsZero():
			rising = time.Now()
		case !rising.IsZero() && time.Since(rising) > slowest:
			explain(s)
			return errors.Join(fmt.Errorf("not ready after %s", slowest), stop(ctx, c))
		}
	}
}

func detach(c command) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Path("logs"), 0o755); err != nil {
		return nil, err
	}
	out, err := os.Create(c.Log("stack"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	args := []string{"run", "--instance", c.Name, "--offset", fmt.Sprint(c.Offset)}
	if c.InfraOnly {
		args = append(args, "--infra")
	}
	if c.Race {
		args = append(args, "--race")
	}
	if len(c.Replicas) > 0 {
		args = append(args, "--replicas", c.Replicas.String())
	}
	if c.Components != "" {
		args = append(args, "--components", c.Components)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.Root, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}

// explain shows the ends of the logs of what is not well.
func explain(s platform.State) {
	for _, p := range s.Processes {
		if p.State != proc.Running {
			fmt.Printf("\n%s is %s; the end of %s:\n%s", p.Name, p.State, p.Log, proc.Tail(p.Log, 1500))
		}
	}
}

// stop ends the supervisor, which stops what it started.
func stop(_ context.Context, c command) error {
	pid := platform.Supervisor(c.Instance)
	if pid == 0 || !proc.Exists(pid) {
		// Its supervisor may have been killed in a way that left something behind.
		n, err := proc.EndLeftovers(c.Dir())
		if n > 0 {
			fmt.Printf("ended %d processes that an earlier run left behind\n", n)
		} else if err == nil {
			fmt.Println("the platform does not run")
		}
		return err
	}
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop pid %d: %w", pid, err)
	}
	for platform.Supervisor(c.Instance) == pid {
		if time.Since(began) > 30*time.Second {
			return fmt.Errorf("pid %d does not stop; see %s", pid, c.Log("stack"))
		}
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Printf("stopped in %.1fs; the data stays in %s\n", time.Since(began).Seconds(), c.Dir())
	return nil
}
