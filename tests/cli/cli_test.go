// Package cli_test proves that Dapr's own CLI runs the platform: it starts the services from dapr/dapr.yaml, and
// the README's first order is paid.
package cli_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

func TestDaprCLI(t *testing.T) {
	if testing.Short() {
		t.Skip("-short is set: this test starts a whole platform")
	}
	infra, err := platform.Start("cli", 11000, "--infra")
	if err != nil {
		t.Fatal(err)
	}
	stop := stopper(t, infra)
	run := daprRun(t, infra)
	url := fmt.Sprintf("http://127.0.0.1:%d", 8000+infra.Offset)
	platform.Eventually(t, 5*time.Minute, func() error { // it compiles the services
		if run.exited() {
			t.Fatalf("dapr run exited:\n%s", run.output(t))
		}
		return healthy(t.Context(), url+"/health/services")
	})
	firstOrder(t, infra.Root, url)
	checkAccess(t, infra)
	run.interrupt(t)
	stop()
	if err := platform.NoProcesses(infra.Dir); err != nil {
		t.Error(err)
	}
}

// checkAccess: the sidecars of the CLI have the certificates and access lists of `make run`.
func checkAccess(t *testing.T, p *platform.Platform) {
	t.Helper()
	env, err := os.ReadFile(filepath.Join(p.Dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(env), "DAPR_API_TOKEN=")
	token, _, _ := strings.Cut(rest, "\n")
	sidecar := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", 3504+p.Offset)}
	res, err := sidecar.Do(t.Context(), "PUT /reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", client.Raw(`{}`), "dapr-app-id", "products", "dapr-api-token", token)
	if err != nil || res.Status != 403 {
		t.Errorf("notifications could reserve: %v %d %s", err, res.Status, res.Body)
	}
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", 20401+p.Offset), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // any client
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // of a test
	if _, err := conn.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("a sidecar accepts a client without a certificate: %v", err)
	}
}

func stopper(t *testing.T, p *platform.Platform) func() {
	t.Helper()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// running is a running `dapr run -f`.
type running struct {
	cmd  *exec.Cmd
	log  string
	over chan struct{}
}

// daprRun starts the platform as documented: it reads the environment of `make infra`, then calls `dapr run -f`.
func daprRun(t *testing.T, p *platform.Platform) running {
	t.Helper()
	cli := tool(t, p)
	r := running{log: filepath.Join(p.Dir, "dapr-run.log"), over: make(chan struct{})}
	out, err := os.Create(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	r.cmd = exec.Command("sh", "-c", `. "$1" && exec "$2" run -f "$3"`, "sh", //nolint:noctx // it is interrupted
		filepath.Join(p.Dir, "env"), cli, filepath.Join(p.Dir, "dapr", "dapr.yaml"))
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = p.Root, out, out
	r.cmd.Env = append(os.Environ(),
		"SIDECART_INSTANCE="+p.Dir, // to find processes that it leaves behind
		"GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -race -gcflags=golang.org/x/crypto/blowfish=-race=false")) // these packages are compiled already
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := platform.StartBound(r.cmd); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.over)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
		if t.Failed() {
			t.Logf("output of dapr run:\n%s", r.output(t))
		}
	})
	return r
}

// tool returns the pinned CLI.
func tool(t *testing.T, p *platform.Platform) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.Root, ".sidecart", "bin", "stack"), "tools", "cli")
	cmd.Dir, cmd.Stderr = p.Root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build the Dapr CLI: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func (r running) exited() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

func (r running) output(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// interrupt is Ctrl-C in its terminal, which signals the CLI and all its children.
func (r running) interrupt(t *testing.T) {
	t.Helper()
	group := -r.cmd.Process.Pid
	if err := syscall.Kill(group, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	platform.Eventually(t, 20*time.Second, func() error {
		if err := syscall.Kill(group, 0); !errors.Is(err, syscall.ESRCH) {
			return errors.New("a process of dapr run still runs")
		}
		return nil
	})
}

func healthy(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}
