package analytics

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

const (
	// maxWindow is the longest window of a report.
	maxWindow = time.Hour
	// shareInterval is the time between two writes of a replica's counts to Redis.
	shareInterval = 5 * time.Second
	// redisTimeout bounds one command.
	redisTimeout = 500 * time.Millisecond
)

// Requests counts the requests of this replica per minute, and adds those of the others through Redis.
type Requests struct {
	redis   *redis.Client
	replica string
	from    prometheus.Gatherer
	mu      sync.Mutex
	seen    tallies           // all counts at the last collection
	minutes map[int64]tallies // of this replica, by Unix minute
}

// Connect makes Requests with the Redis at addr, over TLS if secure is given. It does not wait for a connection.
func Connect(addr, password string, secure *tls.Config) *Requests {
	client := redis.NewClient(&redis.Options{
		Addr: addr, Password: password, ClientName: "gateway-analytics", TLSConfig: secure,
		DialTimeout: redisTimeout, ReadTimeout: redisTimeout, WriteTimeout: redisTimeout,
		MaxRetries: -1, DialerRetries: 1, PoolSize: 4,
	})
	return &Requests{redis: client, replica: uuid.NewString(), from: prometheus.DefaultGatherer, seen: tallies{}, minutes: map[int64]tallies{}}
}

// Close ends the connections to Redis.
func (r *Requests) Close() error { return r.redis.Close() }

// Routes adds the report's route, which the edge authorises.
func (r *Requests) Routes(app *web.App) {
	web.Handle(app, "GET /api/v1/analytics/requests", shop.SeeAnalytics, r.handleReport, web.NoStore,
		web.Doc("getRequestReport", "admin", "Report the use of each route"),
		web.Describe("Rates, errors, rate-limited and cached requests, and durations in milliseconds, of all replicas "+
			"together."))
}

type window struct {
	Minutes int `query:"minutes" default:"15" validate:"min=1,max=60" doc:"Length of the period until now."`
}

func (r *Requests) handleReport(ctx context.Context, _ shop.Caller, in window) (RequestReport, error) {
	return r.Report(ctx, time.Duration(in.Minutes)*time.Minute)
}

// Share writes this replica's counts to Redis every 5 s until ctx ends. While Redis is unavailable, reports of other
// replicas lack them.
func (r *Requests) Share(ctx context.Context) error {
	for tick := time.NewTicker(shareInterval); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case now := <-tick.C:
			if err := r.count(now); err != nil {
				return err
			}
			_ = r.share(ctx, now) // retried at the next tick
		}
	}
}

// Report adds up the minutes of the given window, including the current one.
func (r *Requests) Report(ctx context.Context, last time.Duration) (RequestReport, error) {
	now := time.Now()
	if err := r.count(now); err != nil {
		return RequestReport{}, err
	}
	all, since := tallies{}, now
	from, to := minute(now.Add(-last))+1, minute(now)
	add := func(m int64, t tallies) {
		all.add(t, 1)
		if start := time.Unix(60*m, 0); len(t) > 0 && start.Before(since) {
			since = start
		}
	}
	replicas := map[string]bool{r.replica: true}
	err := r.others(ctx, from, to, func(replica string, m int64, t tallies) {
		replicas[replica] = true
		add(m, t)
	})
	r.mu.Lock()
	for m := from; m <= to; m++ {
		add(m, r.minutes[m])
	}
	r.mu.Unlock()
	total := report(all, since, now)
	total.Replicas, total.Complete = len(replicas), err == nil
	return total, nil
}

// count adds the requests since the last collection to the current minute, and drops minutes older than maxWindow.
func (r *Requests) count(now time.Time) error {
	all, err := gather(r.from)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := tallies{}
	fresh.add(all, 1)
	fresh.add(r.seen, -1)
	r.seen = all
	current := minute(now)
	if r.minutes[current] == nil {
		r.minutes[current] = tallies{}
	}
	for route, t := range fresh {
		if t.Requests == 0 && t.Cached == 0 {
			delete(fresh, route)
		}
	}
	r.minutes[current].add(fresh, 1)
	for m := range r.minutes {
		if m < minute(now.Add(-maxWindow)) {
			delete(r.minutes, m)
		}
	}
	return nil
}

// share writes the current minute and the one before it to Redis.
func (r *Requests) share(ctx context.Context, now time.Time) error {
	pipe := r.redis.Pipeline()
	for m := minute(now) - 1; m <= minute(now); m++ {
		r.mu.Lock()
		text, err := json.Marshal(r.minutes[m])
		r.mu.Unlock()
		if err != nil {
			return err
		}
		if string(text) != "null" {
			pipe.HSet(ctx, key(m), r.replica, text)
			pipe.Expire(ctx, key(m), maxWindow+time.Minute)
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}

// others calls add with each minute of each other replica.
func (r *Requests) others(ctx context.Context, from, to int64, add func(replica string, minute int64, t tallies)) (err error) {
	pipe := r.redis.Pipeline()
	var commands []*redis.MapStringStringCmd
	for m := from; m <= to; m++ {
		commands = append(commands, pipe.HGetAll(ctx, key(m)))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for i, command := range commands {
		for replica, text := range command.Val() {
			var t tallies
			if replica == r.replica {
				continue
			}
			if jsonErr := json.Unmarshal([]byte(text), &t); jsonErr != nil {
				err = errors.Join(err, jsonErr)
				continue
			}
			add(replica, from+int64(i), t)
		}
	}
	return err
}

func minute(t time.Time) int64 { return t.Unix() / 60 }

func key(minute int64) string { return "requests " + strconv.FormatInt(minute, 10) }
