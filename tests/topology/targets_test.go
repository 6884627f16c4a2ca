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
