// Package route is the table of the public API: each path with its permission, limit and service.
package route

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Gateway is the app id of the gateway, for routes that it serves itself. Such a route is declared with web.Handle on
// the gateway's own app, at its public path.
const Gateway = "gateway"

// Defaults of routes. Deadlines are in this table because Dapr (1.18.2) has one timeout per app, not per route, and its
// app timeouts are not safe: see dapr/resiliency/gateway.yaml. A service cancels its own work after 10 s (kit/web).
const (
	defaultBodyLimit = 1 << 20
	readDeadline     = 3 * time.Second
	writeDeadline    = 9 * time.Second
)

// Limit is how often a caller may use a route; bursts may be as large.
type Limit struct{ PerMinute int }

// Route is one operation of the public API.
type Route struct {
	Do        string          // "POST /api/v1/orders/{id}/cancel"
	Service   string          // the app id of the service, or Here
	Need      shop.Permission // the caller's permission
	Limit     Limit
	Cached    bool          // responses are the same for all callers and may be a second old
	BodyLimit int           // in bytes; 0 is 1 MiB
	Deadline  time.Duration // of the whole response, retries included; 0 is 3 s for a read and 9 s for a write
	// Deprecated is zero for a route that is not deprecated.
	Deprecated Deprecation

	names map[string][]string // that other routes have in the place of a parameter
}

// Takes reports whether the parameters can be ids. The name of another route, such as me in /users/me, is none:
// sidecars and services could take the path for that route.
func (r Route) Takes(value func(parameter string, fallback ...string) string) bool {
	for parameter, names := range r.names {
		if slices.Contains(names, value(parameter)) {
			return false
		}
	}
	return true
}

// Method is the HTTP method.
func (r Route) Method() string {
	method, _, _ := strings.Cut(r.Do, " ")
	return method
}

// Path is the public path, such as /api/v1/orders/{id}.
func (r Route) Path() string {
	_, path, _ := strings.Cut(r.Do, " ")
	return path
}

// Pattern is the path for Fiber, such as /api/v1/orders/:id.
func (r Route) Pattern() string {
	return strings.NewReplacer("{", ":", "}", "").Replace(r.Path())
}

// Reads reports whether the route is a GET.
func (r Route) Reads() bool { return r.Method() == fiber.MethodGet }

// Complete fills in the defaults of a table and sorts fixed paths before patterns. It fails on an invalid route.
func Complete(table []Route) ([]Route, error) {
	routes := slices.Clone(table)
	seen := map[string]bool{}
	for i := range routes {
		r := &routes[i]
		if r.BodyLimit == 0 {
			r.BodyLimit = defaultBodyLimit
		}
		if r.Deadline == 0 {
			r.Deadline = writeDeadline
			if r.Reads() {
				r.Deadline = readDeadline
			}
		}
		switch {
		case seen[r.Do]:
			return nil, fmt.Errorf("route %s is declared twice", r.Do)
		case r.Service == "" || r.Need == "" || r.Limit.PerMinute < 1 || !strings.HasPrefix(r.Path(), "/"):
			return nil, fmt.Errorf("route %q needs a path, a service, a permission and a limit", r.Do)
		case r.Deprecated.Since.After(r.Deprecated.Sunset) && !r.Deprecated.Sunset.IsZero():
			return nil, fmt.Errorf("route %s ends before it is deprecated", r.Do)
		case r.Cached && (r.Need != shop.Anyone || !r.Reads()):
			return nil, fmt.Errorf("route %s cannot be cached: it is not a public read", r.Do)
		}
		seen[r.Do] = true
	}
	for i := range routes {
		routes[i].names = namesBeside(routes[i], routes)
	}
	// Fiber matches routes in this order.
	slices.SortStableFunc(routes, func(a, b Route) int { return strings.Compare(web.Rank(a.Path()), web.Rank(b.Path())) })
	return routes, nil
}

// namesBeside are the fixed segments that other routes have in the place of each parameter of a route.
func namesBeside(r Route, all []Route) map[string][]string {
	names, own := map[string][]string{}, strings.Split(r.Path(), "/")
	for _, other := range all {
		for i, segment := range strings.Split(other.Path(), "/") {
			if i == len(own) {
				break
			}
			parameter, ok := strings.CutPrefix(own[i], "{")
			if own[i] == segment || ok && strings.HasPrefix(segment, "{") {
				continue
			}
			if ok {
				parameter = strings.TrimSuffix(parameter, "}")
				names[parameter] = append(names[parameter], segment)
			}
			break
		}
	}
	return names
}

// Services returns the sorted app ids of the routes' services, without Here.
func Services(routes []Route) []string {
	var services []string
	for _, r := range routes {
		if r.Service != Gateway {
			services = append(services, r.Service)
		}
	}
	slices.Sort(services)
	return slices.Compact(services)
}
