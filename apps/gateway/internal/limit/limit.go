// Package limit counts how often each caller uses each route, in Redis for all replicas of the gateway together.
package limit

import (
	"context"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// Decision says whether a caller may go on, and what they are told of their limit.
type Decision struct {
	Allowed   bool
	Limit     int // requests a minute
	Remaining int // that would be allowed right now
	Reset     int // seconds until all of Limit is there again
	// RetryAfter is how many seconds to wait, at least 1 where Allowed is false.
	RetryAfter int
}

// Limiter counts with the generic cell rate algorithm: a limit of 60 a minute is one a second, and up to 60 at once
// after a rest.
type Limiter struct {
	redis  *redis.Client
	shared *redis_rate.Limiter
	local  *local
	// scale multiplies every limit.
	scale int
	// absentUntil is when a Redis that did not answer is asked again, in Unix nanoseconds.
	absentUntil atomic.Int64
}

// retryAfter is how long a Redis that did not answer is left alone: every request waiting for its timeout would make
// the gateway as slow as Redis is dead.
const retryAfter = time.Second

// redisTimeout is how long one question to Redis may take.
const redisTimeout = 100 * time.Millisecond

// Connect makes a limiter that counts in the Redis at addr. It does not wait for it.
func Connect(addr, password string, scale int) *Limiter {
	redis.SetLogger(silence{}) // it tells of every connection tried; Take tells once of an outage
	client := redis.NewClient(&redis.Options{
		Addr: addr, Password: password, ClientName: "gateway",
		DialTimeout: redisTimeout, ReadTimeout: redisTimeout, WriteTimeout: redisTimeout, PoolTimeout: redisTimeout,
		MaxRetries: -1, DialerRetries: 1,
		// Enough that a crowd does not wait for a connection and takes that for a Redis that is away.
		PoolSize: 128,
	})
	return &Limiter{redis: client, shared: redis_rate.NewLimiter(client), local: newLocal(), scale: scale}
}

// Close ends the connections to Redis.
func (l *Limiter) Close() error { return l.redis.Close() }

// Well asks whether Redis answers.
func (l *Limiter) Well(ctx context.Context) error { return l.redis.Ping(ctx).Err() }

// Take counts one use by a caller of what has a limit per minute. It always decides: while Redis does not answer, each
// replica counts for itself, so that a limit is then at most replicas times as high, and never gone.
func (l *Limiter) Take(ctx context.Context, what, caller string, perMinute int) Decision {
	perMinute *= l.scale
	key := what + " " + caller
	now := time.Now()
	if now.UnixNano() < l.absentUntil.Load() {
		return l.local.take(key, perMinute, now)
	}
	result, err := l.shared.Allow(ctx, key, redis_rate.PerMinute(perMinute))
	if err != nil {
		l.absent(ctx, now, err)
		return l.local.take(key, perMinute, now)
	}
	return Decision{
		Allowed: result.Allowed > 0, Limit: perMinute, Remaining: result.Remaining,
		Reset: seconds(result.ResetAfter), RetryAfter: max(1, seconds(result.RetryAfter)),
	}
}

func (l *Limiter) absent(ctx context.Context, now time.Time, err error) {
	before := l.absentUntil.Swap(now.Add(retryAfter).UnixNano())
	if now.UnixNano()-before > int64(time.Minute) { // one line for an outage, not one for each second of it
		slog.WarnContext(ctx, "redis does not answer: limits are counted by this replica alone", "err", err)
	}
}

// seconds rounds up, so that a caller who waits as long as told is not early.
func seconds(d time.Duration) int { return int(math.Ceil(max(0, d.Seconds()))) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}
