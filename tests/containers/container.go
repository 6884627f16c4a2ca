package containers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Container is what the engine reports of a container.
type Container struct {
	ID           string `json:"Id"`
	Name         string
	RestartCount int
	State        struct {
		Status   string
		Pid      int
		ExitCode int
		Health   struct{ Status string }
	}
	Config struct {
		Labels map[string]string
		User   string
	}
	HostConfig struct {
		RestartPolicy  struct{ Name string }
		ReadonlyRootfs bool
		CapDrop        []string
		Memory         int64
		PidsLimit      *int64
		LogConfig      struct{ Config map[string]string }
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress string }
	}
}

// Containers are those of the project, stopped ones too.
func (c *Composition) Containers(ctx context.Context) ([]Container, error) {
	return containers(ctx, "label=com.docker.compose.project="+c.Project)
}

// containers are those that a filter selects, by name.
func containers(ctx context.Context, filter string) (all []Container, err error) {
	ids, err := docker(ctx, "ps", "--all", "--quiet", "--no-trunc", "--filter", filter)
	if err != nil || ids == "" {
		return nil, err
	}
	out, err := docker(ctx, append([]string{"inspect"}, strings.Fields(ids)...)...)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Name = strings.TrimPrefix(all[i].Name, "/")
	}
	slices.SortFunc(all, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Service is the name of its service in Compose or in a Swarm.
func (c Container) Service() string {
	if name := c.Config.Labels["com.docker.compose.service"]; name != "" {
		return name
	}
	_, name, _ := strings.Cut(c.Config.Labels["com.docker.swarm.service.name"], "_")
	return name
}

// Stays reports whether it is to run all the time, and not only once.
func (c Container) Stays() bool {
	policy := c.HostConfig.RestartPolicy.Name
	return policy != "" && policy != "no" || c.Config.Labels["com.docker.swarm.service.name"] != ""
}

// Healthy is an error unless it does what it is to do: it runs and is healthy, or has ended without an error.
func (c Container) Healthy() error {
	switch {
	case !c.Stays() && c.State.Status == "exited" && c.State.ExitCode == 0:
		return nil
	case c.State.Status != "running":
		return fmt.Errorf("%s is %s with exit code %d", c.Name, c.State.Status, c.State.ExitCode)
	case c.State.Health.Status != "" && c.State.Health.Status != "healthy":
		return fmt.Errorf("%s is %s", c.Name, c.State.Health.Status)
	}
	return nil
}

// listening are the TCP ports on which its programs listen, also those on its loopback.
func (c Container) listening() (ports []int) {
	for _, file := range []string{"tcp", "tcp6"} {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", c.State.Pid, file))
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 4 || fields[3] != "0A" { // LISTEN
				continue
			}
			_, hex, _ := strings.Cut(fields[1], ":")
			if port, err := strconv.ParseUint(hex, 16, 16); err == nil && !slices.Contains(ports, int(port)) {
				ports = append(ports, int(port))
			}
		}
	}
	return ports
}
