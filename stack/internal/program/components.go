package program

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// manifest is the part of a Dapr resource that names a component.
type manifest struct {
	Kind string
	Spec struct {
		Type           string
		NameResolution struct{ Component string } `yaml:"nameResolution"`
	}
}

// componentTypes are the types of components that YAML files of the repository name, sorted: "nameresolution.sqlite",
// "state.redis".
func componentTypes(root string) ([]string, error) {
	var types []string
	for _, dir := range []string{"components", "dapr", "tests"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			found, err := typesIn(path)
			types = append(types, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}

func typesIn(path string) (types []string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for documents := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		switch err := documents.Decode(&m); {
		case errors.Is(err, io.EOF):
			return types, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		switch {
		case m.Kind == "Component":
			types = append(types, m.Spec.Type)
		case m.Kind == "Configuration" && m.Spec.NameResolution.Component != "":
			types = append(types, "nameresolution."+m.Spec.NameResolution.Component)
		}
	}
}

// unusedComponents are the files of Dapr's folder cmd/daprd/components that register none of these types. Each file
// registers one component under its names, and begins with its kind: state_postgres.go has "postgres" and "postgresql".
func unusedComponents(dir string, types []string) (files []string, err error) {
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	missing := slices.Clone(types)
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		registers := func(t string) bool { return registers(filepath.Base(path), string(text), t) }
		if !slices.ContainsFunc(types, registers) {
			files = append(files, path)
		}
		missing = slices.DeleteFunc(missing, registers)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("Dapr %s has no component of type %s", DaprVersion, strings.Join(missing, ", "))
	}
	return files, nil
}

// registers reports whether a file registers a type. A type's kind may contain a dot, as in middleware.http.
func registers(file, text, componentType string) bool {
	for n, r := range componentType {
		kind, name := componentType[:n], componentType[min(n+1, len(componentType)):]
		prefix := strings.ReplaceAll(kind, ".", "_") + "_"
		if r == '.' && strings.HasPrefix(file, prefix) && strings.Contains(text, `"`+name+`"`) {
			return true
		}
	}
	return false
}
