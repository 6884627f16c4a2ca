// Package route is the public API on one screen: each path, who may ask, how often, and the service that answers.
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

// Here is who answers what no service does: the gateway itself. Such a route is declared with web.Handle on the gateway's
// own app, at its public path, behind the door.
const Here = "gateway"

// What a route has unless it says otherwise. Deadlines are in this table because Dapr (1.18.2) takes one timeout for an
// app, not for a route, and its timeouts of apps are not safe: see dapr/resiliency/gateway.yaml. A service stops its
// own work after 10 s (kit/web), so the gateway says that it was late.
const (
	defaultBodyLimit = 1 << 20
	readDeadline     = 3 * time.Second
	writeDeadline    = 9 * time.Second
)

// Limit is how often a caller may use a route. They may also do as much at once.
type Limit struct{ PerMinute int }

// Route is one operation of the public API.
type Route struct {
	Do        string          // "POST /api/v1/orders/{id}/cancel"
	By        string          // the service that answers: an app id, or Here
	Need      shop.Permission // what the caller must be allowed
	Limit     Limit
	Cached    bool          // answers are the same for everybody and may be a second old
	BodyLimit int           // in bytes; 0 is 1 MiB
	Deadline  time.Duration // of the whole answer, retries included; 0 is 3 s for a read and 9 s for a write
	// Deprecated says that clients should go elsewhere; the zero Deprecation is for all others.
	Deprecated Deprecation
}

// Method is the HTTP method.
func (r Route) Method() string {
	method, _, _ := strings.Cut(r.Do, " ")
	return method
}

// Path is the public path, written /api/v1/orders/{id}.
func (r Route) Path() string {
	_, path, _ := strings.Cut(r.Do, " ")
	return path
}

// Pattern is the path as Fiber writes it, /api/v1/orders/:id.
func (r Route) Pattern() string {
	return strings.NewReplacer("{", ":", "}", "").Replace(r.Path())
}

// Reads says whether the route changes nothing.
func (r Route) Reads() bool { return r.Method() == fiber.MethodGet }

// Complete fills in the defaults of a table and puts routes with text before those with a parameter in its place. It
// fails on a route that cannot be served as it is written.
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
			return nil, fmt.Errorf("route %s is there twice", r.Do)
		case r.By == "" || r.Need == "" || r.Limit.PerMinute < 1 || !strings.HasPrefix(r.Path(), "/"):
			return nil, fmt.Errorf("route %q needs a path, a service, a permission and a limit", r.Do)
		case r.Deprecated.Since.After(r.Deprecated.Sunset) && !r.Deprecated.Sunset.IsZero():
			return nil, fmt.Errorf("route %s ends before it is deprecated", r.Do)
		case r.Cached && (r.Need != shop.Anyone || !r.Reads()):
			return nil, fmt.Errorf("route %s cannot be cached: it is not a read that anyone may do", r.Do)
		}
		seen[r.Do] = true
	}
	// Fiber tries them in this order.
	slices.SortStableFunc(routes, func(a, b Route) int { return strings.Compare(web.Rank(a.Path()), web.Rank(b.Path())) })
	return routes, nil
}

// Services are the app ids of the others that the routes lead to, sorted.
func Services(routes []Route) []string {
	var services []string
	for _, r := range routes {
		if r.By != Here {
			services = append(services, r.By)
		}
	}
	slices.Sort(services)
	return slices.Compact(services)
}
