package cluster

import (
	"context"
	"fmt"
	"path/filepath"
)

// installDapr starts the cluster's DNS and Dapr, as the files of deploy/kubernetes/dapr say.
func (c *Cluster) installDapr(ctx context.Context) error {
	dir := filepath.Join(c.Root, "deploy", "kubernetes", "dapr")
	for _, file := range []string{c.etc("volumes.yaml"), c.etc("coredns.yaml"), filepath.Join(dir, "namespace.yaml")} {
		if err := c.quiet(ctx, "kubectl", "apply", "-f", file); err != nil {
			return err
		}
	}
	err := c.quiet(ctx, "helm", "install", "dapr", c.Path("chart"), "--namespace", daprNamespace,
		"--values", filepath.Join(dir, "values.yaml"))
	if err != nil {
		return err
	}
	for _, wait := range []struct{ namespace, object string }{
		{"kube-system", "deployment/coredns"}, {daprNamespace, "deployment/dapr-sentry"},
		{daprNamespace, "deployment/dapr-operator"}, {daprNamespace, "deployment/dapr-sidecar-injector"},
		{daprNamespace, "statefulset/dapr-placement-server"}, {daprNamespace, "statefulset/dapr-scheduler-server"},
	} {
		err := c.quiet(ctx, "kubectl", "rollout", "status", "-n", wait.namespace, wait.object, "--timeout=300s")
		if err != nil {
			pods, _ := c.output(ctx, "kubectl", "get", "pods", "-A")
			return fmt.Errorf("%w\n%s", err, pods)
		}
	}
	return nil
}

const daprNamespace = "dapr-system"
