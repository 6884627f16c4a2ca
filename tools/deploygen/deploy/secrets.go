package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"
)

type component struct {
	Spec struct {
		Metadata []struct {
			SecretKeyRef struct{ Name string } `yaml:"secretKeyRef"`
		}
	}
	Scopes []string
}

// readComponentSecrets are the secrets that the components of each app's sidecar read, in containers.
func readComponentSecrets(root string) (byApp map[string][]string, err error) {
	files, err := filepath.Glob(filepath.Join(root, "components/compose/*.yaml"))
	if err != nil {
		return nil, err
	}
	byApp = map[string][]string{}
	for _, path := range files {
		text, err := os.ReadFile(path) //nolint:gosec // of the repository
		if err != nil {
			return nil, err
		}
		documents := yaml.NewDecoder(bytes.NewReader(text))
		for {
			var c component
			if err := documents.Decode(&c); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			for _, value := range c.Spec.Metadata {
				for _, app := range c.Scopes {
					if name := value.SecretKeyRef.Name; name != "" {
						byApp[app] = append(byApp[app], name)
					}
				}
			}
		}
	}
	return byApp, nil
}

// union is sorted and has each name once.
func union(lists ...[]string) []string {
	all := map[string]bool{}
	for _, list := range lists {
		for _, name := range list {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
