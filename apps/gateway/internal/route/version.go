package route

import (
	"strings"
	"time"
)

// Versions of the API. Paths of the first have no number at the service; later ones have, so that the service can
// implement both: /api/v2/orders/1 is /v2/orders/1 of orders.
const (
	first  = "/api/v1"
	second = "/api/v2"
)

// ServicePath returns the service's path, or pattern, of a public one.
func ServicePath(public string) string {
	if rest, ok := strings.CutPrefix(public, first+"/"); ok {
		return "/" + rest
	}
	return strings.TrimPrefix(public, "/api")
}

// Version returns the API version of a public path. Paths outside /api belong to the first.
func Version(public string) string {
	if strings.HasPrefix(public, second+"/") {
		return "2"
	}
	return "1"
}

// Deprecation is since when a route is deprecated, when it ends, and its successor. Clients see it in each response
// (RFC 9745, RFC 8594) and in the API docs.
type Deprecation struct {
	Since     time.Time // may be in the future
	Sunset    time.Time // zero if undecided
	Successor string    // a path of this API
}

// IsSet reports whether the route is deprecated.
func (d Deprecation) IsSet() bool { return !d.Since.IsZero() }

// day parses a date of the table, like 2027-01-31. It panics on an invalid one, at start.
func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}
