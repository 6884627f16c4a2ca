package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Component is a component of sidecars in containers.
type Component struct {
	File, Name, Type string
	Scopes           []string
	Values           map[string]string // its metadata, without secrets
	Text             string            // its document
}

// Resource is a file of a folder.
type Resource struct{ File, Text string }

// Components are those of components/compose, by file.
func (p Platform) Components() (all []Component, err error) {
	files, err := p.Resources("components/compose")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		for text := range strings.SplitSeq(file.Text, "\n---\n") {
			c, ok, err := readComponent(file.File, text)
			if err != nil {
				return nil, err
			}
			if ok {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// headComment is that of a document, about the composition.
var headComment = regexp.MustCompile(`^(?:#.*\n)+`)

// readComponent reads one document. It reports false for a document of another kind.
func readComponent(file, text string) (Component, bool, error) {
	var document struct {
		Kind     string
		Metadata struct{ Name string }
		Spec     struct {
			Type     string
			Metadata []struct{ Name, Value string }
		}
		Scopes []string
	}
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return Component{}, false, fmt.Errorf("%s: %w", file, err)
	}
	c := Component{
		File: file, Name: document.Metadata.Name, Type: document.Spec.Type, Scopes: document.Scopes,
		Values: map[string]string{}, Text: headComment.ReplaceAllString(text, ""),
	}
	for _, v := range document.Spec.Metadata {
		c.Values[v.Name] = v.Value
	}
	return c, document.Kind == "Component", nil
}

// Resources are the YAML files of a folder, by name.
func (p Platform) Resources(dir string) (all []Resource, err error) {
	paths, err := filepath.Glob(filepath.Join(p.root, dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s has no YAML files", dir)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path) //nolint:gosec // of the repository
		if err != nil {
			return nil, err
		}
		all = append(all, Resource{filepath.ToSlash(filepath.Join(dir, filepath.Base(path))), strings.TrimSpace(string(text))})
	}
	return all, nil
}

// Called are the apps that an app may call, by their sidecars' configurations.
func (p Platform) Called(app string) (all []string) {
	for _, a := range p.Apps {
		if slices.Contains(a.Callers, app) {
			all = append(all, a.ID)
		}
	}
	return all
}

// PeersOf are apps that a service exchanges calls with: others, and its own replicas if it has actors.
func (Platform) PeersOf(a App, others []string) []string {
	if a.Actors() {
		others = append(slices.Clone(others), a.ID)
	}
	return others
}

// KubernetesControlPlane are the pods of Dapr's chart that sidecars call, by the label app, with their ports.
func (Platform) KubernetesControlPlane() map[string]int {
	return map[string]int{
		"dapr-operator": 6500, "dapr-sentry": sentryPort, "dapr-placement-server": placementPort,
		"dapr-scheduler-server": schedulerPort,
	}
}

// LocalSettings are the settings of `make run`, each once, without what follows from the topology.
func (p Platform) LocalSettings() (all []Variable) {
	for _, a := range p.Apps {
		for _, v := range a.LocalEnv {
			if !slices.Contains(fixed, v.Name) && !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	return all
}

// FirstReader reports whether no app before this one reads the setting.
func (p Platform) FirstReader(app, setting string) bool {
	for _, a := range p.Apps {
		if a.Reads(setting) {
			return a.ID == app
		}
	}
	return false
}

// KubernetesNamespace is the namespace of the platform in a cluster, a part of the names in certificates.
const KubernetesNamespace = "sidecart"

// KubernetesNamespace is the namespace of the platform in a cluster.
func (Platform) KubernetesNamespace() string { return KubernetesNamespace }

// KubernetesConfiguration is the configuration of an app's sidecar as Kubernetes takes it. The certificate authority
// and name resolution are those of the cluster, callers are in the platform's namespace, and a sampling rate is a
// number, since nothing replaces variables there.
func (p Platform) KubernetesConfiguration(app string) (string, error) {
	var document yaml.Node
	if err := parse(p.root, "dapr/config/"+app+".yaml", &document); err != nil {
		return "", err
	}
	document.HeadComment, document.Content[0].HeadComment = "", ""
	document.Content[0].Content[0].HeadComment = ""
	spec := child(document.Content[0], "spec")
	for _, name := range []string{"mtls", "nameResolution"} {
		if !remove(spec, name) {
			return "", fmt.Errorf("dapr/config/%s.yaml has no %s", app, name)
		}
	}
	rate := child(child(spec, "tracing"), "samplingRate")
	if rate == nil {
		return "", fmt.Errorf("dapr/config/%s.yaml has no sampling rate", app)
	}
	rate.Value = "0"
	spec.Content[indexOf(spec, "tracing")].HeadComment = "# No traces. components/tracing sets a share and an endpoint."
	metrics := child(spec, "metrics")
	if metrics == nil {
		return "", fmt.Errorf("dapr/config/%s.yaml has no metrics", app)
	}
	metrics.Content = append([]*yaml.Node{
		{Kind: yaml.ScalarNode, Value: "enabled"}, {Kind: yaml.ScalarNode, Value: "true"}, // required there
	}, metrics.Content...)
	setNamespace(spec)
	return encode(&document)
}

// setNamespace replaces the namespace of callers.
func setNamespace(n *yaml.Node) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Value == "namespace" {
			n.Content[i+1].Value = KubernetesNamespace
		}
		setNamespace(c)
	}
}

func indexOf(mapping *yaml.Node, name string) int {
	for i := 0; mapping != nil && i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return i
		}
	}
	return -1
}

func child(mapping *yaml.Node, name string) *yaml.Node {
	if i := indexOf(mapping, name); i >= 0 {
		return mapping.Content[i+1]
	}
	return nil
}

func remove(mapping *yaml.Node, name string) bool {
	i := indexOf(mapping, name)
	if i >= 0 {
		mapping.Content = slices.Delete(mapping.Content, i, i+2)
	}
	return i >= 0
}

func encode(node *yaml.Node) (string, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	err := errors.Join(encoder.Encode(node), encoder.Close())
	return strings.TrimSpace(out.String()), err
}
