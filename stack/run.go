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
	return platform.Run(ctx, c.Instance, c.Options, progress.New(os.Stdout))
}

func infra(ctx context.Context, c command) error {
	c.InfraOnly = true
	return start(ctx, c)
}

// healthyTimeout is how long started services may take until all are healthy, before a start in the background fails.
const healthyTimeout = 2 * time.Minute

// start runs the platform in the background and shows its output until it is ready.
func start(ctx context.Context, c command) error {
	if err := platform.CheckStopped(c.Instance); err != nil {
		return err
	}
	child, err := detach(c)
	if err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = child.Wait() // its log has the reason
		close(exited)
	}()
	output := follower{path: c.Log("stack")}
	defer output.print()
	var starting time.Time
	for {
		select {
		case <-exited:
			return fmt.Errorf("the platform did not start; see %s", c.Log("stack"))
		case <-ctx.Done():
			return errors.Join(errors.New("interrupted"), stop(context.WithoutCancel(ctx), c))
		case <-time.After(100 * time.Millisecond):
		}
		output.print()
		s, err := platform.ReadState(c.Instance)
		if err != nil || s.PID != child.Process.Pid {
			continue
		}
		switch {
		case s.Phase == platform.Ready:
			return nil
		case s.Phase == platform.Starting && starting.IsZero():
			starting = time.Now()
		case !starting.IsZero() && time.Since(starting) > healthyTimeout:
			showLogs(s)
			return errors.Join(fmt.Errorf("not healthy after %s", healthyTimeout), stop(ctx, c))
		}
	}
}

// detach starts `stack run` with the command's options in a session of its own.
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
	cmd := exec.Command(self, "run", "--instance", c.Name, "--offset", fmt.Sprint(c.Offset),
		"--infra="+fmt.Sprint(c.InfraOnly), "--race="+fmt.Sprint(c.Race),
		"--replicas", c.Replicas.String(), "--components", c.Components)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.Root, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}

// showLogs shows the ends of the logs of processes that do not run.
func showLogs(s platform.State) {
	for _, p := range s.Processes {
		if p.State != proc.Running {
			fmt.Printf("\n%s is %s; the end of %s:\n%s", p.Name, p.State, p.Log, proc.Tail(p.Log, 1500))
		}
	}
}

// stop ends the supervisor, which stops the processes.
func stop(_ context.Context, c command) error {
	pid := platform.Supervisor(c.Instance)
	if pid == 0 || !proc.Exists(pid) {
		// A killed supervisor may have left processes behind.
		n, err := proc.EndOrphans(c.Dir())
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
