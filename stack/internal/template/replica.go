package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Replicas say how many of a service run, by app id: one where nothing is said.
type Replicas map[string]int

const mostReplicas = 3

// String is what ParseReplicas reads.
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
		if err != nil || n < 1 || n > mostReplicas {
			return nil, fmt.Errorf("%q: replicas are said like products=2,orders=%d, at most that many", part, mostReplicas)
		}
		all[id] = n
	}
	return all, nil
}

// Replicate adds the further replicas of services. All have the app id, so that sidecars share the calls and events among
// them, and each has ports of its own, beside those of the first: 20 above, 40 above. It fails for a service that is none.
func Replicate(apps []App, wanted Replicas) ([]App, error) {
	rest := maps.Clone(wanted)
	out := apps
	for _, a := range apps {
		delete(rest, a.ID)
		for n := 2; n <= wanted[a.ID]; n++ {
			out = append(out, a.replica(n))
		}
	}
	for id := range rest {
		return nil, fmt.Errorf("there is no service %q to have replicas of", id)
	}
	return out, nil
}

func (a App) replica(n int) App {
	shift := 20 * (n - 1)
	a.number = n
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

// Further says whether this is another replica of an app that came before it.
func (a App) Further() bool { return a.number > 1 }

// Name is that of this one process: the app id, and "orders-2" for the second replica.
func (a App) Name() string {
	if !a.Further() {
		return a.ID
	}
	return a.ID + "-" + strconv.Itoa(a.number)
}
