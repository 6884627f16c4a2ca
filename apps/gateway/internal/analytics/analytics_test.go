package analytics

import (
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	for name, test := range map[string]struct {
		buckets map[string]int64
		share   float64
		want    float64
	}{
		"nothing":                    {nil, .5, 0},
		"half of one bucket":         {map[string]int64{"0.01": 100}, .5, 7.5},
		"all of one bucket":          {map[string]int64{"0.01": 100}, 1, 10},
		"the first bucket":           {map[string]int64{"0.001": 10}, .5, .5},
		"past a bucket":              {map[string]int64{"0.01": 90, "0.1": 10}, .95, 75},
		"over the last":              {map[string]int64{"0.01": 1, "+Inf": 99}, .99, 10_000},
		"a bound of another version": {map[string]int64{"0.02": 10}, 1, 20},
	} {
		if got := rounded((tally{Buckets: test.buckets}).quantile(test.share)); got != test.want {
			t.Errorf("%s: %v ms, want %v", name, got, test.want)
		}
	}
}

func TestReport(t *testing.T) {
	all := tallies{}
	one := tallies{"GET /a": {Requests: 30, Errors: 2, Buckets: map[string]int64{"0.01": 30}}, "GET /b": {Requests: 10, Limited: 4, Refused: 1, Cached: 3}}
	all.add(one, 1)
	all.add(one, 1)
	all.add(tallies{"GET /b": {Requests: 5}}, -1)
	since := time.Unix(600, 0)
	got := report(all, since, since.Add(time.Minute))
	if len(got.Items) != 2 || got.Items[0].Route != "GET /a" || got.Items[1].Route != "GET /b" {
		t.Fatalf("%+v", got)
	}
	if a := got.Items[0]; a.Requests != 60 || a.Rate != 1 || a.Errors != 4 || a.P99 != 9.95 {
		t.Errorf("%+v", a)
	}
	if b := got.Items[1]; b.Requests != 15 || b.Rate != .25 || b.Limited != 8 || b.Refused != 2 || b.Cached != 6 {
		t.Errorf("%+v", b)
	}
	if one["GET /a"].Requests != 30 || one["GET /a"].Buckets["0.01"] != 30 {
		t.Error("adding changed what was added")
	}
}
