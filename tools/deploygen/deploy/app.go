package deploy

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// HasDatabase reports whether the service has a database.
func (a App) HasDatabase() bool { return slices.Contains(a.Secrets, a.ID+"-database-url") }

// LocalValue is the value of a variable on one machine, or empty.
func (a App) LocalValue(name string) string {
	for _, v := range a.LocalEnv {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

// MetricsAt is the port of the service's own metrics: the one it serves, unless it has another for operators.
func (a App) MetricsAt() string {
	if port := a.LocalValue("METRICS_PORT"); port != "" {
		return port
	}
	return strconv.Itoa(a.Port)
}

// SecretFolders are the folders of secrets, one for each container that has any.
func (p Platform) SecretFolders() (all []string) {
	for _, a := range p.Apps {
		all = append(all, a.ID)
	}
	return append(all, "sentry", "placement", "scheduler", "postgres", "redis")
}

// LocalResources are the folders of components and resiliency on one machine, relative to the app's folder.
func (a App) LocalResources() []string {
	up := strings.Repeat("../", strings.Count(path.Join("dapr", a.Dir), "/")+1)
	all := make([]string, 0, len(a.Resources))
	for _, dir := range a.Resources {
		all = append(all, up+path.Join("dapr", dir))
	}
	return all
}

// readEnv reads the environment of `make run` from the common part of dapr/dapr.yaml and the app's own.
func (a *App) readEnv(nodes ...yaml.Node) error {
	for _, node := range nodes {
		var part struct {
			Env yaml.Node `yaml:"env"`
		}
		if err := node.Decode(&part); err != nil {
			return fmt.Errorf("dapr/dapr.yaml: %w", err)
		}
		for i := 0; i+1 < len(part.Env.Content); i += 2 {
			v := Variable{part.Env.Content[i].Value, part.Env.Content[i+1].Value}
			known := slices.IndexFunc(a.LocalEnv, func(o Variable) bool { return o.Name == v.Name })
			if known < 0 {
				a.LocalEnv = append(a.LocalEnv, v)
			} else {
				a.LocalEnv[known] = v
			}
		}
	}
	return nil
}

// readConfiguration reads from the configuration of the app's sidecar which secrets it may read and who may call it,
// and which components sidecars have.
func (a *App) readConfiguration(root string) error {
	var configuration struct {
		Spec struct {
			Access struct {
				Policies []struct {
					Caller string `yaml:"appId"`
				}
			} `yaml:"accessControl"`
			Secrets struct {
				Scopes []struct {
					Allowed []string `yaml:"allowedSecrets"`
				}
			}
		}
	}
	if err := parse(root, "dapr/config/"+a.ID+".yaml", &configuration); err != nil {
		return err
	}
	for _, scope := range configuration.Spec.Secrets.Scopes {
		a.Secrets = append(a.Secrets, scope.Allowed...)
	}
	for _, policy := range configuration.Spec.Access.Policies {
		a.Callers = append(a.Callers, policy.Caller)
	}
	var err error
	a.components, err = readComponents(root)
	return err
}

// readApp reads an app of dapr/dapr.yaml and its configuration.
func readApp(root string, common, own yaml.Node, rows []row) (a App, err error) {
	if err := errors.Join(common.Decode(&a), own.Decode(&a)); err != nil {
		return a, fmt.Errorf("dapr/dapr.yaml: %w", err)
	}
	for _, row := range rows {
		if row.readBy(a.ID) && !slices.Contains(fixed, row.Name) {
			a.Settings = append(a.Settings, row.Setting)
		}
	}
	return a, errors.Join(a.readEnv(common, own), a.readConfiguration(root))
}
