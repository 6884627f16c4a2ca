package event

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	// brokerRetry bounds the backoff after a look that published nothing: then the broker may be away, and is asked again
	// soon.
	brokerRetry = 5 * time.Second
)

// failingKeys are the keys whose next event could not be published. Their events wait, so that none overtakes another of its
// key, and all other keys go on, however many wait: with a limit the relay would circle over those that fail. It is
// knowledge of this process alone: another replica, and the next process, find out for themselves.
type failingKeys struct {
	keys map[string]backoff
	size atomic.Int64 // for the metric
}

type backoff struct {
	failures int
	until    time.Time
}

func (a *failingKeys) all() []string { return slices.Collect(maps.Keys(a.keys)) }

// due are the keys that may be tried again, the longest overdue first.
func (a *failingKeys) due(now time.Time, most int) (keys []string) {
	for key, s := range a.keys {
		if !s.until.After(now) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(x, y string) int { return a.keys[x].until.Compare(a.keys[y].until) })
	return keys[:min(most, len(keys))]
}

// note takes what a look published and the keys that failed in it, and says whether keys go on that had stepped aside.
// A key that was not tried stays aside.
func (a *failingKeys) note(now time.Time, published []emitted, failed map[string]error) (healed bool) {
	for _, e := range published {
		if _, waited := a.keys[e.Key]; waited {
			healed = true
			delete(a.keys, e.Key)
		}
	}
	for key := range failed {
		s := a.keys[key]
		s.failures++
		wait := min(firstRetry<<min(s.failures-1, 10), lastRetry)
		if len(published) == 0 {
			wait = min(wait, brokerRetry)
		}
		s.until = now.Add(wait/2 + rand.N(wait/2)) //nolint:gosec // no secret: those that failed together come again one by one
		a.keys[key] = s
	}
	a.size.Store(int64(len(a.keys)))
	return healed
}
