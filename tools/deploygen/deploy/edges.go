package deploy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Edge is a connection that a network must allow: from one group of containers to another's port.
type Edge struct {
	From, To string
	Port     int
}

// ControlPlane are Dapr's own services.
func (Platform) ControlPlane() []string { return []string{"sentry", "placement", "scheduler"} }

// Ports of what the services and their sidecars use.
const (
	sentryPort, placementPort, schedulerPort = 50001, 50005, 50006
	postgresPort, redisPort                  = 5432, 6379
)

// Edges are the connections between services, control plane, Postgres and Redis: those of access lists, and what
// components and the control plane need.
func (p Platform) Edges() (all []Edge) {
	for _, a := range p.Apps {
		for _, caller := range a.Callers {
			all = append(all, Edge{caller, a.ID, InternalPort})
		}
		if a.Actors() {
			all = append(all, Edge{a.ID, a.ID, InternalPort}) // a workflow runs in one replica, and another may start it
		}
		all = append(all, Edge{a.ID, "sentry", sentryPort}, Edge{a.ID, "placement", placementPort},
			Edge{a.ID, "scheduler", schedulerPort})
		if a.HasDatabase() {
			all = append(all, Edge{a.ID, "postgres", postgresPort})
		}
		if a.UsesRedis() {
			all = append(all, Edge{a.ID, "redis", redisPort})
		}
	}
	return append(all, Edge{"placement", "sentry", sentryPort}, Edge{"scheduler", "sentry", sentryPort})
}

// usedComponent is a component of sidecars in containers.
type usedComponent struct {
	Metadata struct{ Name string }
	Spec     struct {
		Type     string
		Metadata []struct{ Name, Value string }
	}
	Scopes []string
}

func readComponents(root string) (all []usedComponent, err error) {
	files, err := filepath.Glob(filepath.Join(root, "components/compose/*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		var c usedComponent
		if err := parse("", path, &c); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s/components/compose has no components", root)
	}
	return all, nil
}

// Uses reports whether the app's sidecar has a component.
func (a App) Uses(name string) bool {
	return slices.ContainsFunc(a.components, func(c usedComponent) bool {
		return c.Metadata.Name == name && slices.Contains(c.Scopes, a.ID)
	})
}

// UsesRedis reports whether the service or its sidecar connects to Redis.
func (a App) UsesRedis() bool {
	return a.Reads("REDIS_ADDR") || slices.ContainsFunc(a.components, func(c usedComponent) bool {
		return strings.HasSuffix(c.Spec.Type, ".redis") && slices.Contains(c.Scopes, a.ID)
	})
}

// Actors reports whether the app has actors: workflows.
func (a App) Actors() bool {
	return slices.ContainsFunc(a.components, func(c usedComponent) bool {
		return slices.Contains(c.Scopes, a.ID) && slices.ContainsFunc(c.Spec.Metadata, func(v struct{ Name, Value string }) bool {
			return v.Name == "actorStateStore" && v.Value == "true"
		})
	})
}
