package event

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestBackoff: a key that fails waits longer each time, but not while the broker may be down, stays failing while it is
// not tried, and starts again once it was published.
func TestBackoff(t *testing.T) {
	now := time.Now()
	failing, others := map[string]error{"k": errors.New("refused")}, []emitted{{Key: "another"}}
	for _, c := range []struct {
		name      string
		failures  int
		published []emitted
		most      time.Duration
	}{
		{"once", 1, others, time.Second},
		{"four times", 4, others, 8 * time.Second},
		{"for long", 100, others, maxBackoff},
		{"for long, and nothing is published", 100, nil, maxBrokerBackoff},
	} {
		a := failingKeys{keys: map[string]backoff{}}
		for range c.failures {
			a.record(now, c.published, failing)
		}
		if got := a.keys["k"].until.Sub(now); got < c.most/2 || got > c.most {
			t.Errorf("%s: backoff %s, want %s to %s", c.name, got, c.most/2, c.most)
		}
		if due := a.due(now.Add(c.most/2-1), batch); len(due) > 0 {
			t.Errorf("%s: due early", c.name)
		}
		later := now.Add(c.most)
		if healed := a.record(later, others, nil); healed || !slices.Equal(a.due(later, batch), []string{"k"}) {
			t.Errorf("%s: no longer failing, though it was not tried", c.name)
		}
		if healed := a.record(later, []emitted{{Key: "k"}}, nil); !healed {
			t.Errorf("%s: recovery not reported", c.name)
		}
		if len(a.all()) > 0 || a.size.Load() != 0 {
			t.Errorf("%s: still failing after it was published", c.name)
		}
	}
}

// TestDue: the key that is overdue longest is first.
func TestDue(t *testing.T) {
	a, now := failingKeys{keys: map[string]backoff{}}, time.Now()
	for n := range 3 {
		a.keys[fmt.Sprint(n)] = backoff{1, now.Add(-time.Duration(n) * time.Second)}
	}
	if got := a.due(now, 2); !slices.Equal(got, []string{"2", "1"}) {
		t.Errorf("%v are due", got)
	}
}
