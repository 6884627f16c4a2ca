// Package kubernetes runs the platform in a real Kubernetes of one node, and makes trouble there. `make kube-test` runs
// it. `make test` only has an API server check the manifests, where one has been built.
package kubernetes

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	overlay   = "deploy/kubernetes/overlays/local"
	namespace = "sidecart"

	whole  = "KUBE_TEST" // set by `make kube-test`; "all" adds scenarios
	inNode = "KUBE_NODE" // the repository, set for the part of the test that runs in the node
)

// TestManifests: the real API server, with Dapr's types, accepts both overlays.
func TestManifests(t *testing.T) {
	if os.Getenv(inNode) != "" {
		t.Skip("not in the node")
	}
	out, err := stack(t.Context(), t, "validate", overlay, "deploy/kubernetes/overlays/production").CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == unavailable {
		t.Skip(string(out))
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

const unavailable = 75 // the exit code of `stack kube validate` on a machine that cannot

// TestPlatform starts a cluster, applies the local overlay, runs TestInNode in the node, and leaves nothing.
func TestPlatform(t *testing.T) {
	if os.Getenv(whole) == "" || os.Getenv(inNode) != "" {
		t.Skip(whole + " is not set: it takes minutes, and `make kube-test` runs it")
	}
	ctx, cancel := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	began := time.Now()
	step := func(what string) { t.Logf("after %s: %s", time.Since(began).Round(time.Second), what) }
	must(t, visible(stack(ctx, t, "stop")))
	before := machine(t)
	stopped := false
	stop := func() {
		if !stopped { // also when a test fails or is interrupted
			stopped = true
			must(t, visible(stack(context.WithoutCancel(ctx), t, "stop")))
		}
	}
	defer stop()

	must(t, visible(stack(ctx, t, "start")))
	step("the cluster runs, with Dapr")
	must(t, visible(stack(ctx, t, "apply", overlay)))
	if os.Getenv(whole) == "all" {
		must(t, visible(stack(ctx, t, "load", "sidecart/seed:dev"))) // of a job of TestInNode
	}
	step("the overlay is applied")
	self, err := os.Executable()
	must(t, err)
	inside := stack(ctx, t, "enter", self, "-test.run", "^TestInNode$", "-test.v", "-test.timeout", "30m")
	inside.Env = append(os.Environ(), inNode+"="+root(t))
	if err := visible(inside); err != nil {
		t.Errorf("the tests in the node: %v; logs of the pods are above, those of the node in .sidecart/kube/node/logs", err)
	}
	step("the tests in the node have ended")
	node := theNode(t)
	stop()
	step("the cluster is stopped")
	nothingLeft(t, before, node)
}

func root(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv(inNode); dir != "" {
		return dir
	}
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	must(t, err)
	return dir
}

// stack is a command of `stack kube`.
func stack(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	dir := root(t)
	cmd := exec.CommandContext(ctx, filepath.Join(dir, ".sidecart", "bin", "stack"), append([]string{"kube"}, args...)...)
	cmd.Dir = dir
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, time.Minute
	return cmd
}

// visible runs a command whose output the user sees meanwhile.
func visible(cmd *exec.Cmd) error {
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// kubectl runs kubectl in the node, and returns its output.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "kubectl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
