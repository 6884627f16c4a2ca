// Package analytics tells how the public API is used: per route how many requests, how quick, how many refused. It reads
// what the gateway counts for its operators anyway, so that a request costs nothing more.
package analytics

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"sidecart/kit/web"
)

// RouteUsage is one route's use in a stretch of time. Durations are in milliseconds, as the gateway sees them, and estimated: they
// are right to the bucket of the histogram they lie in, and 10,000 stands for all that is more.
type RouteUsage struct {
	Route    string  `json:"route"` // GET /api/v1/orders/{id}; "none" for what met no route
	Requests int64   `json:"requests"`
	Rate     float64 `json:"rate"`    // requests a second
	Errors   int64   `json:"errors"`  // answered with 500 or more
	Refused  int64   `json:"refused"` // answered with 400 to 499, but for the limited ones
	Limited  int64   `json:"limited"` // answered with 429
	Cached   int64   `json:"cached"`  // answered from the gateway's memory
	P50      float64 `json:"p50"`
	P95      float64 `json:"p95"`
	P99      float64 `json:"p99"`
}

// RequestReport is the use of all routes that were used, the busiest first. Replicas is how many replicas of the gateway it adds up;
// Complete is false where the others could not be asked, and this one tells of itself alone.
type RequestReport struct {
	Since    time.Time    `json:"since"`
	Until    time.Time    `json:"until"`
	Replicas int          `json:"replicas"`
	Complete bool         `json:"complete"`
	Items    []RouteUsage `json:"items"`
}

// tally is what is added up of one route. Buckets are counts by the upper bound of a duration in seconds.
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

// quantile is the duration in milliseconds that a share of the requests did not exceed. Inside a bucket requests are taken
// to be spread evenly.
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

// lowerBounds are where the buckets begin.
var lowerBounds = append([]float64{0}, web.DurationBounds...)

// report makes the answer of what was added up from since until now.
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

// rounded keeps three decimals: more would pretend.
func rounded(x float64) float64 { return float64(int64(x*1000+.5)) / 1000 }
