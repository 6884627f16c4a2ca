package containers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const socket = "/run/docker.sock"

// Engine is a Docker engine in the sandbox.
type Engine struct {
	cmd  *exec.Cmd
	over chan struct{}
	log  string
}

// StartEngine starts dockerd, with data that remains between runs, and removes what a killed run has left in it.
func StartEngine(ctx context.Context) (*Engine, error) {
	dir, err := filepath.Abs(folder())
	if err != nil {
		return nil, err
	}
	if err := useCompose(dir); err != nil {
		return nil, err
	}
	e := &Engine{over: make(chan struct{}), log: filepath.Join(dir, "dockerd.log")}
	log, err := os.Create(e.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	e.cmd = exec.CommandContext(context.WithoutCancel(ctx), "dockerd", "--data-root", filepath.Join(dir, "data"),
		"--exec-root", "/run/docker", "--pidfile", "/run/dockerd.pid", "--host", "unix://"+socket,
		"--cgroup-parent", "/"+os.Getenv(cgroupVariable), "--dns", dns)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = e.cmd.Wait()
		close(e.over)
	}()
	if err := errors.Join(os.Setenv("DOCKER_HOST", "unix://"+socket), os.Setenv("DOCKER_BUILDKIT", "1")); err != nil {
		return nil, err
	}
	if err := e.await(ctx); err != nil {
		return nil, err
	}
	return e, removeLeftovers(ctx)
}

// useCompose makes our Compose a plugin of the engine's client, with a configuration of its own.
func useCompose(dir string) error {
	config := filepath.Join(dir, "config")
	plugin := filepath.Join(config, "cli-plugins", "docker-compose")
	if err := os.MkdirAll(filepath.Dir(plugin), 0o755); err != nil {
		return err
	}
	if err := os.Remove(plugin); err != nil && !os.IsNotExist(err) {
		return err
	}
	return errors.Join(os.Symlink(os.Getenv("COMPOSE"), plugin), os.Setenv("DOCKER_CONFIG", config))
}

func (e *Engine) await(ctx context.Context) error {
	for range 300 {
		select {
		case <-e.over:
			return fmt.Errorf("dockerd ended at its start:\n%s", e.tail())
		case <-time.After(100 * time.Millisecond):
		}
		if _, err := docker(ctx, "version"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("dockerd is not ready after 30 s:\n%s", e.tail())
}

func (e *Engine) tail() string {
	text, _ := os.ReadFile(e.log)
	return string(text[max(0, len(text)-3000):])
}

// Stop stops the engine and with it all containers.
func (e *Engine) Stop() error {
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-e.over:
		return nil
	case <-time.After(20 * time.Second):
		return fmt.Errorf("dockerd does not stop within 20 s:\n%s", e.tail())
	}
}

// removeLeftovers removes all containers, volumes and networks: images and the builder's cache stay.
func removeLeftovers(ctx context.Context) error {
	if state, err := docker(ctx, "info", "--format", "{{.Swarm.LocalNodeState}}"); err != nil || state != "inactive" {
		if _, err := docker(ctx, "swarm", "leave", "--force"); err != nil {
			return err
		}
	}
	for _, kind := range [][2]string{
		{"ps --all --quiet", "rm --force --volumes"}, {"volume ls --quiet", "volume rm --force"},
		{"network ls --quiet --filter type=custom", "network rm"},
	} {
		ids, err := docker(ctx, strings.Fields(kind[0])...)
		if err != nil {
			return err
		}
		if ids != "" {
			if _, err := docker(ctx, append(strings.Fields(kind[1]), strings.Fields(ids)...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// docker runs the engine's client and returns its output.
func docker(ctx context.Context, args ...string) (string, error) {
	return run(ctx, "", nil, "docker", args...)
}

// run runs a program and returns its output; the error has what it wrote.
func run(ctx context.Context, dir string, stdin io.Reader, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, stdin, &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		all := stdout.String() + stderr.String()
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, all[max(0, len(all)-3000):])
	}
	return strings.TrimSpace(stdout.String()), nil
}
