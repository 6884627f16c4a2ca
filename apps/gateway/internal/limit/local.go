package limit

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/time/rate"
)

// local counts in memory. A caller without requests for longer than a limit's period is removed.
type local struct {
	mu      sync.Mutex
	callers *expirable.LRU[string, *rate.Limiter]
}

// maxCallers bounds the memory: past it the least recent caller is removed.
const maxCallers = 50_000

func newLocal() *local {
	return &local{callers: expirable.NewLRU[string, *rate.Limiter](maxCallers, nil, 2*time.Minute)}
}

func (l *local) take(key string, perMinute int, now time.Time) Decision {
	bucket := l.bucket(key, perMinute)
	allowed := bucket.AllowN(now, 1)
	tokens := max(0, bucket.TokensAt(now))
	perSecond := float64(perMinute) / 60
	wait := func(tokens float64) int { return seconds(time.Duration(tokens / perSecond * float64(time.Second))) }
	return Decision{
		Allowed: allowed, Limit: perMinute, Remaining: int(tokens),
		Reset: wait(float64(perMinute) - tokens), RetryAfter: max(1, wait(1-tokens)),
	}
}

func (l *local) bucket(key string, perMinute int) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, ok := l.callers.Get(key)
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(float64(perMinute)/60), perMinute)
		l.callers.Add(key, bucket)
	}
	return bucket
}
