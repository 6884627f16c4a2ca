package event

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestBackoff: a key that fails waits longer each time, but not while the broker may be away, and starts anew once it was published.
func TestBackoff(t *testing.T) {
	now := time.Now()
	failing := map[string]error{"k": errors.New("refused")}
	for _, c := range []struct {
		name      string
		failures  int
		published bool // something else
		most      time.Duration
	}{
		{"once", 1, true, time.Second},
		{"four times", 4, true, 8 * time.Second},
		{"for long", 100, true, lastRetry},
		{"for long, and nothing is published", 100, false, doubtful},
	} {
		a := aside{keys: map[string]setback{}}
		for range c.failures {
			a.note(now, a.due(now, batch), failing, c.published)
		}
		if got := a.keys["k"].until.Sub(now); got < c.most/2 || got > c.most {
			t.Errorf("%s: waits %s, want %s to %s", c.name, got, c.most/2, c.most)
		}
		if due := a.due(now.Add(c.most/2-1), batch); len(due) > 0 {
			t.Errorf("%s: due early", c.name)
		}
		later := now.Add(c.most)
		a.note(later, a.due(later, batch), nil, true)
		if len(a.all()) > 0 || a.size.Load() != 0 {
			t.Errorf("%s: still aside after it was published", c.name)
		}
	}
}

// TestDue: who waits longest is first, so that all come to their turn; and there is an end to how many step aside.
func TestDue(t *testing.T) {
	a, now := aside{keys: map[string]setback{}}, time.Now()
	if a.all() == nil {
		t.Error("nil is null for the database, and no key is unequal to it")
	}
	for n := range 3 {
		a.keys[fmt.Sprint(n)] = setback{1, now.Add(-time.Duration(n) * time.Second)}
	}
	if got := a.due(now, 2); !slices.Equal(got, []string{"2", "1"}) {
		t.Errorf("%v are due", got)
	}
	many := map[string]error{}
	for n := range mostAside {
		many[fmt.Sprint("k", n)] = errors.New("refused")
	}
	a.note(now, nil, many, false)
	if got := len(a.all()); got != mostAside {
		t.Errorf("%d are aside, and not at most %d", got, mostAside)
	}
}
