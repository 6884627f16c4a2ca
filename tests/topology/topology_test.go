// Package topology checks that the descriptions of the platform agree: names, ports, commands, events,
// environment variables and documents.
package topology

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"sidecart/tools/daprgen/access"
	"sidecart/tools/daprgen/source"
)

// app is one service as dapr/dapr.yaml has it, which is where all others take it from.
type app struct {
	ID       string            `yaml:"appID"`
	Dir      string            `yaml:"appDirPath"`
	Port     int               `yaml:"appPort"`
	HTTP     int               `yaml:"daprHTTPPort"`
	GRPC     int               `yaml:"daprGRPCPort"`
	Internal int               `yaml:"daprInternalGRPCPort"`
	Metrics  int               `yaml:"metricsPort"`
	Config   string            `yaml:"configFilePath"`
	Command  []string          `yaml:"command"`
	Env      map[string]string `yaml:"env"`
}

func parse(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(source.Read(t, path)), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func apps(t *testing.T) []app {
	t.Helper()
	var template struct {
		Common struct {
			Env map[string]string `yaml:"env"`
		} `yaml:"common"`
		Apps []app `yaml:"apps"`
	}
	parse(t, "dapr/dapr.yaml", &template)
	if len(template.Apps) != 5 {
		t.Fatalf("dapr/dapr.yaml has %d apps, want 5", len(template.Apps))
	}
	for i, a := range template.Apps {
		env := maps.Clone(template.Common.Env)
		maps.Copy(env, a.Env)
		template.Apps[i].Env = env
	}
	return template.Apps
}

func ids(t *testing.T) (all []string) {
	for _, a := range apps(t) {
		all = append(all, a.ID)
	}
	return all
}

func TestTemplate(t *testing.T) {
	owner := map[int]string{}
	for _, a := range apps(t) {
		if got, want := filepath.Join("dapr", a.Dir), filepath.Join("apps", a.ID); got != want {
			t.Errorf("%s runs in %s, want %s", a.ID, got, want)
		}
		if want := "../../dapr/config/" + a.ID + ".yaml"; a.Config != want {
			t.Errorf("%s has the configuration %q, want %s: its configuration has its allowed callers and secrets", a.ID, a.Config, want)
		}
		if !slices.Equal(a.Command, []string{"go", "run", "."}) {
			t.Errorf("%s: the command is %q", a.ID, a.Command)
		}
		for _, port := range []int{a.Port, a.HTTP, a.GRPC, a.Internal, a.Metrics} {
			if other, taken := owner[port]; taken || port == 0 {
				t.Errorf("%s: port %d is also %s's", a.ID, port, other)
			}
			owner[port] = a.ID
		}
	}
}

// TestCode compares the name and the default port in each service's main.
func TestCode(t *testing.T) {
	byID := map[string]app{}
	for _, a := range apps(t) {
		byID[a.ID] = a
	}
	found := map[string]int{}
	for _, call := range source.Calls(t, func(name string) bool {
		return slices.Contains([]string{
			"(*sidecart/kit/config.Env).Web", "(*sidecart/kit/config.Env).String", access.ServicePath + ".Main",
		}, name)
	}) {
		service := source.Service(call.Package)
		if service == "" || call.Package.PkgPath != "sidecart/apps/"+service || call.Name == "String" && call.Text(0) != "APP_PORT" {
			continue // a program beside a service is no service
		}
		found[service]++
		want, argument := service, map[string]int{"Main": 0, "Web": 0, "String": 1}[call.Name]
		if call.Name == "Web" || call.Name == "String" {
			want = strconv.Itoa(byID[service].Port)
		}
		if got := call.Text(argument); got != want {
			t.Errorf("%s: %s has %q, want %q", call.At(), call.Name, got, want)
		}
	}
	for id := range byID {
		if found[id] != 2 {
			t.Errorf("apps/%s: %d of the calls Env.Web (or Env.String of APP_PORT) and service.Main were found, want one of each", id, found[id])
		}
	}
}

var serviceRow = regexp.MustCompile(`(?m)^\| \[?(\w+)\]?(?:\([^)]*\))? \| (\d+) \| (\d+) \| (\d+) \|`)

func TestReadmeTable(t *testing.T) {
	rows := map[string][]string{}
	for _, row := range serviceRow.FindAllStringSubmatch(source.Read(t, "README.md"), -1) {
		rows[row[1]] = row[2:]
	}
	for _, a := range apps(t) {
		want := []string{strconv.Itoa(a.Port), strconv.Itoa(a.HTTP), strconv.Itoa(a.GRPC)}
		if !slices.Equal(rows[a.ID], want) {
			t.Errorf("README.md has the ports %v for %s, want %v", rows[a.ID], a.ID, want)
		}
	}
	if len(rows) != len(apps(t)) {
		t.Errorf("README.md has %d services, want %d", len(rows), len(apps(t)))
	}
}

func isYAML(path string) bool {
	return strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml")
}

// TestScopes: every component and resiliency lists the apps that may use it, and they exist; so do resiliency's
// targets.
func TestScopes(t *testing.T) {
	known, checked := ids(t), 0
	named, components := map[string]bool{}, map[string]string{}
	for _, path := range source.Files(t) {
		if !isYAML(path) || !strings.HasPrefix(path, "components/") && !strings.HasPrefix(path, "dapr/") {
			continue
		}
		var resource struct {
			Kind     string
			Metadata struct{ Name string }
			Scopes   []string
			Spec     struct {
				Targets struct {
					Apps, Components map[string]any
				}
			}
		}
		parse(t, path, &resource)
		if resource.Kind != "Component" && resource.Kind != "Resiliency" {
			continue
		}
		checked++
		if resource.Kind == "Component" {
			named[resource.Metadata.Name] = true
		}
		for name := range resource.Spec.Targets.Components {
			components[name] = path
		}
		if len(resource.Scopes) == 0 {
			t.Errorf("%s: %s has no scopes: every app could use it", path, resource.Metadata.Name)
		}
		for _, id := range slices.Concat(resource.Scopes, slices.Collect(maps.Keys(resource.Spec.Targets.Apps))) {
			if !slices.Contains(known, id) {
				t.Errorf("%s: %q is no app", path, id)
			}
		}
	}
	for name, path := range components {
		if !named[name] {
			t.Errorf("%s: %q is no component", path, name)
		}
	}
	if checked < 5 {
		t.Errorf("only %d components and resiliencies were found", checked)
	}
}

// TestComponentsEverywhere: each environment's folder has the components of the local one, under the same names and
// with the same scopes, so that no code depends on where it runs.
func TestComponentsEverywhere(t *testing.T) {
	scopes := map[string]map[string]string{}
	for _, path := range source.Files(t) {
		parts := strings.Split(path, "/")
		if parts[0] != "components" || len(parts) != 3 || !isYAML(path) {
			continue
		}
		var c struct {
			Kind     string
			Metadata struct{ Name string }
			Scopes   []string
		}
		parse(t, path, &c)
		if c.Kind != "Component" {
			continue
		}
		if scopes[parts[1]] == nil {
			scopes[parts[1]] = map[string]string{}
		}
		slices.Sort(c.Scopes)
		scopes[parts[1]][c.Metadata.Name] = fmt.Sprint(c.Scopes)
	}
	for environment, components := range scopes {
		for name, want := range scopes["local"] {
			if components[name] != want {
				t.Errorf("components/%s: %s is for %q, want %s as in components/local", environment, name, components[name], want)
			}
		}
	}
}
