package program

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/progress"
)

// Kubernetes has the paths of the programs of a cluster. Node is kube-apiserver, kube-controller-manager,
// kube-scheduler, kubelet, kube-proxy and kubectl: the name by which it is started says which.
type Kubernetes struct {
	Node, CoreDNS, Pause, Helm string
	Operator, Injector         string // of Dapr
}

const kubeModule = "kube"

// BuiltKubernetes returns the programs, and whether they are up to date.
func BuiltKubernetes(i instance.Instance) (Kubernetes, bool) {
	k := kubernetesIn(i.Bin())
	return k, k.target().upToDate(i) && k.daprTarget().upToDate(i)
}

// EnsureKubernetes builds the pinned programs, once.
func EnsureKubernetes(ctx context.Context, i instance.Instance, log *progress.Log) (Kubernetes, error) {
	k := kubernetesIn(i.Bin())
	err := k.target().ensure(i, func() error {
		log.Printf("building Kubernetes, once: about 15 minutes on two free cores, and 3.5 GB of Go's build cache")
		return k.build(ctx, i, log)
	})
	if err != nil {
		return k, err
	}
	return k, k.daprTarget().ensure(i, func() error {
		return log.Step("building operator and injector", "the cluster", func() error {
			return build(ctx, i, daprModule, i.Bin()+"/", "-tags", "allcomponents",
				"-ldflags", "-s -w -X "+daprPackage+"/pkg/buildinfo.version="+DaprVersion,
				daprPackage+"/cmd/operator", daprPackage+"/cmd/injector")
		})
	})
}

func (k Kubernetes) build(ctx context.Context, i instance.Instance, log *progress.Log) error {
	flags, err := versionFlags(ctx, i)
	if err != nil {
		return err
	}
	for _, p := range []struct{ path, flags, source string }{
		{k.Node, flags, "sidecart/tools/kube/node"},
		{k.CoreDNS, "", "sidecart/tools/kube/coredns"},
		{k.Helm, "", "helm.sh/helm/v3/cmd/helm"},
		{k.Pause, "", "sidecart/tools/kube/pause"},
	} {
		err := log.Step("building "+filepath.Base(p.path), "the cluster", func() error {
			return build(ctx, i, kubeModule, p.path, "-ldflags", "-s -w"+p.flags, p.source)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// versionFlags are the linker's flags that give the programs their version, which is v0.0.0 otherwise.
func versionFlags(ctx context.Context, i instance.Instance) (flags string, err error) {
	version, err := goTool(ctx, i, kubeModule, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	numbers := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(numbers) != 3 {
		return "", fmt.Errorf("tools/kube requires Kubernetes %s, which is no release", version)
	}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s "+
			"-X %[1]s.gitTreeState=clean -X %[1]s.gitCommit=module", pkg, version, numbers[0], numbers[1])
	}
	return flags, nil
}

// CopyDaprChart copies the Helm chart of the pinned Dapr, with its CRDs.
func CopyDaprChart(ctx context.Context, i instance.Instance, to string) error {
	if _, err := goTool(ctx, i, daprModule, "mod", "download", daprPackage); err != nil {
		return err
	}
	dir, err := goTool(ctx, i, daprModule, "list", "-m", "-f", "{{.Dir}}", daprPackage)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(filepath.Join(dir, "charts", "dapr")))
}

// BuildStatic builds packages of the workspace without cgo, for containers.
func BuildStatic(ctx context.Context, i instance.Instance, out string, packages ...string) error {
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", out + "/"}, packages...)
	_, err := Go(ctx, i.Root, []string{"CGO_ENABLED=0"}, args...)
	return err
}

func kubernetesIn(dir string) Kubernetes {
	in := func(name string) string { return filepath.Join(dir, name) }
	return Kubernetes{
		Node: in("kube-node"), CoreDNS: in("coredns"), Pause: in("pause"), Helm: in("helm"),
		Operator: in("operator"), Injector: in("injector"),
	}
}

func (k Kubernetes) target() target {
	return target{module: kubeModule, name: kubeModule, programs: []string{k.Node, k.CoreDNS, k.Pause, k.Helm}}
}

func (k Kubernetes) daprTarget() target {
	return target{module: daprModule, name: "dapr.kubernetes", programs: []string{k.Operator, k.Injector}}
}
