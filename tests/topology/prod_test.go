package topology

import (
	"slices"
	"strings"
	"testing"

	"sidecart/tools/daprgen/source"
)

type container struct {
	Image       string
	Build       any
	NetworkMode string `yaml:"network_mode"`
	DependsOn   any    `yaml:"depends_on"`
	Extends     any
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	EnvFile     []string `yaml:"env_file"`
	Restart     string
	Ports       []any
	Logging     struct{ Options map[string]string }
	Networks    any
	Deploy      struct {
		Replicas  int
		Mode      string
		Placement struct{ Constraints []string }
		Update    struct {
			Order   string
			Failure string `yaml:"failure_action"`
		} `yaml:"update_config"`
		Resources struct {
			Limits struct{ CPUs, Memory, Pids string }
		}
	}
}

// TestProduction: what docker-compose.prod.yml promises of every container, and what both Compose and Swarm read.
func TestProduction(t *testing.T) {
	var prod struct {
		Name     string
		Include  any
		Services map[string]container
		Networks map[string]struct {
			Internal bool
			Driver   string
		}
	}
	parse(t, "docker-compose.prod.yml", &prod)
	if prod.Name != "" || prod.Include != nil {
		t.Error("Swarm refuses name and include")
	}
	for name, c := range prod.Services {
		if c.NetworkMode != "" || c.DependsOn != nil || c.Extends != nil {
			t.Errorf("%s: Swarm reads no network_mode, conditions of depends_on, or extends", name)
		}
		if !c.ReadOnly || !slices.Equal(c.CapDrop, []string{"ALL"}) || !slices.Contains(c.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s is not read-only, or keeps privileges", name)
		}
		limits := c.Deploy.Resources.Limits
		if limits.CPUs == "" || limits.Memory == "" || limits.Pids == "" || c.Logging.Options["max-size"] == "" || c.Restart != "unless-stopped" {
			t.Errorf("%s has no limits, no rotation of logs, or no restart: %+v", name, c)
		}
		if (c.Ports != nil) != (name == "nginx") {
			t.Errorf("%s publishes %v; only nginx does", name, c.Ports)
		}
		if strings.Contains(c.Image, "mailhog") {
			t.Errorf("%s is MailHog", name)
		}
	}
	for _, a := range apps(t) {
		c := prod.Services[a.ID]
		if c.Deploy.Replicas < 2 || c.Deploy.Update.Order != "start-first" || c.Deploy.Update.Failure != "rollback" {
			t.Errorf("%s: %+v", a.ID, c.Deploy)
		}
		if !slices.Equal(c.EnvFile, []string{"secrets/from-make-secrets.env"}) {
			t.Errorf("%s starts without `make secrets`", a.ID)
		}
	}
	for _, name := range []string{"postgres", "redis", "scheduler", "backup"} {
		if len(prod.Services[name].Deploy.Placement.Constraints) != 1 {
			t.Errorf("%s has a volume and may move away from it", name)
		}
	}
	for _, name := range []string{"edge", "app", "data"} {
		if !prod.Networks[name].Internal || prod.Networks[name].Driver != "" {
			t.Errorf("the network %s: %+v", name, prod.Networks[name])
		}
	}
	if text := source.Read(t, "docker-compose.prod.yml"); strings.Contains(text, "SIDECART_ENV: local") {
		t.Error("SIDECART_ENV is local")
	}
}
