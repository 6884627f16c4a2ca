// Package limit is the rate limiter of callers and routes, in Redis for all replicas of the gateway.
package limit

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// Decision is the result for one request, with the values of the RateLimit headers.
type Decision struct {
	Allowed   bool
	Limit     int // requests a minute
	Remaining int // that are allowed now
	Reset     int // seconds until Remaining is Limit again
	// RetryAfter is how many seconds to wait, at least 1.
	RetryAfter int
}

// Limiter uses the generic cell rate algorithm: a limit of 60 a minute is one a second, with bursts of up to 60.
type Limiter struct {
	redis  *redis.Client
	shared *redis_rate.Limiter
	local  *local
	// scale multiplies every limit.
	scale int
	// absentUntil is when a Redis that did not respond is tried again, in Unix nanoseconds.
	retryAt atomic.Int64
}

// retryAfter is how long a Redis that did not respond is not tried, so that requests do not wait for its timeout.
const retryAfter = time.Second

// redisTimeout bounds one command.
const redisTimeout = 100 * time.Millisecond

// Connect makes a limiter with the Redis at addr, over TLS if secure is given. It does not wait for a connection.
func Connect(addr, password string, secure *tls.Config, scale int) *Limiter {
	redis.SetLogger(noLog{}) // it logs each failed connection; Take logs an outage once
	client := redis.NewClient(&redis.Options{
		Addr: addr, Password: password, ClientName: "gateway", TLSConfig: secure,
		DialTimeout: redisTimeout, ReadTimeout: redisTimeout, WriteTimeout: redisTimeout, PoolTimeout: redisTimeout,
		MaxRetries: -1, DialerRetries: 1,
		// Enough for concurrent requests, which would take a wait for a connection for an outage.
		PoolSize: 128,
	})
	return &Limiter{redis: client, shared: redis_rate.NewLimiter(client), local: newLocal(), scale: scale}
}

// Close ends the connections to Redis.
func (l *Limiter) Close() error { return l.redis.Close() }

// Healthy fails if Redis does not respond.
func (l *Limiter) Healthy(ctx context.Context) error { return l.redis.Ping(ctx).Err() }

// Take counts one request of a caller. It always decides: while Redis does not respond, each replica counts alone, so
// that a limit is at most replicas times as high.
func (l *Limiter) Take(ctx context.Context, what, caller string, perMinute int) Decision {
	perMinute *= l.scale
	key := what + " " + caller
	now := time.Now()
	if now.UnixNano() < l.retryAt.Load() {
		return l.local.take(key, perMinute, now)
	}
	result, err := l.shared.Allow(ctx, key, redis_rate.PerMinute(perMinute))
	if err != nil {
		l.logOutage(ctx, now, err)
		return l.local.take(key, perMinute, now)
	}
	return Decision{
		Allowed: result.Allowed > 0, Limit: perMinute, Remaining: result.Remaining,
		Reset: seconds(result.ResetAfter), RetryAfter: max(1, seconds(result.RetryAfter)),
	}
}

func (l *Limiter) logOutage(ctx context.Context, now time.Time, err error) {
	before := l.retryAt.Swap(now.Add(retryAfter).UnixNano())
	if now.UnixNano()-before > int64(time.Minute) { // one log line for an outage
		slog.WarnContext(ctx, "redis unavailable, this replica counts limits alone", "err", err)
	}
}

// seconds rounds up, so that a caller that waits for it is not early.
func seconds(d time.Duration) int { return int(math.Ceil(max(0, d.Seconds()))) }

type noLog struct{}

func (noLog) Printf(context.Context, string, ...any) {}
