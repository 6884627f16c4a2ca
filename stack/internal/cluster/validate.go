package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"gopkg.in/yaml.v3"

	"sidecart/stack/internal/program"
)

// ErrUnavailable means that this machine cannot validate, which is no error of the manifests.
var ErrUnavailable = errors.New("an API server is not available here")

// apiNode is the folder of a node that only has the API server.
const apiNode = "api"

// Validate has a real API server check folders of kustomize, with Dapr's types: etcd and the API server start, without
// a node. It builds nothing: it fails with ErrUnavailable where the programs have not been built.
func (c *Cluster) Validate(ctx context.Context, dirs []string) (err error) {
	c.node, c.serverOnly = apiNode, true
	if err := Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var built bool
	if c.kube, built = program.BuiltKubernetes(c.Instance); !built || !isFile(c.Path("chart", "Chart.yaml")) {
		return fmt.Errorf("%w: its programs have not been built; make kube-test builds them", ErrUnavailable)
	}
	// The links are those of this folder, also when it was copied.
	if err := errors.Join(c.linkPrograms(), c.Stop()); err != nil { // Stop removes what a killed one left behind
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	crds := c.Path("chart", "crds")
	for _, step := range []func(context.Context) error{c.configure, c.startNode, c.awaitAPI, func(ctx context.Context) error {
		return c.quiet(ctx, "kubectl", "apply", "--server-side", "-f", crds)
	}} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for _, dir := range dirs {
		if err := c.validate(ctx, dir); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		c.log.Printf("%s: the API server accepts it", dir)
	}
	return nil
}

// validate applies the namespaces of a folder, because the server looks for them, and has it check the rest.
func (c *Cluster) validate(ctx context.Context, dir string) error {
	text, err := c.output(ctx, "kubectl", "kustomize", dir)
	if err != nil {
		return err
	}
	namespaces, rest, err := separate(text)
	if err != nil {
		return err
	}
	if err := c.apply(ctx, "namespaces.yaml", namespaces); err != nil {
		return err
	}
	return c.apply(ctx, "rest.yaml", rest, "--dry-run=server", "--validate=strict")
}

func (c *Cluster) apply(ctx context.Context, name string, text []byte, args ...string) error {
	if len(text) == 0 {
		return nil
	}
	if err := os.WriteFile(c.etc(name), text, 0o600); err != nil {
		return err
	}
	return c.quiet(ctx, "kubectl", append([]string{"apply", "-f", c.etc(name)}, args...)...)
}

// separate returns the namespaces of manifests, and the other resources whose types the server has: it lacks those of
// Prometheus' operator.
func separate(text string) (namespaces, rest []byte, err error) {
	for document := range strings.SplitSeq(text, "\n---\n") {
		var head struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
		}
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			return nil, nil, err
		}
		switch {
		case head.Kind == "Namespace":
			namespaces = fmt.Appendf(namespaces, "%s\n---\n", document)
		case !strings.HasPrefix(head.APIVersion, "monitoring.coreos.com/"):
			rest = fmt.Appendf(rest, "%s\n---\n", document)
		}
	}
	return namespaces, rest, nil
}
