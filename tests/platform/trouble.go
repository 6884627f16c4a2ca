package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Kill kills a process as a crash would. The supervisor restarts it; see KillAndWait.
func (p *Platform) Kill(t *testing.T, name string) {
	t.Helper()
	pid := p.Process(name).PID
	if pid == 0 {
		t.Fatalf("%s does not run", name)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %s, pid %d: %v", name, pid, err)
	}
}

// KillAndWait kills a process, and returns when it runs again.
func (p *Platform) KillAndWait(t *testing.T, name string) {
	t.Helper()
	before := p.Process(name)
	p.Kill(t, name)
	Eventually(t, 30*time.Second, func() error {
		now := p.Process(name)
		if now.State != "running" || now.PID == before.PID || now.Restarts <= before.Restarts {
			return fmt.Errorf("%s is %+v", name, now)
		}
		return nil
	})
}

// PowerCut kills all processes, the supervisor first, and starts the platform again. It returns the time until it was
// healthy.
func (p *Platform) PowerCut(t *testing.T) time.Duration {
	t.Helper()
	before, err := p.State()
	if err != nil {
		t.Fatal(err)
	}
	pids := []int{before.PID}
	for _, q := range before.Processes {
		pids = append(pids, q.PID)
	}
	for _, pid := range pids {
		if pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // the kernel may have killed it with the supervisor
		}
	}
	<-p.over
	began := time.Now()
	if err := errors.Join(p.launch(), p.awaitReady()); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// Command is a stack command for this platform.
func (p *Platform) Command(ctx context.Context, args ...string) *exec.Cmd {
	all := append([]string{args[0], "--instance", p.Name, "--offset", strconv.Itoa(p.Offset)}, args[1:]...)
	cmd := exec.CommandContext(ctx, p.program(), all...)
	cmd.Dir = p.Root
	return cmd
}

// Beside starts another platform on the same ports, which must fail.
func (p *Platform) Beside(ctx context.Context, name string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.program(), "run", "--instance", name, "--offset", strconv.Itoa(p.Offset))
	cmd.Dir = p.Root
	return cmd
}

// StopUntil keeps processes down until the returned function is called, or the test ends. Both return when the
// processes are down, and up.
func (p *Platform) StopUntil(t *testing.T, names ...string) (back func()) {
	t.Helper()
	released := false
	back = func() {
		t.Helper()
		if released {
			return
		}
		released = true
		if out, err := p.stack(append([]string{"release"}, names...)...).CombinedOutput(); err != nil {
			t.Errorf("release %v: %v\n%s", names, err, out)
		}
	}
	t.Cleanup(back)
	if out, err := p.stack(append([]string{"hold"}, names...)...).CombinedOutput(); err != nil {
		t.Fatalf("hold %v: %v\n%s", names, err, out)
	}
	return back
}

// Pause stops a process and its children without ending them (SIGSTOP), as a machine that hangs does, until the
// returned function is called or the test ends.
func (p *Platform) Pause(t *testing.T, name string) (resume func()) {
	t.Helper()
	pid := p.Process(name).PID
	if pid == 0 { // which would signal this test's own group
		t.Fatalf("%s does not run", name)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("pause %s, pid %d: %v", name, pid, err)
	}
	all := append(children(pid), pid)
	for _, child := range all {
		_ = syscall.Kill(child, syscall.SIGSTOP) // it may have exited
	}
	resume = func() {
		for _, pid := range all {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
	t.Cleanup(resume)
	return resume
}

// children are the child processes of a process: Postgres has one for each connection.
func children(pid int) (all []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path) // empty if it has exited
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			all = append(all, child)
		}
	}
	return all
}

// Restarts is how often the supervisor has restarted a process.
func (p *Platform) Restarts(name string) int { return p.Process(name).Restarts }

// LogTail is the end of a process's log.
func (p *Platform) LogTail(name string) string { return tail(p.Process(name).Log, 3000) }

// LogsOnFailure shows the ends of the processes' logs if the test fails.
func (p *Platform) LogsOnFailure(t *testing.T, names ...string) {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, name := range names {
			t.Logf("the end of the log of %s:\n%s", name, p.LogTail(name))
		}
	})
}

// Eventually calls fn until it has no error, and fails the test when it still has one at the deadline.
func Eventually(t *testing.T, within time.Duration, fn func() error) {
	t.Helper()
	wait := 10 * time.Millisecond
	var err error
	for began := time.Now(); ; time.Sleep(wait) {
		if err = fn(); err == nil {
			return
		}
		if time.Since(began) > within {
			t.Fatalf("not within %s: %v", within, err)
		}
		wait = min(wait*3/2, 250*time.Millisecond)
	}
}

// NoProcesses fails when a process of the platform still runs, found by the environment variable of the stack.
func NoProcesses(dir string) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err == nil && containsVar(env, "SIDECART_INSTANCE="+dir) {
			line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
			errs = append(errs, fmt.Errorf("pid %s is left: %q", e.Name(), line))
		}
	}
	return errors.Join(errs...)
}

func containsVar(env []byte, want string) bool {
	start := 0
	for i, b := range env {
		if b == 0 {
			if string(env[start:i]) == want {
				return true
			}
			start = i + 1
		}
	}
	return false
}
