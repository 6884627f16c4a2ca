// Package topology checks that the descriptions of the platform agree: names, ports, commands, events,
// environment variables and documents.
package topology

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sidecart/tools/daprgen/source"
)

func TestTye(t *testing.T) {
	var tye struct {
		Services []struct {
			Name       string
			Executable string
			Args       string
			Dir        string `yaml:"workingDirectory"`
			Bindings   []struct{ Port int }
			Env        []struct{ Name, Value string }
		}
	}
	parse(t, "tye/tye.yaml", &tye)
	byName := map[string]int{}
	for i, s := range tye.Services {
		byName[s.Name] = i
	}
	if len(tye.Services) != 2*len(apps(t)) {
		t.Errorf("tye/tye.yaml has %d services, want each app and its sidecar", len(tye.Services))
	}
	for _, a := range apps(t) {
		i, ok := byName[a.ID]
		j, beside := byName[a.ID+"-dapr"]
		if !ok || !beside {
			t.Errorf("tye/tye.yaml lacks %s or its sidecar", a.ID)
			continue
		}
		s, sidecar := tye.Services[i], tye.Services[j]
		if got := strings.Fields(s.Executable + " " + s.Args); !slices.Equal(got, a.Command) || s.Dir != a.Dir {
			t.Errorf("tye: %s is %q in %s, want %q in %s", a.ID, got, s.Dir, a.Command, a.Dir)
		}
		if len(s.Bindings) != 1 || s.Bindings[0].Port != a.Port {
			t.Errorf("tye: %s binds %v, want %d", a.ID, s.Bindings, a.Port)
		}
		env := map[string]string{}
		for _, v := range s.Env {
			env[v.Name] = v.Value
		}
		checkEnv(t, "tye", a, env, a.Env)
		checkFlags(t, "tye", a, strings.Fields(sidecar.Args))
		if !strings.Contains(sidecar.Args, "--config "+a.Config+" ") {
			t.Errorf("tye: %s's sidecar lacks the configuration %s", a.ID, a.Config)
		}
	}
}

// checkEnv compares an app's environment: where its sidecar is, and what more is wanted.
func checkEnv(t *testing.T, where string, a app, got, more map[string]string) {
	t.Helper()
	want := map[string]string{"APP_PORT": strconv.Itoa(a.Port), "DAPR_HTTP_PORT": strconv.Itoa(a.HTTP), "DAPR_GRPC_PORT": strconv.Itoa(a.GRPC)}
	maps.Copy(want, more)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %s has %s=%q, want %q", where, a.ID, name, got[name], value)
		}
	}
}

// checkFlags compares what a sidecar is started with.
func checkFlags(t *testing.T, where string, a app, args []string) {
	t.Helper()
	for flag, want := range map[string]string{
		"--app-id": a.ID, "--app-port": strconv.Itoa(a.Port),
		"--dapr-http-port": strconv.Itoa(a.HTTP), "--dapr-grpc-port": strconv.Itoa(a.GRPC),
		"--dapr-internal-grpc-port": strconv.Itoa(a.Internal), "--metrics-port": strconv.Itoa(a.Metrics),
	} {
		if i := slices.Index(args, flag); i < 0 || i+1 >= len(args) || args[i+1] != want {
			t.Errorf("%s: %s's sidecar lacks %s %s in %q", where, a.ID, flag, want, args)
		}
	}
}

var daprVersion = regexp.MustCompile(`github\.com/dapr/dapr v([\d.]+)`)

// pinnedDapr is the version that `make run` builds.
func pinnedDapr(t *testing.T) string {
	t.Helper()
	found := daprVersion.FindStringSubmatch(source.Read(t, "tools/dapr/go.mod"))
	if found == nil {
		t.Fatal("tools/dapr/go.mod requires no Dapr")
	}
	return found[1]
}

func TestCompose(t *testing.T) {
	var compose struct{ Services map[string]composeService }
	parse(t, "docker-compose.yml", &compose)
	for _, a := range apps(t) {
		s, sidecar := compose.Services[a.ID], compose.Services[a.ID+"-dapr"]
		if s.Build.Args["APP"] != a.ID {
			t.Errorf("compose: %s builds %q", a.ID, s.Build.Args["APP"])
		}
		checkEnv(t, "compose", a, s.Environment, nil)
		checkFlags(t, "compose", a, sidecar.Command)
		if want := "service:" + a.ID; sidecar.Network != want {
			t.Errorf("compose: %s's sidecar has the network %q, want %q", a.ID, sidecar.Network, want)
		}
		if sidecar.Image != "sidecart/sidecar" {
			t.Errorf("compose: %s's sidecar is %s, want that of deploy/sidecar.Dockerfile", a.ID, sidecar.Image)
		}
		own := slices.Index(sidecar.Command, "/config/"+a.ID+".yaml")
		if own < 1 || sidecar.Command[own-1] != "--config" || !slices.Contains(sidecar.Command, "--enable-mtls") {
			t.Errorf("compose: %s's sidecar lacks its own access list, or its certificate: %v", a.ID, sidecar.Command)
		}
		if want := a.ID == "gateway"; (len(s.Ports) > 0) != want {
			t.Errorf("compose: %s publishes %v; only the gateway is public", a.ID, s.Ports)
		}
	}
	if want := "FROM daprio/daprd:" + pinnedDapr(t) + " "; !strings.Contains(source.Read(t, "deploy/sidecar.Dockerfile"), want) {
		t.Errorf("deploy/sidecar.Dockerfile is not %s", want)
	}
	if want := `daprVersion = "` + pinnedDapr(t) + `"`; !strings.Contains(source.Read(t, "stack/internal/program/dapr.go"), want) {
		t.Errorf("stack builds Dapr with another version than %s", want)
	}
	for name, s := range compose.Services {
		if strings.HasPrefix(s.Image, "daprio/") && !strings.HasSuffix(s.Image, ":"+pinnedDapr(t)) {
			t.Errorf("compose: %s is %s, want version %s", name, s.Image, pinnedDapr(t))
		}
		if s.Image == "" && s.Build.Args["APP"] == "" {
			t.Errorf("compose: %s has neither an image nor an app to build", name)
		}
	}
}
