// Package deploy makes the files of each deployment target from one description of the platform: dapr/dapr.yaml for
// apps, ports and environment, deploy/services.yaml for sizes, and docs/operations.md for settings.
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

// InternalPort is the port on which a sidecar in a container listens for the others. It is the same for all: DNS, by
// which they find one another there, knows no ports.
const InternalPort = 50002

// Platform is what templates take their values from.
type Platform struct {
	Apps []App
	Dapr string // the version, "1.18.2"

	root     string
	settings []Setting
}

// App is a service with its sidecar.
type App struct {
	ID             string `yaml:"appID"`
	Dir            string `yaml:"appDirPath"`     // relative to dapr/
	ConfigPath     string `yaml:"configFilePath"` // relative to Dir
	Command        []string
	Port           int    `yaml:"appPort"`
	HTTPPort       int    `yaml:"daprHTTPPort"`
	GRPCPort       int    `yaml:"daprGRPCPort"`
	LocalPort      int    `yaml:"daprInternalGRPCPort"` // for other sidecars, where all are on one machine
	MetricsPort    int    `yaml:"metricsPort"`          // of the sidecar
	MaxRequestMB   int    `yaml:"daprHTTPMaxRequestSize"`
	HealthPath     string `yaml:"appHealthCheckPath"`
	HealthInterval int    `yaml:"appHealthProbeInterval"` // seconds
	HealthTimeout  int    `yaml:"appHealthProbeTimeout"`  // milliseconds
	HealthFailures int    `yaml:"appHealthThreshold"`
	Size           Size   `yaml:"-"`

	// Where a sidecar on one machine finds the control plane, and the folders of its components, relative to dapr/.
	Placement string   `yaml:"placementHostAddress"`
	Scheduler string   `yaml:"schedulerHostAddress"`
	Resources []string `yaml:"resourcesPaths"`

	LocalEnv []Variable `yaml:"-"` // of `make run`: the common ones first
	Settings []Setting  `yaml:"-"` // that may be set, sorted by name
	Secrets  []string   `yaml:"-"` // that the service itself may read, by its sidecar's configuration
	Callers  []string   `yaml:"-"` // the apps that may call it, by its sidecar's configuration
	// AllSecrets are Secrets and what the components of its sidecar read in containers, sorted.
	AllSecrets []string `yaml:"-"`

	components []usedComponent // of the platform
}

// Size is what a replica of a service and its sidecar may use.
type Size struct {
	Replicas      int    `yaml:"replicas"`    // in production
	MaxReplicas   int    `yaml:"maxReplicas"` // where they follow the load
	Memory        string `yaml:"memory"`      // of the service, "256M"
	SidecarMemory string `yaml:"sidecarMemory"`
	CPUs          string `yaml:"cpus"`    // of the service, "1.0"
	Outside       bool   `yaml:"outside"` // it calls services on the internet

	// What is reserved for a replica and its sidecar: what they use without load.
	MemoryReserved        string `yaml:"memoryReserved"`
	SidecarMemoryReserved string `yaml:"sidecarMemoryReserved"`
	CPUsReserved          string `yaml:"cpusReserved"` // of each of the two
}

// Variable is an environment variable.
type Variable struct{ Name, Value string }

// Setting is an environment variable of a service that operators may set.
type Setting struct{ Name, Default, Meaning string }

// set by every target itself, because they follow from the topology.
var fixed = []string{
	"HOST", "APP_PORT", "APP_API_TOKEN", "APP_API_TOKEN_FILE", "DAPR_API_TOKEN", "DAPR_API_TOKEN_FILE", "DAPR_HTTP_PORT",
	"DAPR_GRPC_PORT", "REDIS_ADDR", "REDIS_TLS", "METRICS_HOST", "METRICS_PORT",
}

