// Package analytics reports the use of the public API: requests, durations and errors of each route. It reads the
// gateway's metrics, so that requests cost nothing more.
package analytics

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"sidecart/kit/web"
)

// RouteUsage is one route's use in a window of time. Durations are in milliseconds, measured at the gateway and
// estimated from a histogram; 10,000 is the maximum.
type RouteUsage struct {
	Route    string  `json:"route"` // GET /api/v1/orders/{id}; "none" for requests without a route
	Requests int64   `json:"requests"`
	Rate     float64 `json:"rate"`    // requests a second
	Errors   int64   `json:"errors"`  // status 500 and above
	Refused  int64   `json:"refused"` // status 400 to 499, without 429
	Limited  int64   `json:"limited"` // status 429
	Cached   int64   `json:"cached"`  // served from the gateway's cache
	P50      float64 `json:"p50"`
	P95      float64 `json:"p95"`
	P99      float64 `json:"p99"`
}

// RequestReport is the use of all routes with requests, the busiest first. Replicas is how many replicas of the gateway
// it includes. Complete is false if other replicas could not be read.
type RequestReport struct {
	Since    time.Time    `json:"since"`
	Until    time.Time    `json:"until"`
	Replicas int          `json:"replicas"`
	Complete bool         `json:"complete"`
	Items    []RouteUsage `json:"items"`
}

// tally has the counts of one route. Buckets are counts by the upper bound of the duration in seconds.
type tally struct {
	Requests int64            `json:"n"`
	Errors   int64            `json:"e,omitempty"`
	Refused  int64            `json:"r,omitempty"`
	Limited  int64            `json:"l,omitempty"`
	Cached   int64            `json:"c,omitempty"`
	Buckets  map[string]int64 `json:"b"`
}

func (t *tally) add(o tally, sign int64) {
	t.Requests += sign * o.Requests
	t.Errors += sign * o.Errors
	t.Refused += sign * o.Refused
	t.Limited += sign * o.Limited
	t.Cached += sign * o.Cached
	if t.Buckets == nil {
		t.Buckets = map[string]int64{}
	}
	for bound, n := range o.Buckets {
		t.Buckets[bound] += sign * n
	}
}

// tallies are by route.
type tallies map[string]tally

func (all tallies) add(others tallies, sign int64) {
	for route, o := range others {
		t := all[route]
		t.Buckets = maps.Clone(t.Buckets)
		t.add(o, sign)
		all[route] = t
	}
}

// quantile returns the duration in milliseconds that a share of the requests did not exceed. Inside a bucket requests
// are taken to be spread evenly.
func (t tally) quantile(share float64) float64 {
	counts, all, below := map[float64]int64{}, 0.0, 0.0
	for text, n := range t.Buckets {
		if bound, err := strconv.ParseFloat(text, 64); err == nil {
			counts[bound] = n
			all += float64(n)
		}
	}
	for _, bound := range slices.Sorted(maps.Keys(counts)) {
		n := float64(counts[bound])
		if n > 0 && below+n >= share*all {
			at, _ := slices.BinarySearch(web.DurationBounds, bound)
			lower, upper := lowerBounds[at], min(bound, lowerBounds[len(web.DurationBounds)])
			return 1000 * (lower + (upper-lower)*(share*all-below)/n)
		}
		below += n
	}
	return 0
}

// lowerBounds are the lower bounds of the buckets.
var lowerBounds = append([]float64{0}, web.DurationBounds...)

// report makes the report of tallies between since and until.
func report(all tallies, since, until time.Time) RequestReport {
	r := RequestReport{Since: since.UTC(), Until: until.UTC(), Items: []RouteUsage{}}
	seconds := max(1, until.Sub(since).Seconds())
	for route, t := range all {
		if t.Requests > 0 {
			r.Items = append(r.Items, RouteUsage{
				Route: route, Requests: t.Requests, Rate: rounded(float64(t.Requests) / seconds), Errors: t.Errors, Refused: t.Refused,
				Limited: t.Limited, Cached: t.Cached, P50: rounded(t.quantile(.5)), P95: rounded(t.quantile(.95)), P99: rounded(t.quantile(.99)),
			})
		}
	}
	slices.SortFunc(r.Items, func(a, b RouteUsage) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Route, b.Route))
	})
	return r
}

// rounded rounds to three decimals.
func rounded(x float64) float64 { return float64(int64(x*1000+.5)) / 1000 }
