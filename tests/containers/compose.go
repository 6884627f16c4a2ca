package containers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// checkout copies the repository's files without .env, secrets/ and data of this machine, once: compositions run in it
// as on a machine that has just cloned it.
var checkout = sync.OnceValues(func() (string, error) {
	ctx, root := context.Background(), filepath.Join("..", "..")
	dir, err := filepath.Abs(filepath.Join(folder(), "sidecart"))
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	list, err := run(ctx, root, nil, "git", "ls-files", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return "", err
	}
	for name := range strings.Lines(list) {
		from, to := filepath.Join(root, strings.TrimSpace(name)), filepath.Join(dir, strings.TrimSpace(name))
		info, err := os.Stat(from)
		if os.IsNotExist(err) { // deleted, and not committed yet
			continue
		}
		if err != nil {
			return "", err
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(to, text, info.Mode().Perm()); err != nil {
			return "", err
		}
	}
	return dir, nil
})

// Composition is a project of Docker Compose.
type Composition struct {
	Dir     string   // a copy of the repository
	Project string   // its name
	Files   []string // none: docker-compose.yml
	Env     []string
}

// NewComposition starts nothing. What the test leaves running is removed at its end.
func NewComposition(t *testing.T, project string, files ...string) *Composition {
	t.Helper()
	needsEngine(t)
	dir, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	c := &Composition{Dir: dir, Project: project, Files: files}
	t.Cleanup(func() {
		if t.Failed() {
			c.dump(t)
		}
		if err := removeLeftovers(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Run runs a command of docker compose as people type it, and returns what it writes.
func (c *Composition) Run(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	args := []string{"compose", "--progress", "plain"}
	for _, file := range c.Files {
		args = append(args, "-f", file)
	}
	cmd := exec.CommandContext(ctx, "docker", append(args, strings.Fields(command)...)...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.Dir, append(os.Environ(), c.Env...), 5*time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("docker compose %s: %w\n%s", command, err, tailOf(string(out)))
	}
	return string(out), nil
}

func tailOf(text string) string { return text[max(0, len(text)-4000):] }

// build is how Compose describes the build of an image.
type build struct {
	Context    string            `json:"context"`
	Dockerfile string            `json:"dockerfile"`
	Target     string            `json:"target"`
	Args       map[string]string `json:"args"`
}

// Build builds the images that the composition names, with the engine's own builder: Compose would need buildx.
func (c *Composition) Build(t *testing.T) {
	t.Helper()
	out, err := c.Run(t.Context(), "--profile * config --format json --no-interpolate")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Services map[string]struct {
			Image string `json:"image"`
			Build *build `json:"build"`
		} `json:"services"`
	}
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &config); err != nil {
		t.Fatalf("%v\n%s", err, tailOf(out))
	}
	done := map[string]bool{}
	for _, s := range config.Services {
		if s.Build == nil || done[s.Image] {
			continue
		}
		done[s.Image] = true
		args := []string{"build", "--tag", imageName(s.Image), "--file", filepath.Join(s.Build.Context, s.Build.Dockerfile)}
		if s.Build.Target != "" {
			args = append(args, "--target", s.Build.Target)
		}
		for name, value := range s.Build.Args {
			args = append(args, "--build-arg", name+"="+value)
		}
		began := time.Now()
		if _, err := docker(t.Context(), append(args, s.Build.Context)...); err != nil {
			t.Fatal(err)
		}
		t.Logf("built %s in %.0fs", imageName(s.Image), time.Since(began).Seconds())
	}
}

// imageName is the name of an image with the defaults of its variables.
func imageName(image string) string {
	return strings.NewReplacer("${REGISTRY:-}", "", "${VERSION:-latest}", "latest").Replace(image)
}

// dump writes the ends of the logs of containers that are not well.
func (c *Composition) dump(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	all, err := c.Containers(ctx)
	if err != nil {
		t.Log(err)
	}
	for _, one := range all {
		if one.Healthy() == nil && one.RestartCount == 0 {
			continue
		}
		logs, _ := exec.CommandContext(ctx, "docker", "logs", "--tail", "15", one.ID).CombinedOutput()
		t.Logf("%s (%s %s, exit code %d, %d restarts):\n%s", one.Name, one.State.Status, one.State.Health.Status,
			one.State.ExitCode, one.RestartCount, tailOf(string(logs)))
	}
}
