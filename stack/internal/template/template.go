// Package template reads dapr/dapr.yaml, the run template of Dapr's CLI, with the CLI's defaults and precedence. It
// gives an app the CLI's environment, and its sidecar nearly the CLI's arguments.
package template

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// App is one service with its sidecar. The template's common part is filled in, and paths are absolute.
type App struct {
	ID               string   `yaml:"appID"`
	Dir              string   `yaml:"appDirPath"`
	Port             int      `yaml:"appPort"`
	HTTPPort         int      `yaml:"daprHTTPPort"`
	GRPCPort         int      `yaml:"daprGRPCPort"`
	InternalGRPCPort int      `yaml:"daprInternalGRPCPort"`
	MetricsPort      int      `yaml:"metricsPort"`
	Command          []string `yaml:"command"`
	Common           `yaml:",inline"`

	replica int // its number; 0 and 1 are the first
}

// Common is what the template sets for all apps or for one.
type Common struct {
	Config          string            `yaml:"configFilePath"`
	Resources       []string          `yaml:"resourcesPaths"`
	Protocol        string            `yaml:"appProtocol"`
	ListenAddresses string            `yaml:"apiListenAddresses"`
	LogLevel        string            `yaml:"logLevel"`
	Placement       string            `yaml:"placementHostAddress"`
	Scheduler       string            `yaml:"schedulerHostAddress"`
	MaxRequestMB    int               `yaml:"daprHTTPMaxRequestSize"`
	HealthCheck     bool              `yaml:"enableAppHealthCheck"`
	HealthPath      string            `yaml:"appHealthCheckPath"`
	HealthInterval  int               `yaml:"appHealthProbeInterval"`
	HealthTimeout   int               `yaml:"appHealthProbeTimeout"`
	HealthThreshold int               `yaml:"appHealthThreshold"`
	Env             map[string]string `yaml:"env"`
}

type file struct {
	Version int         `yaml:"version"`
	Name    string      `yaml:"name"`
	Common  Common      `yaml:"common"`
	Apps    []yaml.Node `yaml:"apps"`
}

// Read returns the apps of a run template. An unknown key is an error: ignoring it could mean to behave differently
// from the CLI.
func Read(path string) ([]App, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var f file
	if err := decode(text, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.Common.complete(dir)
	f.Common.Protocol = cmp.Or(f.Common.Protocol, "http")
	f.Common.Placement = cmp.Or(f.Common.Placement, "localhost:50005")
	apps := make([]App, len(f.Apps))
	for i, node := range f.Apps {
		if apps[i], err = f.app(dir, node); err != nil {
			return nil, fmt.Errorf("%s: app %d: %w", path, i+1, err)
		}
	}
	return apps, nil
}

func decode(text []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return d.Decode(into)
}

// app decodes an app's part over the common one: its own values win. Its paths are relative to its own folder, the
// common ones to the template's.
func (f file) app(dir string, node yaml.Node) (App, error) {
	text, err := yaml.Marshal(&node)
	if err != nil {
		return App{}, err
	}
	a := App{Common: f.Common}
	a.Env = nil
	if err := decode(text, &a); err != nil {
		return a, err
	}
	if a.Dir == "" {
		return a, errors.New("appDirPath is missing")
	}
	a.Dir = absolute(dir, a.Dir)
	a.ID = cmp.Or(a.ID, filepath.Base(a.Dir))
	a.complete(a.Dir)
	if len(a.Env) == 0 && len(f.Common.Env) > 0 {
		return a, fmt.Errorf("%s has no env: Dapr's CLI does not add the common env then", a.ID)
	}
	env := map[string]string{}
	maps.Copy(env, f.Common.Env)
	maps.Copy(env, a.Env)
	a.Env = env
	if a.Port <= 0 || a.HTTPPort <= 0 || a.GRPCPort <= 0 || a.InternalGRPCPort <= 0 || a.MetricsPort <= 0 {
		return a, fmt.Errorf("%s: a port is missing: it would be another one at each start", a.ID)
	}
	if len(a.Command) == 0 {
		return a, fmt.Errorf("%s has no command", a.ID)
	}
	return a, nil
}

// complete makes paths absolute.
func (c *Common) complete(dir string) {
	if c.Config != "" {
		c.Config = absolute(dir, c.Config)
	}
	resources := make([]string, len(c.Resources))
	for i, r := range c.Resources {
		resources[i] = absolute(dir, r)
	}
	c.Resources = resources
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
