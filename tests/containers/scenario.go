package containers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/e2e"
	"sidecart/tests/invariants"
	"sidecart/tests/platform"
)

// Running is a platform in containers: a composition, or a stack of a Swarm.
type Running struct {
	URL        string // where clients call it
	Containers func(ctx context.Context) ([]Container, error)
	// Secrets is the secrets.json of a service.
	Secrets func(ctx context.Context, service string) (map[string]string, error)
	Edge    string   // the network of what clients reach
	Open    []string // service:port that a container of that network may reach

	admin client.Client
}

// AwaitHealthy waits until all containers are well and the gateway finds every service.
func (r *Running) AwaitHealthy(t *testing.T, within time.Duration) {
	t.Helper()
	platform.Eventually(t, within, func() error {
		all, err := r.Containers(t.Context())
		for _, c := range all {
			err = errors.Join(err, c.Healthy())
		}
		if err != nil || len(all) == 0 {
			return errors.Join(err, fmt.Errorf("%d containers", len(all)))
		}
		return r.respond(t.Context())
	})
}

func (r *Running) respond(ctx context.Context) error {
	return (client.Client{Base: r.URL}).Call(ctx, "GET /health/services", nil, 200, nil)
}

// FirstOrder places the first order of an empty platform.
func (r *Running) FirstOrder(t *testing.T) { r.admin = e2e.FirstOrder(t, r.URL) }

// Order places one more order and waits until it is paid.
func (r *Running) Order(t *testing.T) {
	t.Helper()
	var order client.Order
	if err := r.admin.Call(t.Context(), "POST /api/v1/orders", client.Raw(e2e.Order), 201, &order); err != nil {
		t.Fatal(err)
	}
	e2e.AwaitStatus(t, r.admin, order.ID, "paid")
}

// Invariants waits until all invariants hold, with nothing in progress.
func (r *Running) Invariants(t *testing.T) {
	t.Helper()
	if err := r.name(t.Context(), "postgres"); err != nil {
		t.Fatal(err)
	}
	databases, err := invariants.Open(t.Context(), func(name string) (string, error) {
		service, _, _ := strings.Cut(name, "-")
		secrets, err := r.Secrets(t.Context(), service)
		return secrets[name], err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer databases.Close() //nolint:errcheck // only read
	platform.Eventually(t, 90*time.Second, func() error {
		results, err := databases.Check(t.Context(), 0)
		return errors.Join(err, invariants.Wrong(results))
	})
}

// name makes the name of a service lead to its container, in the sandbox: addresses of databases and certificates
// have that name.
func (r *Running) name(ctx context.Context, service string) error {
	all, err := r.Containers(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		for _, network := range c.NetworkSettings.Networks {
			if c.Service() == service && network.IPAddress != "" {
				return os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost\n"+network.IPAddress+" "+service+"\n"), 0o644)
			}
		}
	}
	return fmt.Errorf("%s has no address", service)
}

// Isolated checks that a container on the network of clients reaches none of the ports on which the others listen,
// except the open ones. Of each container all addresses and all ports are tried.
func (r *Running) Isolated(t *testing.T) {
	t.Helper()
	all, err := r.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ports []int
	addresses := map[string]string{} // service by address
	for _, c := range all {
		for _, p := range c.listening() {
			if !slices.Contains(ports, p) {
				ports = append(ports, p)
			}
		}
		for _, network := range c.NetworkSettings.Networks {
			if network.IPAddress != "" {
				addresses[network.IPAddress] = c.Service()
			}
		}
	}
	if len(ports) < 10 || len(addresses) < 8 {
		t.Fatalf("only %d ports and %d addresses were found", len(ports), len(addresses))
	}
	var targets bytes.Buffer
	for address := range addresses {
		for _, p := range ports {
			fmt.Fprintf(&targets, "%s %d\n", address, p)
		}
	}
	const try = `while read -r a p; do (timeout 3 bash -c "exec 3<>/dev/tcp/$a/$p" 2>/dev/null && echo $a $p) & done; wait`
	out, err := run(t.Context(), "", &targets, "docker", "run", "--rm", "--interactive", "--network", r.Edge, debian, "bash", "-c", try)
	if err != nil {
		t.Fatal(err)
	}
	var reached []string
	for line := range strings.Lines(out) {
		address, port, _ := strings.Cut(strings.TrimSpace(line), " ")
		reached = append(reached, addresses[address]+":"+port)
	}
	slices.Sort(reached)
	if reached = slices.Compact(reached); !slices.Equal(reached, r.Open) {
		t.Errorf("a container on %s reaches %v, want %v", r.Edge, reached, r.Open)
	}
	t.Logf("%d addresses with %d ports were tried", len(addresses), len(ports))
}

// Heals kills the program of every container once, as a crash does, and waits until all is well again.
func (r *Running) Heals(t *testing.T) {
	t.Helper()
	all, err := r.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if !c.Stays() || c.State.Pid == 0 {
			continue
		}
		began := time.Now()
		if err := syscall.Kill(c.State.Pid, syscall.SIGKILL); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		platform.Eventually(t, 2*time.Minute, func() error { return r.replaced(t.Context(), all, c) })
		t.Logf("%s was killed, and all was well after %.0fs", c.Name, time.Since(began).Seconds())
		if all, err = r.Containers(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// replaced is an error until each service has as many containers as before, all are well, and the killed process is not
// among them.
func (r *Running) replaced(ctx context.Context, before []Container, killed Container) error {
	after, err := r.Containers(ctx)
	if err != nil {
		return err
	}
	well := map[string]int{}
	for _, c := range after {
		if c.Healthy() == nil {
			well[c.Service()]++
		}
		if c.State.Pid == killed.State.Pid {
			return fmt.Errorf("%s still has process %d", c.Name, c.State.Pid)
		}
	}
	wanted := map[string]int{}
	for _, c := range before {
		wanted[c.Service()]++
	}
	for service, n := range wanted {
		if well[service] < n {
			return fmt.Errorf("after %s was killed, %d of %d containers of %s are well", killed.Name, well[service], n, service)
		}
	}
	return r.respond(ctx)
}

// volumeSecrets reads the secrets of services from volumes named project_service-secrets.
func volumeSecrets(project string) func(ctx context.Context, service string) (map[string]string, error) {
	return func(ctx context.Context, service string) (map[string]string, error) {
		dir, err := docker(ctx, "volume", "inspect", "--format", "{{.Mountpoint}}", project+"_"+service+"-secrets")
		if err != nil {
			return nil, err
		}
		return readSecrets(filepath.Join(dir, "secrets.json"))
	}
}

func readSecrets(file string) (secrets map[string]string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return secrets, json.Unmarshal(text, &secrets)
}

// NothingLeft checks that the engine has no container, volume or network but its own three.
func NothingLeft(t *testing.T) {
	t.Helper()
	for _, list := range []string{"ps --all --quiet", "volume ls --quiet", "network ls --quiet --filter type=custom"} {
		if out, err := docker(t.Context(), strings.Fields(list)...); err != nil || out != "" {
			t.Errorf("docker %s: %s %v", list, out, err)
		}
	}
}
