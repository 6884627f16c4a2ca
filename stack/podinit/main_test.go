package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// role makes this test program something else: podinit itself, a service or a sidecar.
const role = "PODINIT_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "podinit":
		_ = os.Unsetenv(role)
		serviceGrace, sidecarGrace = time.Second, time.Second
		// Orphans come to this process, as they do to the first process of a container.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			panic(err)
		}
		main()
	}
}

// podinit is a running podinit, with what it and its children print.
type podinit struct {
	t   *testing.T
	cmd *exec.Cmd
	mu  sync.Mutex
	out bytes.Buffer
}

func (p *podinit) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(text)
}

func (p *podinit) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start starts podinit with an environment of its own.
func startPodinit(t *testing.T, env []string, args ...string) *podinit {
	t.Helper()
	p := &podinit{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], args...)}
	p.cmd.Env = append([]string{role + "=podinit", "PATH=" + os.Getenv("PATH")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// runPodinit runs podinit to its end.
func runPodinit(t *testing.T, env []string, args ...string) (output string, status int) {
	t.Helper()
	p := startPodinit(t, env, args...)
	status = p.wait()
	return p.output(), status
}

func (p *podinit) wait() (status int) {
	p.t.Helper()
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// await waits until the output has a text.
func (p *podinit) await(text string) {
	p.t.Helper()
	eventually(p.t, func() error {
		if !strings.Contains(p.output(), text) {
			return fmt.Errorf("no %q in:\n%s", text, p.output())
		}
		return nil
	})
}

func (p *podinit) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
