// Package template reads dapr/dapr.yaml, the run template of Dapr's CLI, as the CLI reads it: the same defaults, the same
// precedence, the same environment for an app and nearly the same arguments for its sidecar.
package template

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// App is one service beside its sidecar, with what the template says for all of them filled in and paths made absolute.
type App struct {
	ID               string   `yaml:"appID"`
	Dir              string   `yaml:"appDirPath"`
	Port             int      `yaml:"appPort"`
	HTTPPort         int      `yaml:"daprHTTPPort"`
	GRPCPort         int      `yaml:"daprGRPCPort"`
	InternalGRPCPort int      `yaml:"daprInternalGRPCPort"`
	MetricsPort      int      `yaml:"metricsPort"`
	Command          []string `yaml:"command"`
	Shared           `yaml:",inline"`

	number int // of the replica; 0 and 1 are the first
}

// Shared is what may be said once for all apps, or for one.
type Shared struct {
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
	Version int    `yaml:"version"`
	Name    string `yaml:"name"`
	Common  Shared `yaml:"common"`
	Apps    []App  `yaml:"apps"`
}

// Read gives the apps of a run template. A key that this program does not know is an error: silently doing something else
// than the CLI would be worse.
func Read(path string) ([]App, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var t file
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(&t); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	for i := range t.Apps {
		if err := t.Apps[i].complete(dir, t.Common); err != nil {
			return nil, fmt.Errorf("%s: app %d: %w", path, i+1, err)
		}
	}
	return t.Apps, nil
}

// complete takes over what is common. What an app says itself wins; its paths are relative to its own folder, the common
// ones to the template's.
func (a *App) complete(dir string, common Shared) error {
	if a.Dir == "" {
		return errors.New("appDirPath is missing")
	}
	a.Dir = absolute(dir, a.Dir)
	if a.ID == "" {
		a.ID = filepath.Base(a.Dir)
	}
	if len(a.Env) == 0 && len(common.Env) > 0 {
		return fmt.Errorf("%s has no env of its own: Dapr's CLI cannot add the common one then", a.ID)
	}
	if a.Port <= 0 || a.HTTPPort <= 0 || a.GRPCPort <= 0 || a.InternalGRPCPort <= 0 || a.MetricsPort <= 0 {
		return fmt.Errorf("%s: every port must be said, or each start would take others", a.ID)
	}
	if len(a.Command) == 0 {
		return fmt.Errorf("%s has no command", a.ID)
	}
	a.Shared = a.over(common, a.Dir, dir)
	return nil
}

func (s Shared) over(common Shared, appDir, dir string) Shared {
	if s.Config != "" {
		s.Config = absolute(appDir, s.Config)
	} else if common.Config != "" {
		s.Config = absolute(dir, common.Config)
	}
	for i, r := range s.Resources {
		s.Resources[i] = absolute(appDir, r)
	}
	if len(s.Resources) == 0 {
		for _, r := range common.Resources {
			s.Resources = append(s.Resources, absolute(dir, r))
		}
	}
	first(&s.Protocol, common.Protocol, "http")
	first(&s.ListenAddresses, common.ListenAddresses)
	first(&s.LogLevel, common.LogLevel)
	first(&s.Placement, common.Placement, "localhost:50005")
	first(&s.Scheduler, common.Scheduler)
	first(&s.MaxRequestMB, common.MaxRequestMB)
	first(&s.HealthCheck, common.HealthCheck)
	first(&s.HealthPath, common.HealthPath)
	first(&s.HealthInterval, common.HealthInterval)
	first(&s.HealthTimeout, common.HealthTimeout)
	first(&s.HealthThreshold, common.HealthThreshold)
	env := map[string]string{}
	maps.Copy(env, common.Env)
	maps.Copy(env, s.Env)
	s.Env = env
	return s
}

// first keeps what is said and else takes the first of the others that is there.
func first[T comparable](said *T, others ...T) { *said = cmp.Or(append([]T{*said}, others...)...) }

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
