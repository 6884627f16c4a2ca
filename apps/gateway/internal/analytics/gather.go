package analytics

import (
	"regexp"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// The metrics that reports read: kit/web's histogram of all requests, and the edge's counter of cache hits.
const (
	durations = "http_server_request_duration_seconds"
	cacheHits = "gateway_cache_hits_total"
)

// gather reads the counts since the start of this process.
func gather(from prometheus.Gatherer) (tallies, error) {
	families, err := from.Gather()
	if err != nil {
		return nil, err
	}
	all := tallies{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch family.GetName() {
			case durations:
				all.add(tallies{routeOf(m): requestsIn(m)}, 1)
			case cacheHits:
				all.add(tallies{routeOf(m): {Cached: int64(m.GetCounter().GetValue())}}, 1)
			}
		}
	}
	return all, nil
}

func requestsIn(m *dto.Metric) tally {
	h := m.GetHistogram()
	n := int64(h.GetSampleCount()) //nolint:gosec // a count of requests
	t := tally{Requests: n, Buckets: map[string]int64{}}
	var below uint64
	for _, b := range h.GetBucket() {
		t.Buckets[strconv.FormatFloat(b.GetUpperBound(), 'g', -1, 64)] = int64(b.GetCumulativeCount() - below) //nolint:gosec // the same
		below = b.GetCumulativeCount()
	}
	if over := n - int64(below); over > 0 { //nolint:gosec // the same
		t.Buckets["+Inf"] += over
	}
	switch status := label(m, "http_response_status_code"); {
	case status == "429":
		t.Limited = n
	case status >= "500":
		t.Errors = n
	case status >= "400":
		t.Refused = n
	}
	return t
}

var parameter = regexp.MustCompile(`:(\w+)`)

// routeOf returns a metric's route in the notation of OpenAPI.
func routeOf(m *dto.Metric) string {
	path := label(m, "http_route")
	if path == "/" { // the middleware before all routes: no route matched
		return "none"
	}
	return label(m, "http_request_method") + " " + parameter.ReplaceAllString(path, "{$1}")
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}
