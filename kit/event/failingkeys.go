package event

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

const (
	minBackoff = time.Second
	maxBackoff = 5 * time.Minute
	// maxBrokerBackoff bounds the backoff after a batch in which nothing was published: the broker may be down, and is
	// tried again soon.
	maxBrokerBackoff = 5 * time.Second
)

// failingKeys are the ordering keys whose next event could not be published. Their events wait, so that the order of a
// key holds, and all other keys go on. The number of failing keys has no limit: with one, the relay would read the same
// failing events again and again. The state is in the memory of this process; another replica has its own.
type failingKeys struct {
	keys map[string]backoff
	size atomic.Int64 // for the metric
}

type backoff struct {
	failures int
	until    time.Time
}

func (f *failingKeys) all() []string { return slices.Collect(maps.Keys(f.keys)) }

// due returns at most limit keys whose backoff has ended, the longest overdue first.
func (f *failingKeys) due(now time.Time, limit int) (keys []string) {
	for key, b := range f.keys {
		if !b.until.After(now) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(x, y string) int { return f.keys[x].until.Compare(f.keys[y].until) })
	return keys[:min(limit, len(keys))]
}

// record updates the keys with the result of a batch. It reports whether a failing key has recovered. A key that was
// not tried keeps its backoff.
func (f *failingKeys) record(now time.Time, published []emitted, failed map[string]error) (recovered bool) {
	for _, e := range published {
		if _, waited := f.keys[e.Key]; waited {
			recovered = true
			delete(f.keys, e.Key)
		}
	}
	for key := range failed {
		b := f.keys[key]
		b.failures++
		wait := min(minBackoff<<min(b.failures-1, 10), maxBackoff)
		if len(published) == 0 {
			wait = min(wait, maxBrokerBackoff)
		}
		b.until = now.Add(wait/2 + rand.N(wait/2)) //nolint:gosec // jitter, no secret
		f.keys[key] = b
	}
	f.size.Store(int64(len(f.keys)))
	return recovered
}
