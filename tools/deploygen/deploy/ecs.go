package deploy

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Domain is the domain of names in the private network of ECS.
func (Platform) Domain() string { return "sidecart.internal" }

// Public reports whether clients reach the service.
func (a App) Public() bool { return a.ID == "gateway" }

// OutsideApps are the services that call others on the internet.
func (p Platform) OutsideApps() (ids []string) {
	for _, a := range p.Apps {
		if a.Size.Outside {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// Containers are all that have secrets of their own.
func (p Platform) Containers() (names []string) {
	for _, a := range p.Apps {
		names = append(names, a.ID)
	}
	return append(append(names, p.ControlPlane()...), "postgres", "redis")
}

// TaskGroups are the security groups of tasks. "database" is the task that creates databases.
func (p Platform) TaskGroups() (names []string) {
	for _, a := range p.Apps {
		names = append(names, a.ID)
	}
	return append(append(names, p.ControlPlane()...), "database")
}

// Groups are all security groups.
func (p Platform) Groups() []string {
	return append(p.TaskGroups(), "loadbalancer", "endpoints", "postgres", "redis", "files")
}

// GroupEdges are the connections between security groups.
func (p Platform) GroupEdges() []Edge {
	edges := p.Edges()
	for _, a := range p.Apps {
		if a.Public() {
			edges = append(edges, Edge{"loadbalancer", a.ID, a.Port})
		}
	}
	return append(edges, Edge{"database", "postgres", postgresPort}, Edge{"scheduler", "files", 2049})
}

// CloudComponents are the components of sidecars on ECS: those of components/compose with another Redis, and those of
// components/cloud/aws.
func (p Platform) CloudComponents() (all []string, err error) {
	files, err := filepath.Glob(filepath.Join(p.root, "components/compose/*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		name := filepath.Base(path)
		if slices.Contains([]string{"config.yaml", "sentry.yaml", "images.yaml", "sms.yaml"}, name) {
			continue
		}
		text, err := p.File("components/compose/" + name)
		if err != nil {
			return nil, err
		}
		if strings.Contains(text, ".redis\n") {
			if text, err = cloudRedis(text); err != nil {
				return nil, fmt.Errorf("components/compose/%s: %w", name, err)
			}
		}
		all = append(all, text)
	}
	images, err := p.File("components/cloud/aws/images.yaml")
	return append(all, images), err
}

var (
	redisHost = regexp.MustCompile(`(?m)^    - name: redisHost\n      .*$`)
	redisTLS  = regexp.MustCompile(`(?m)^    - name: enableTLS\n      .*\n`)
)

func cloudRedis(text string) (string, error) {
	if len(redisHost.FindAllString(text, -1)) != 1 {
		return "", errors.New("has not one redisHost")
	}
	return redisHost.ReplaceAllString(redisTLS.ReplaceAllString(text, ""),
		"    - name: redisHost\n      envRef: REDIS_ADDR\n    - name: enableTLS\n      value: \"true\""), nil
}

// Fargate is the size of a task: in 1024ths of a processor, and MiB.
type Fargate struct{ CPU, Memory int }

// Fargate is the smallest size that AWS offers with the memory of the service and its sidecar, and the processors of
// the service. It fails if there is none.
func (a App) Fargate() (Fargate, error) {
	service, err := Megabytes(a.Size.Memory)
	if err != nil {
		return Fargate{}, err
	}
	sidecar, err := Megabytes(a.Size.SidecarMemory)
	if err != nil {
		return Fargate{}, err
	}
	cpus, err := strconv.ParseFloat(a.Size.CPUs, 64)
	if err != nil {
		return Fargate{}, fmt.Errorf("deploy/services.yaml: cpus of %s: %w", a.ID, err)
	}
	// What AWS offers: processors, and then whole gigabytes from the least to the most.
	for _, offer := range []struct{ cpu, least, most int }{
		{256, 1, 2}, {512, 1, 4}, {1024, 2, 8}, {2048, 4, 16}, {4096, 8, 30},
	} {
		memory := 1024 * max(offer.least, (service+sidecar+1023)/1024)
		if float64(offer.cpu) >= cpus*1024 && memory <= 1024*offer.most {
			return Fargate{offer.cpu, memory}, nil
		}
	}
	return Fargate{}, fmt.Errorf("deploy/services.yaml: ECS has no task as large as %s", a.ID)
}

// Megabytes is a size like 256M or 1G.
func Megabytes(size string) (int, error) {
	for unit, factor := range map[string]int{"M": 1, "G": 1024} {
		if number, ok := strings.CutSuffix(size, unit); ok {
			n, err := strconv.Atoi(number)
			return n * factor, err
		}
	}
	return 0, fmt.Errorf("%q is not a size like 256M or 1G", size)
}

// title makes a logical id of CloudFormation from a name: orders, ecr.api.
func title(name string) string {
	parts := strings.FieldsFunc(name, func(c rune) bool { return c == '.' || c == '_' || c == '-' })
	for n, part := range parts {
		parts[n] = strings.ToUpper(part[:1]) + strings.ToLower(part[1:])
	}
	return strings.Join(parts, "")
}

func contains(all []string, one string) bool { return slices.Contains(all, one) }