// Read reads the descriptions in the repository at root.
func Read(root string) (Platform, error) {
	var template struct {
		Common yaml.Node   `yaml:"common"`
		Apps   []yaml.Node `yaml:"apps"`
	}
	var sizes map[string]Size
	p := Platform{root: root}
	err := errors.Join(parse(root, "dapr/dapr.yaml", &template), parse(root, "deploy/services.yaml", &sizes))
	if err != nil {
		return p, err
	}
	if p.Dapr, err = pinnedDapr(root); err != nil {
		return p, err
	}
	rows, err := readSettings(root)
	if err != nil {
		return p, err
	}
	components, err := readComponentSecrets(root)
	if err != nil {
		return p, err
	}
	for _, node := range template.Apps {
		a, err := readApp(root, template.Common, node, rows)
		if err != nil {
			return p, err
		}
		a.Size = sizes[a.ID].or(sizes["default"])
		a.AllSecrets = union(a.Secrets, components[a.ID])
		p.Apps = append(p.Apps, a)
	}
	for _, row := range rows {
		p.settings = append(p.settings, row.Setting)
	}
	return p, nil
}

// App returns the app with an id.
func (p Platform) App(id string) (App, error) {
	for _, a := range p.Apps {
		if a.ID == id {
			return a, nil
		}
	}
	return App{}, fmt.Errorf("no app %q in dapr/dapr.yaml", id)
}

// File is the text of a file of the repository.
func (p Platform) File(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join(p.root, path)) //nolint:gosec // named by a template
	return strings.TrimSpace(string(text)), err
}

// InternalPort is the port of each sidecar for the others.
func (Platform) InternalPort() int { return InternalPort }

// Setting returns a setting by its name.
func (p Platform) Setting(name string) (Setting, error) {
	for _, s := range p.settings {
		if s.Name == name {
			return s, nil
		}
	}
	return Setting{}, fmt.Errorf("no setting %s in docs/operations.md", name)
}

// Reads reports whether the service reads a setting.
func (a App) Reads(name string) bool {
	return slices.ContainsFunc(a.Settings, func(s Setting) bool { return s.Name == name })
}

// or fills what is not set from defaults.
func (s Size) or(d Size) Size {
	if s.Replicas == 0 {
		s.Replicas = d.Replicas
	}
	if s.MaxReplicas == 0 {
		s.MaxReplicas = d.MaxReplicas
	}
	for own, other := range map[*string]string{
		&s.Memory: d.Memory, &s.SidecarMemory: d.SidecarMemory, &s.CPUs: d.CPUs,
		&s.MemoryReserved: d.MemoryReserved, &s.SidecarMemoryReserved: d.SidecarMemoryReserved, &s.CPUsReserved: d.CPUsReserved,
	} {
		if *own == "" {
			*own = other
		}
	}
	return s
}

func parse(root, path string, into any) error {
	text, err := os.ReadFile(filepath.Join(root, path)) //nolint:gosec // of the repository
	if err != nil {
		return err
	}
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

var daprVersion = regexp.MustCompile(`github\.com/dapr/dapr v([\d.]+)`)

func pinnedDapr(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "tools/dapr/go.mod")) //nolint:gosec // of the repository
	if err != nil {
		return "", err
	}
	found := daprVersion.FindSubmatch(text)
	if found == nil {
		return "", errors.New("tools/dapr/go.mod requires no Dapr")
	}
	return string(found[1]), nil
}

// row is a row of the table of variables in docs/operations.md.
type row struct {
	Setting
	readers string
}

var tableRow = regexp.MustCompile("(?m)^\\| `([A-Z][A-Z0-9_]+)` \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$")

func readSettings(root string) (all []row, err error) {
	text, err := os.ReadFile(filepath.Join(root, "docs/operations.md")) //nolint:gosec // of the repository
	if err != nil {
		return nil, err
	}
	for _, found := range tableRow.FindAllStringSubmatch(string(text), -1) {
		all = append(all, row{Setting{found[1], found[3], found[4]}, found[2]})
	}
	if len(all) == 0 {
		return nil, errors.New("docs/operations.md has no table of variables")
	}
	slices.SortFunc(all, func(a, b row) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// readBy reports whether a service reads the variable. A program beside a service, in parentheses, is not the service.
func (r row) readBy(id string) bool {
	if strings.Contains(r.readers, "(its program") {
		return false
	}
	others, every := strings.CutPrefix(r.readers, "every service")
	if every {
		return !strings.Contains(others, "but the "+id)
	}
	return slices.Contains(strings.FieldsFunc(r.readers, func(c rune) bool { return c == ',' || c == ' ' }), id)
}
