package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sidecart/tools/cloudformation"
)

// ecsDomain is the domain of names in the private network.
const ecsDomain = "sidecart.internal"

// ecs runs the task definitions of deploy/ecs on an engine, as ECS would: the containers of a task share a network and
// volumes, and begin in the order of DependsOn.
type ecs struct {
	name    string // of the network, and prefix of containers and volumes
	image   func(name string) string
	secrets map[string]string // by ARN
	roots   string            // file of the authorities that containers trust
	stacks  map[string]cloudformation.Stack
	started []string // containers
}

// ecsParameters are those that have no default.
var ecsParameters = map[string]string{
	"Tag": "1", "Certificate": "arn:aws:acm:eu-central-1:123456789012:certificate/1", "PublicUrl": "http://localhost:8000",
	"TrustedHosts": "localhost,127.0.0.1", "SmtpAddr": "mail.invalid:587", "BootstrapAdmin": "first-user",
}

// readStacks evaluates the templates in the order of deployments. Exports replace what AWS would have invented.
func readStacks(folder string, apps []string, exports map[string]any) (map[string]cloudformation.Stack, error) {
	stacks, known := map[string]cloudformation.Stack{}, map[string]any{}
	for _, name := range append([]string{"base", "network", "data", "control-plane"}, apps...) {
		template, err := cloudformation.Read(filepath.Join(folder, name+".yaml"))
		if err != nil {
			return nil, err
		}
		stack, err := cloudformation.Evaluate(template, ecsParameters, known)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for export, value := range stack.Exports {
			if own, ok := exports[export]; ok {
				value = own
			}
			known[export] = value
		}
		stacks[name] = stack
	}
	return stacks, nil
}

// runTask runs the task definition of a stack. It returns when every container with a health check is healthy, or, if
// no container stays, when all ended with success.
func (e *ecs) runTask(ctx context.Context, stack, resource, name string, ports ...string) error {
	task, err := cloudformation.TaskOf(e.stacks[stack].Resources[resource])
	if err != nil {
		return fmt.Errorf("%s: %w", stack, err)
	}
	if err := e.pod(ctx, name, ports); err != nil {
		return err
	}
	done := map[string]bool{}
	for len(done) < len(task.Containers) {
		before := len(done)
		for _, c := range task.Containers {
			waits := slices.ContainsFunc(c.DependsOn, func(d cloudformation.Dependency) bool { return !done[d.Container] })
			if done[c.Name] || waits {
				continue
			}
			stays := len(task.Containers) > 1 && c.IsEssential()
			if err := e.container(ctx, task, c, name, stays); err != nil {
				return fmt.Errorf("%s: %s: %w", name, c.Name, err)
			}
			done[c.Name] = true
		}
		if len(done) == before {
			return fmt.Errorf("%s: its containers wait for one another", name)
		}
	}
	return e.awaitHealth(ctx, task, name)
}

// pod holds the network of a task, under the name that the private network has for the service.
func (e *ecs) pod(ctx context.Context, name string, ports []string) error {
	args := []string{"run", "--detach", "--name", e.name + "-" + name, "--network", e.name, "--network-alias", name + "." + ecsDomain}
	for _, p := range ports {
		args = append(args, "--publish", p)
	}
	e.started = append(e.started, e.name+"-"+name)
	_, err := docker(ctx, append(args, e.image("podinit"), "network")...)
	return err
}

func (e *ecs) container(ctx context.Context, task cloudformation.Task, c cloudformation.Container, name string, stays bool) error {
	full := e.name + "-" + name + "-" + c.Name
	args := []string{
		"run", "--name", full, "--network", "container:" + e.name + "-" + name, "--user", c.User,
		"--security-opt", "no-new-privileges", "--volume", e.roots + ":/etc/ssl/certs/ca-certificates.crt:ro",
	}
	if stays {
		args = append(args, "--detach")
	}
	args = append(args, restrictions(c)...)
	for _, m := range c.Mounts {
		if !slices.ContainsFunc(task.Volumes, func(v cloudformation.Volume) bool { return v.Name == m.Volume }) {
			return fmt.Errorf("the task has no volume %s", m.Volume)
		}
		mode := map[bool]string{true: ":ro"}[m.ReadOnly]
		args = append(args, "--volume", e.name+"-"+name+"-"+m.Volume+":"+m.Path+mode)
	}
	for _, v := range c.Environment {
		args = append(args, "--env", v.Name+"="+v.Value)
	}
	var env []string // of the client: secrets are on no command line
	for _, s := range c.Secrets {
		value, err := e.secret(s.From)
		if err != nil {
			return err
		}
		env, args = append(env, s.Name+"="+value), append(args, "--env", s.Name)
	}
	command := c.Command
	if len(c.EntryPoint) > 0 {
		args, command = append(args, "--entrypoint", c.EntryPoint[0]), append(slices.Clone(c.EntryPoint[1:]), c.Command...)
	}
	e.started = append(e.started, full)
	return dockerWith(ctx, env, append(append(args, e.local(c.Image)), command...)...)
}

// restrictions are what the task definition takes from a container.
func restrictions(c cloudformation.Container) (args []string) {
	if c.ReadOnly {
		args = append(args, "--read-only")
	}
	for _, capability := range c.Linux.Capabilities.Drop {
		args = append(args, "--cap-drop", capability)
	}
	if c.Memory > 0 {
		args = append(args, "--memory", fmt.Sprintf("%dm", c.Memory))
	}
	return args
}

// dockerWith runs the engine's client with more variables in its environment.
func dockerWith(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// local is the name of an image on this engine.
func (e *ecs) local(image string) string {
	path := image[strings.LastIndexByte(image, '/')+1:]
	name, _, _ := strings.Cut(path, ":")
	return e.image(name)
}

// secret resolves what ECS takes from Secrets Manager: ARN, or ARN:KEY:: for a part of a JSON object.
func (e *ecs) secret(from string) (string, error) {
	for arn, text := range e.secrets {
		if from == arn {
			return text, nil
		}
		key, ok := strings.CutPrefix(from, arn+":")
		if !ok {
			continue
		}
		var object map[string]string
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return "", err
		}
		if value, ok := object[strings.TrimSuffix(key, "::")]; ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("no secret %s", from)
}

// awaitHealth runs the health checks of a task's containers, as ECS does.
func (e *ecs) awaitHealth(ctx context.Context, task cloudformation.Task, name string) error {
	for _, c := range task.Containers {
		if c.HealthCheck == nil {
			continue
		}
		full := e.name + "-" + name + "-" + c.Name
		args := append([]string{"exec", full}, c.HealthCheck.Command[1:]...) // the first is CMD
		if err := until(ctx, 3*time.Minute, func() error {
			running, err := docker(ctx, "inspect", "--format", "{{.State.Running}}", full)
			if running == "false" {
				return errEnded
			}
			if err == nil {
				_, err = docker(ctx, args...)
			}
			return err
		}); err != nil {
			return fmt.Errorf("%s does not get healthy: %w", full, err)
		}
	}
	return nil
}

var errEnded = errors.New("the container has ended")

// until repeats a step until it succeeds, and fails with its last error after a time, or immediately with errEnded.
func until(ctx context.Context, limit time.Duration, step func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := step()
		if err == nil || errors.Is(err, errEnded) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}
