// Package cluster runs a Kubernetes with one node in a folder of the project, with Dapr's control plane: the programs
// are Go modules and Debian packages, the node is a set of namespaces, and nothing of the machine changes.
package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
)

// Addresses inside of the node. Its network is its own, so they cannot collide with the machine's.
const (
	nodeName    = "node1"
	NodeAddress = "10.99.0.1" // where node ports listen
	serviceNet  = "10.96.0.0/16"
	apiService  = "10.96.0.1"
	dnsService  = "10.96.0.10"
	podNet      = "10.244.0.0/24"
)

// Cluster is the cluster of a repository.
type Cluster struct {
	instance.Instance
	node string // the folder of the node: its state, which ends with it
	// serverOnly: only etcd and the API server run.
	serverOnly bool
	log        *progress.Log
	kube       program.Kubernetes
	dapr       program.Dapr
}

// New returns the cluster of a repository, which may run or not.
func New(root string, log *progress.Log) *Cluster {
	return &Cluster{Instance: instance.Instance{Root: root, Name: "kube"}, node: "node", log: log}
}

// in is a file or folder of the node.
func (c *Cluster) in(elem ...string) string { return c.Path(append([]string{c.node}, elem...)...) }

func (c *Cluster) logFile(name string) string { return c.in("logs", name+".log") }

// Prepare gets what the cluster consists of: programs, Debian's packages, Dapr's chart.
func (c *Cluster) Prepare(ctx context.Context) (err error) {
	if err := Check(); err != nil {
		return err
	}
	if err := c.unpackDebian(ctx); err != nil {
		return err
	}
	if c.kube, err = program.EnsureKubernetes(ctx, c.Instance, c.log); err != nil {
		return err
	}
	if c.dapr, err = program.EnsurePinnedDapr(ctx, c.Instance, c.log); err != nil {
		return err
	}
	if err := program.CopyDaprChart(ctx, c.Instance, c.Path("chart")); err != nil {
		return err
	}
	return c.linkPrograms()
}

// Start starts the node and Dapr, and returns when Dapr is ready. When it fails, nothing is left but the logs.
func (c *Cluster) Start(ctx context.Context) (err error) {
	if c.Running() {
		return errors.New("the cluster runs already; stop it with: make kube-stop")
	}
	if err := c.Stop(); err != nil { // what a killed one left behind
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%w\nlogs are in %s", err, c.in("logs")), c.Stop())
		}
	}()
	for _, step := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"writing certificates and configurations", c.configure},
		{"starting the node", c.startNode},
		{"waiting for the API server", c.awaitAPI},
		{"importing images of the cluster", c.loadOwnImages},
		{"waiting for the node", c.awaitNode},
		{"starting DNS and Dapr", c.installDapr},
	} {
		if err := c.log.Step(step.what, "the cluster's next step", func() error { return step.run(ctx) }); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		c.log.Printf("%s: done", step.what)
	}
	return nil
}

// awaitAPI also waits for containerd.
func (c *Cluster) awaitAPI(ctx context.Context) error {
	return eventually(ctx, 2*time.Minute, func() error {
		err := c.quiet(ctx, "kubectl", "get", "--raw", "/readyz")
		if err != nil || c.serverOnly {
			return err
		}
		return c.quiet(ctx, "ctr", "version")
	})
}

func (c *Cluster) awaitNode(ctx context.Context) error {
	return eventually(ctx, 2*time.Minute, func() error {
		return c.quiet(ctx, "kubectl", "wait", "--for=condition=Ready", "node/"+nodeName, "--timeout=5s")
	})
}

// quiet runs a command in the node; its output is part of the error.
func (c *Cluster) quiet(ctx context.Context, name string, args ...string) error {
	_, err := c.output(ctx, name, args...)
	return err
}

func (c *Cluster) output(ctx context.Context, name string, args ...string) (string, error) {
	cmd, err := c.Enter(ctx, name, args...)
	if err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, out[max(0, len(out)-2000):])
	}
	return string(out), nil
}

// Enter is a command that runs in the node, with its programs and as the cluster's administrator.
func (c *Cluster) Enter(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	pid := c.initPID()
	if pid == 0 {
		return nil, errors.New("the cluster does not run; start it with: make kube")
	}
	path, err := c.find(name)
	if err != nil {
		return nil, err
	}
	all := append([]string{"-t", fmt.Sprint(pid), "-m", "-n", "-p", "-u", "-i", "-C", "--wd=" + c.Root, "--", path}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", all...)
	cmd.Dir, cmd.Env = c.Root, append(os.Environ(), c.nodeEnv()...)
	return cmd, nil
}

// find looks for a program in the node's folders, then in the machine's.
func (c *Cluster) find(name string) (string, error) {
	for _, dir := range filepath.SplitList(c.nodePath()) {
		if path := filepath.Join(dir, name); filepath.Base(name) == name && isFile(path) {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// group is the name of the node's control groups.
func (c *Cluster) group() string {
	return fmt.Sprintf("sidecart-kube-%.4x", sha256.Sum256([]byte(c.in())))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// eventually retries until the time is over.
func eventually(ctx context.Context, within time.Duration, try func() error) error {
	for began := time.Now(); ; {
		err := try()
		if err == nil || time.Since(began) > within {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
