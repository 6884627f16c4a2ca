// Package manifest renders the files of deploy/kubernetes as `kubectl apply -k` does. Its tests compare them with the
// description of the platform and with the schemas of the pinned Kubernetes and Dapr.
package manifest

import (
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"sidecart/tools/kubernetes/schema"
)

// Directories are what users apply, from the root of the repository.
var Directories = []string{
	"deploy/kubernetes/overlays/local", "deploy/kubernetes/overlays/production", "deploy/kubernetes/monitoring", "deploy/kubernetes/seed",
}

// Resource is a resource of Kubernetes.
type Resource struct {
	schema.Kind
	Namespace, Resource string // its name is Resource
	YAML                []byte
}

// Render returns the resources of a folder with a kustomization.
func Render(root, dir string) (all []Resource, err error) {
	k := krusty.MakeKustomizer(krusty.MakeDefaultOptions())
	rendered, err := k.Run(filesys.MakeFsOnDisk(), filepath.Join(root, dir))
	if err != nil {
		return nil, err
	}
	for _, r := range rendered.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return nil, err
		}
		all = append(all, Resource{
			Kind:      schema.Kind{Version: r.GetApiVersion(), Name: r.GetKind()},
			Namespace: r.GetNamespace(), Resource: r.GetName(), YAML: text,
		})
	}
	return all, nil
}

// Kinds are the kinds of resources in all folders, sorted.
func Kinds(root string) (all []schema.Kind, err error) {
	for _, dir := range Directories {
		resources, err := Render(root, dir)
		if err != nil {
			return nil, err
		}
		for _, r := range resources {
			if !slices.Contains(all, r.Kind) {
				all = append(all, r.Kind)
			}
		}
	}
	slices.SortFunc(all, func(a, b schema.Kind) int { return strings.Compare(a.Version+a.Name, b.Version+b.Name) })
	return all, nil
}
