package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func (p pod) sidecar(t *testing.T, env []string, args ...string) *podinit {
	t.Helper()
	all := append([]string{"sidecar", "-dir", p.secrets(), "--", filepath.Join(p.dir, "sidecar")}, args...)
	return startPodinit(t, env, all...)
}

// TestSidecarWaitsForItsSecrets: containers start in any order.
func TestSidecarWaitsForItsSecrets(t *testing.T) {
	p := newPod(t, "", "env; echo with $@")
	token := filepath.Join(p.secrets(), "sentry-token")
	if err := os.Rename(token, token+"-later"); err != nil {
		t.Fatal(err)
	}
	s := p.sidecar(t, nil, "--app-id", "orders", "--placement-host-address=localhost:50005")
	s.await("sentry-token: no such file or directory (`podinit secrets` makes it: `make secrets`, or the composition's")
	if err := os.Rename(token+"-later", token); err != nil {
		t.Fatal(err)
	}
	if pid := s.pid("sidecar"); pid != s.cmd.Process.Pid {
		t.Errorf("the sidecar has pid %d, not podinit's %d: it gets no signals", pid, s.cmd.Process.Pid)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
	for _, want := range []string{"DAPR_HOST_IP=127.0.0.1\n", "with --app-id orders --placement-host-address=localhost:50005\n"} {
		if !strings.Contains(s.output(), want) {
			t.Errorf("no %q in\n%s", want, s.output())
		}
	}
}

// TestSidecarWaitsForPlacement: its name is not known before its container runs. SIGTERM ends the waiting, also of the
// first process of a container, which has no default for it.
func TestSidecarWaitsForPlacement(t *testing.T) {
	s := newPod(t, "", "").sidecar(t, nil, "--placement-host-address", "placement.invalid:50005,other:1")
	s.await("is the container of placement running, and on a network of this one?")
	s.signal(syscall.SIGTERM)
	if status := s.wait(); status != 1 || strings.Contains(s.output(), "sidecar runs") {
		t.Errorf("%d %s", status, s.output())
	}
}

func TestSidecarAddress(t *testing.T) {
	p := newPod(t, "", "echo address $DAPR_HOST_IP")
	given := p.sidecar(t, []string{"DAPR_HOST_IP=10.1.2.3"})
	given.await("address 10.1.2.3\n")
	given.signal(syscall.SIGKILL)
	given.wait()
	none := p.sidecar(t, nil, "--app-id", "orders")
	if status := none.wait(); status != 1 || !strings.Contains(none.output(), "no --placement-host-address among the sidecar's arguments") {
		t.Errorf("%d %s", status, none.output())
	}
}

func TestNetworkEndsBySignal(t *testing.T) {
	p := startPodinit(t, nil, "network")
	p.await("holding the network")
	p.signal(syscall.SIGINT)
	if status := p.wait(); status != 0 {
		t.Errorf("%d %s", status, p.output())
	}
}

// TestCopy: the copy runs, also over one that is running.
func TestCopy(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if out, status := runPodinit(t, nil, "copy", dir); status != 0 {
			t.Fatal(out)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	info, err := os.Stat(filepath.Join(dir, "podinit"))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Fatalf("%v %v", info, err)
	}
	if out, status := runPodinit(t, nil, "copy", filepath.Join(dir, "none")); status != 1 || !strings.Contains(out, "no such file") {
		t.Errorf("%d %s", status, out)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"destroy"}, {"secrets"}, {"secrets", "-dir", t.TempDir(), "more"}, {"network", "x"},
		{"sidecar"}, {"run"}, {"copy"}, {"secrets", "-force"}} {
		if out, status := runPodinit(t, nil, args...); status == 0 || out == "" {
			t.Errorf("podinit %v: %d %s", args, status, out)
		}
	}
}
