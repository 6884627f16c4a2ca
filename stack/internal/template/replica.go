package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Replicas is the number of replicas by app id; the default is one.
type Replicas map[string]int

const maxReplicas = 3

// String is the format of ParseReplicas.
func (r Replicas) String() string {
	parts := make([]string, 0, len(r))
	for id, n := range r {
		parts = append(parts, fmt.Sprintf("%s=%d", id, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// ParseReplicas reads "products=2,orders=2".
func ParseReplicas(text string) (Replicas, error) {
	all := Replicas{}
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		id, number, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > maxReplicas {
			return nil, fmt.Errorf("%q: write replicas like products=2,orders=2, at most %d each", part, maxReplicas)
		}
		all[id] = n
	}
	return all, nil
}

// Replicate adds replicas of services. They share the app id, so that sidecars spread calls and events over them. Each
// has its own ports: 20 above those of the first, then 40. It fails for an unknown service.
func Replicate(apps []App, wanted Replicas) ([]App, error) {
	rest := maps.Clone(wanted)
	out := apps
	for _, a := range apps {
		delete(rest, a.ID)
		for n := 2; n <= wanted[a.ID]; n++ {
			out = append(out, a.nth(n))
		}
	}
	for id := range rest {
		return nil, fmt.Errorf("no service %q", id)
	}
	return out, nil
}

func (a App) nth(n int) App {
	shift := 20 * (n - 1)
	a.replica = n
	for _, p := range []*int{&a.Port, &a.HTTPPort, &a.GRPCPort, &a.InternalGRPCPort, &a.MetricsPort} {
		*p += shift
	}
	env := maps.Clone(a.Env)
	for name, value := range env {
		if port, err := strconv.Atoi(value); err == nil && strings.HasSuffix(name, "_PORT") {
			env[name] = strconv.Itoa(port + shift)
		}
	}
	a.Env = env
	return a
}

// IsReplica reports whether this is the second or a later replica of an app.
func (a App) IsReplica() bool { return a.replica > 1 }

// Name is the process's name: the app id, or "orders-2" for the second replica.
func (a App) Name() string {
	if !a.IsReplica() {
		return a.ID
	}
	return a.ID + "-" + strconv.Itoa(a.replica)
}
