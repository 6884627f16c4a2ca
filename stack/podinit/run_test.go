package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// pod are the programs of a pod and their secrets, in a folder.
type pod struct{ dir string }

// newPod writes a service and a sidecar. Each is a script that prints its pid, runs what it is given, and waits.
func newPod(t *testing.T, service, sidecar string) pod {
	t.Helper()
	p := pod{t.TempDir()}
	for name, body := range map[string]string{"service": service, "sidecar": sidecar} {
		script := fmt.Sprintf("#!/bin/sh\ntrap 'echo %s stops; sleep 0.2; echo %[1]s ended; exit 0' TERM\n"+
			"%s\necho %[1]s runs as $$.\nwhile :; do sleep 0.02; done\n", name, body)
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(script), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	p.makeSecrets(t)
	return p
}

func (p pod) secrets() string { return filepath.Join(p.dir, "secrets", "orders") }

func (p pod) makeSecrets(t *testing.T) {
	t.Helper()
	if out, status := runPodinit(t, nil, "secrets", "-dir", filepath.Join(p.dir, "secrets")); status != 0 {
		t.Fatal(out)
	}
}

func (p pod) run(t *testing.T, env ...string) *podinit {
	t.Helper()
	return startPodinit(t, env, "run", "-dir", p.secrets(), "-app", filepath.Join(p.dir, "service"), "--",
		filepath.Join(p.dir, "sidecar"), "--placement-host-address", "127.0.0.1:50005")
}

// pid waits until a program of the pod runs.
func (p *podinit) pid(name string) int {
	p.t.Helper()
	p.await(name + " runs as ")
	found := regexp.MustCompile(name + ` runs as (\d+)\.`).FindStringSubmatch(p.output())
	if found == nil {
		p.t.Fatal(p.output())
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// TestRunStopsTheServiceFirst: the service finishes its requests while its sidecar still runs.
func TestRunStopsTheServiceFirst(t *testing.T) {
	p := newPod(t, "", "").run(t)
	p.pid("service")
	p.pid("sidecar")
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("status %d after SIGTERM:\n%s", status, p.output())
	}
	var order []string
	for line := range strings.Lines(p.output()) {
		if !strings.Contains(line, "runs as") {
			order = append(order, strings.TrimSpace(line))
		}
	}
	if want := []string{"service stops", "service ended", "sidecar stops", "sidecar ended"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
}

// TestRunEndsAsAWhole: when one of the two ends, however, the other is stopped and the container fails.
func TestRunEndsAsAWhole(t *testing.T) {
	for _, tt := range []struct {
		ends, other string
		body        string // how it ends by itself; else it is killed
		status      int
	}{
		{"service", "sidecar", "", 137},
		{"sidecar", "service", "", 137},
		{"service", "sidecar", "sleep 0.3; exit 0", 1},
		{"sidecar", "service", "sleep 0.3; exit 3", 3},
	} {
		t.Run(tt.ends+tt.body, func(t *testing.T) {
			bodies := map[string]string{tt.ends: tt.body}
			p := newPod(t, bodies["service"], bodies["sidecar"]).run(t)
			p.pid(tt.other)
			if tt.body == "" {
				if err := syscall.Kill(p.pid(tt.ends), syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			status := p.wait()
			for _, want := range []string{tt.other + " ended\n", fmt.Sprintf("the %s ended with status", tt.ends)} {
				if !strings.Contains(p.output(), want) {
					t.Errorf("no %q", want)
				}
			}
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if t.Failed() {
				t.Log(p.output())
			}
		})
	}
}

func TestRunKillsWhatDoesNotStop(t *testing.T) {
	p := newPod(t, "trap '' TERM", "trap '' TERM").run(t)
	service, sidecar := p.pid("service"), p.pid("sidecar")
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 || !strings.Contains(p.output(), "the service did not stop within 1s and is killed") {
		t.Errorf("%d %s", status, p.output())
	}
	for _, pid := range []int{service, sidecar} {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("%d is left", pid)
		}
	}
}

// TestRunLeavesNoZombies: the first process of a container is the parent of all orphans.
func TestRunLeavesNoZombies(t *testing.T) {
	p := newPod(t, "for n in 1 2 3; do (sleep 0.1 & echo orphan $!. ) ; done", "").run(t)
	p.pid("service")
	orphans := regexp.MustCompile(`orphan (\d+)\.`).FindAllStringSubmatch(p.output(), -1)
	if len(orphans) != 3 {
		t.Fatal(p.output())
	}
	for _, orphan := range orphans {
		eventually(t, func() error {
			text, err := os.ReadFile(filepath.Join("/proc", orphan[1], "stat"))
			if err == nil {
				return fmt.Errorf("%s", text)
			}
			return nil
		})
	}
	p.signal(syscall.SIGTERM)
	p.wait()
}

// TestRunSeparatesTheEnvironments: each process has what it needs and no token of the other.
func TestRunSeparatesTheEnvironments(t *testing.T) {
	p := newPod(t, "env | sed 's/^/service: /'", "env | sed 's/^/sidecar: /'")
	running := p.run(t, "APP_PORT=8003")
	running.pid("service")
	running.pid("sidecar")
	running.signal(syscall.SIGTERM)
	running.wait()
	for want, there := range map[string]bool{
		"service: DAPR_API_TOKEN_FILE=" + p.secrets() + "/dapr-token":        true,
		"service: APP_API_TOKEN_FILE=" + p.secrets() + "/app-token":          true,
		"service: APP_PORT=8003\n":                                           true,
		"service: DAPR_SENTRY":                                               false,
		"service: APP_API_TOKEN=":                                            false,
		"service: DAPR_API_TOKEN=":                                           false,
		"sidecar: NAMESPACE=default\n":                                       true,
		"sidecar: DAPR_HOST_IP=127.0.0.1\n":                                  true,
		"sidecar: DAPR_SENTRY_TOKEN_FILE=" + p.secrets() + "/sentry-token\n": true,
		"sidecar: DAPR_TRUST_ANCHORS=-----BEGIN CERTIFICATE-----\n":          true,
		"sidecar: OTEL_TRACES_SAMPLER_ARG=0\n":                               true,
	} {
		if strings.Contains(running.output(), want) != there {
			t.Errorf("%q: %t", want, !there)
		}
	}
	for _, token := range []string{"app", "dapr"} {
		text, err := os.ReadFile(filepath.Join(p.secrets(), token+"-token"))
		if want := fmt.Sprintf("sidecar: %s_API_TOKEN=%s\n", strings.ToUpper(token), text); err != nil || !strings.Contains(running.output(), want) {
			t.Errorf("no %s (%v)", want, err)
		}
	}
}

func TestRunWithoutAProgram(t *testing.T) {
	p := newPod(t, "", "")
	for _, tt := range []struct{ app, sidecar, want string }{
		{filepath.Join(p.dir, "none"), filepath.Join(p.dir, "sidecar"), "none: no such file"},
		{filepath.Join(p.dir, "service"), filepath.Join(p.dir, "none"), "none: no such file"},
	} {
		out, status := runPodinit(t, nil, "run", "-dir", p.secrets(), "-app", tt.app, "--", tt.sidecar, "--placement-host-address=127.0.0.1:1")
		if status != 1 || !strings.Contains(out, tt.want) || strings.Contains(out, "service runs") {
			t.Errorf("%d %s", status, out)
		}
	}
}
