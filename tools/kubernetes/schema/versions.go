package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The versions whose schemas are made, beside the Dapr that tools/dapr pins. Kubernetes is that of `make kube-test`.
const (
	kubernetes         = "v1.34.4"
	prometheusOperator = "v0.85.0"
)

// Versions are the modules that the schemas come from. dapr is a version without "v".
func Versions(dapr string) map[string]string {
	return map[string]string{
		"k8s.io/kubernetes": kubernetes, "github.com/dapr/dapr": "v" + dapr,
		"github.com/prometheus-operator/prometheus-operator": prometheusOperator,
	}
}

// VersionsFile has the versions of the schemas beside it.
const VersionsFile = "versions.json"

// Make makes the schemas of kinds, by file. It downloads the modules that Go's cache does not have.
func Make(kinds []Kind, dapr string) (map[string][]byte, error) {
	dirs := map[string]string{}
	for module, version := range Versions(dapr) {
		dir, err := download(module + "@" + version)
		if err != nil {
			return nil, err
		}
		dirs[module] = dir
	}
	swagger, err := os.ReadFile(filepath.Join(dirs["k8s.io/kubernetes"], "api", "openapi-spec", "swagger.json"))
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(slices.Clone(kinds), custom)
	files, err := FromSwagger(swagger, own)
	if err != nil {
		return nil, err
	}
	definitions, err := customResources(dirs)
	if err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		if !custom(kind) {
			continue
		}
		if files[kind.File()] = definitions[kind.File()]; files[kind.File()] == nil {
			return nil, fmt.Errorf("no definition of %s %s", kind.Version, kind.Name)
		}
	}
	versions, err := json.MarshalIndent(Versions(dapr), "", "  ")
	files[VersionsFile] = append(versions, '\n')
	return files, err
}

// custom reports whether a kind is defined by a resource: its group is a domain that is not Kubernetes' own.
func custom(k Kind) bool {
	group, _, _ := strings.Cut(k.Version, "/")
	return strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io")
}

func customResources(dirs map[string]string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for module, pattern := range map[string]string{
		"github.com/dapr/dapr":                               "charts/dapr/crds/*.yaml",
		"github.com/prometheus-operator/prometheus-operator": "example/prometheus-operator-crd/*_servicemonitors.yaml",
	} {
		paths, err := filepath.Glob(filepath.Join(dirs[module], pattern))
		if err != nil || len(paths) == 0 {
			return nil, errors.Join(fmt.Errorf("%s has no %s", module, pattern), err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path) //nolint:gosec // of a module
			if err != nil {
				return nil, err
			}
			made, err := FromCRD(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			maps.Copy(files, made)
		}
	}
	return files, nil
}

var directory = regexp.MustCompile(`"Dir": "([^"]+)"`)

// download returns the folder of a module.
func download(module string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = os.TempDir() // outside of every module and workspace
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	found := directory.FindSubmatch(out)
	if err != nil || found == nil {
		return "", fmt.Errorf("%s cannot be downloaded: %w\n%s", module, err, out)
	}
	return string(found[1]), nil
}
