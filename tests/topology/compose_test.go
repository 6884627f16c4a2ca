package topology

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"sidecart/tools/daprgen/source"
)

// composeFiles are the compositions that are started by themselves.
var composeFiles = []string{"docker-compose.yml", "docker-compose.dev.yml", "docker-compose.test.yml"}

// compose loads a composition as `docker compose` does, with an environment.
func compose(t *testing.T, file string, env ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(source.Root(t), file)}, cli.WithEnv(env), cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return project
}

func service(t *testing.T, p *types.Project, name string) types.ServiceConfig {
	t.Helper()
	s, err := p.GetService(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// value is a variable of a container, and "" if it has none.
func value(s types.ServiceConfig, name string) string {
	if v := s.Environment[name]; v != nil {
		return *v
	}
	return ""
}

// exceptions are containers that need more than the others, with the reason.
var exceptions = map[string]struct{ root, health string }{
	"secrets": {root: "reads .env, which only its owner may read", health: "ends"},
	"tools":   {health: "ends"},
	"seed":    {health: "ends"},
	"tests":   {health: "ends"},
}

// TestComposeHardening: no container has more rights or resources than it needs, and each shows whether it works.
func TestComposeHardening(t *testing.T) {
	for _, file := range composeFiles {
		for name, s := range compose(t, file).Services {
			for _, problem := range weaknesses(name, s) {
				t.Errorf("%s: %s %s", file, name, problem)
			}
		}
	}
}

func weaknesses(name string, s types.ServiceConfig) (all []string) {
	reason := exceptions[name]
	check := func(ok bool, problem string) {
		if !ok {
			all = append(all, problem)
		}
	}
	uid, _, _ := strings.Cut(s.User, ":")
	number, err := strconv.Atoi(uid)
	check(err == nil && (number > 0 || reason.root != ""), fmt.Sprintf("runs as %q, which is no number of a user without rights", s.User))
	check(s.ReadOnly, "can write to its root")
	check(slices.Equal(s.CapDrop, []string{"ALL"}), "keeps capabilities")
	check(len(s.CapAdd) == 0 || reason.root != "", fmt.Sprintf("adds the capabilities %v", s.CapAdd))
	check(slices.Contains(s.SecurityOpt, "no-new-privileges:true"), "can gain privileges")
	check(!s.Privileged && s.Pid == "" && s.Ipc == "" && s.NetworkMode != "host", "shares the machine")
	check(s.MemLimit > 0, "has no limit of memory")
	check(s.PidsLimit > 0, "has no limit of processes")
	check(s.Logging != nil && s.Logging.Options["max-size"] != "" && s.Logging.Options["max-file"] != "", "logs without bound")
	holder := strings.HasSuffix(name, "-pod") // it does nothing, and its service and sidecar have checks of its network
	check(s.HealthCheck != nil || reason.health != "" || holder, "has no health check")
	check(s.Restart == "unless-stopped" || reason.health != "", "is not restarted")
	for _, p := range s.Ports {
		check(p.HostIP == "127.0.0.1", "publishes a port to other machines")
	}
	for _, v := range s.Volumes {
		check(!strings.Contains(v.Source, "docker.sock"), "controls the engine")
		check(v.Type != types.VolumeTypeBind || v.ReadOnly, "writes to the folder "+v.Source)
	}
	return all
}

// listen is where sidecars listen for their apps, and for developers in a composition for development.
var listen = map[bool]string{false: "127.0.0.1", true: "0.0.0.0"}

// TestComposeOfEachApp: what each app and its sidecar are started with is that of dapr/dapr.yaml.
func TestComposeOfEachApp(t *testing.T) {
	for _, file := range composeFiles {
		p := compose(t, file)
		for _, a := range apps(t) {
			s, sidecar, pod := service(t, p, a.ID), service(t, p, a.ID+"-dapr"), service(t, p, a.ID+"-pod")
			env := map[string]string{}
			for name := range s.Environment {
				env[name] = value(s, name)
			}
			checkEnv(t, file, a, env, map[string]string{
				"APP_API_TOKEN_FILE": "/run/sidecart/app-token", "DAPR_API_TOKEN_FILE": "/run/sidecart/dapr-token"})
			a.Internal = 50002 // DNS knows no ports
			checkFlags(t, file, a, sidecar.Command)
			for _, words := range []string{
				"--config /config/" + a.ID + ".yaml --config /components/config.yaml", "--enable-mtls",
				"--dapr-listen-addresses " + listen[file == "docker-compose.dev.yml"], "--dapr-internal-grpc-listen-address " + a.ID, "--metrics-listen-address " + a.ID,
			} {
				if !strings.Contains(strings.Join(sidecar.Command, " "), words) {
					t.Errorf("%s: %s's sidecar lacks %s: %v", file, a.ID, words, sidecar.Command)
				}
			}
			for _, member := range []types.ServiceConfig{s, sidecar} {
				if want := "service:" + pod.Name; member.NetworkMode != want {
					t.Errorf("%s: %s has the network %q, want %q", file, member.Name, member.NetworkMode, want)
				}
			}
			if network := pod.Networks["app"]; network == nil || !slices.Equal(network.Aliases, []string{a.ID}) {
				t.Errorf("%s: other sidecars do not find %s by its name: %+v", file, a.ID, pod.Networks)
			}
			if file != "docker-compose.dev.yml" && (s.Build == nil || s.Build.Args["APP"] == nil || *s.Build.Args["APP"] != a.ID) {
				t.Errorf("%s: %s is not built as itself", file, a.ID)
			}
		}
		for name, s := range p.Services {
			if _, version, ok := strings.Cut(s.Image, ":"); ok && strings.HasPrefix(s.Image, "daprio/") && version != pinnedDapr(t) {
				t.Errorf("%s: %s is %s, want version %s", file, name, s.Image, pinnedDapr(t))
			}
		}
	}
	if want := `DaprVersion = "` + pinnedDapr(t) + `"`; !strings.Contains(source.Read(t, "stack/internal/program/dapr.go"), want) {
		t.Errorf("stack builds Dapr with another version than %s", want)
	}
}

// TestComposeNetworks: each container is on the networks that it needs.
func TestComposeNetworks(t *testing.T) {
	withDatabase, pods := []string{"postgres"}, []string{}
	for _, id := range ids(t) {
		pods = append(pods, id+"-pod")
		if id != "gateway" {
			withDatabase = append(withDatabase, id+"-pod")
		}
	}
	want := map[string][]string{
		"app":     append([]string{"redis", "sentry", "placement", "scheduler"}, pods...),
		"data":    withDatabase,
		"edge":    {"gateway-pod", "seed"},
		"mail":    {"mailhog", "notifications-pod"},
		"outside": {"orders-pod", "notifications-pod"},
	}
	p := compose(t, "docker-compose.yml")
	members := map[string][]string{}
	for name, s := range p.Services {
		if len(s.Ports) > 0 && name != "gateway-pod" && name != "mailhog" {
			t.Errorf("%s publishes a port", name)
		}
		for network := range s.Networks {
			members[network] = append(members[network], name)
		}
	}
	for _, network := range slices.Sorted(maps.Keys(p.Networks)) {
		slices.Sort(want[network])
		slices.Sort(members[network])
		if !slices.Equal(members[network], want[network]) {
			t.Errorf("the network %s has %v, want %v", network, members[network], want[network])
		}
		n := p.Networks[network]
		closed := n.Internal || n.DriverOpts["com.docker.network.bridge.enable_ip_masquerade"] == "false"
		if wantClosed := network != "outside"; closed != wantClosed {
			t.Errorf("the network %s is closed: %t, want %t", network, closed, wantClosed)
		}
		if isInside := network == "app" || network == "data"; n.Internal != isInside {
			t.Errorf("the network %s is internal: %t, want %t", network, n.Internal, isInside)
		}
	}
}

// TestComposeFiles: everything that a composition builds from or mounts is in the repository.
func TestComposeFiles(t *testing.T) {
	files := source.Files(t)
	for _, file := range composeFiles {
		for name, s := range compose(t, file).Services {
			for _, v := range s.Volumes {
				path, err := filepath.Rel(source.Root(t), v.Source)
				inside := func(f string) bool { return f == path || path == "." || strings.HasPrefix(f, path+"/") }
				if v.Type == types.VolumeTypeBind && (err != nil || !slices.ContainsFunc(files, inside)) {
					t.Errorf("%s: %s mounts %s, which is not in the repository", file, name, v.Source)
				}
			}
			if s.Build == nil {
				continue
			}
			target := "AS " + s.Build.Target + "\n"
			if s.Build.Dockerfile != "deploy/Dockerfile" || !strings.Contains(source.Read(t, s.Build.Dockerfile), target) {
				t.Errorf("%s: %s is built from %s, target %q, which does not exist", file, name, s.Build.Dockerfile, s.Build.Target)
			}
		}
	}
}
