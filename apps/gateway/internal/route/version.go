package route

import (
	"strings"
	"time"
)

// The versions of the API. The first is a service's own paths; a later one has its number before them, so that the service
// itself can answer both: /api/v2/orders/1 is /v2/orders/1 of orders.
const (
	first  = "/api/v1"
	second = "/api/v2"
)

// ServicePath is a public path, or pattern, as the service that answers has it.
func ServicePath(public string) string {
	if rest, ok := strings.CutPrefix(public, first+"/"); ok {
		return "/" + rest
	}
	return strings.TrimPrefix(public, "/api")
}

// Version is the version of the API that a public path belongs to. What stands at the root of the web is the first's.
func Version(public string) string {
	if strings.HasPrefix(public, second+"/") {
		return "2"
	}
	return "1"
}

// Deprecation is when a route stops being the right one, when it stops, and what comes after it. Clients read it in every
// answer (RFC 9745, RFC 8594), and in the documents.
type Deprecation struct {
	Since     time.Time // may be to come
	Sunset    time.Time // zero while nobody has decided
	Successor string    // a path of this API
}

// Is says whether the route is deprecated at all.
func (d Deprecation) Is() bool { return !d.Since.IsZero() }

// day is one of the table's, written 2027-01-31. It panics on what is no day, at start.
func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}
