package event

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"sidecart/kit/crash"
	"sidecart/kit/postgres"
)

// Publish sends one CloudEvent to the broker and returns nil only once the broker has it.
type Publish func(ctx context.Context, topic string, cloudEvent []byte) error

const (
	batch              = 200             // events published per transaction
	retrySlots         = 20              // part of a batch that is reserved for due failing keys
	publishConcurrency = 16              // at the same time
	pollInterval       = 2 * time.Second // finds events of crashed processes, and due failing keys
	failurePause       = time.Second     // after a batch that failed or published nothing
	// batchDelay is the minimum time between the starts of two batches. A single event is published immediately, and
	// many concurrent events together.
	batchDelay        = 20 * time.Millisecond
	otherReplicaRetry = 100 * time.Millisecond // after another replica was found relaying
	// batchTimeout bounds the publishing of one batch. Together with the last publish it stays below the database's
	// limit of idle time in a transaction, so that a slow broker does not roll back published events again and again.
	batchTimeout = 6 * time.Second
)

// errOtherReplica is no failure: another replica holds the lock.
var errOtherReplica = errors.New("another replica relays")

// Relay publishes events of the outbox until ctx ends. Each transaction of this process that emitted events wakes it;
// events of a crashed process are found by polling. All replicas run it, and one at a time publishes, so that events
// of one key are published in order. While the broker is unavailable, events wait in the outbox. When the broker
// refuses an event, the later events of its key wait and other keys go on. keepPublished stores published events
// for Retention, for the gap detection of consumers (ReplayRoute).
func Relay(ctx context.Context, outbox *Outbox, service string, publish Publish, keepPublished bool) error {
	r := newRelay(outbox, service, publish)
	r.keep = keepPublished
	defer r.measure()()
	for ctx.Err() == nil {
		began := time.Now()
		full, err := r.publishBatch(ctx)
		switch {
		case errors.Is(err, errOtherReplica):
			wait(ctx, nil, otherReplicaRetry) // it may have read the outbox before our commit
		case err != nil && ctx.Err() == nil:
			slog.WarnContext(ctx, "publishing failed, events wait in the outbox", "err", err)
			wait(ctx, nil, failurePause)
		case err == nil && !full:
			wait(ctx, r.wake, pollInterval)
			wait(ctx, nil, batchDelay-time.Since(began))
			wait(ctx, r.wake, 0) // the next batch sees these commits, too
		}
	}
	return nil
}

// relay is the state of one call of Relay.
type relay struct {
	*Outbox
	service string
	publish Publish
	keep    bool
	failing failingKeys
}

func newRelay(outbox *Outbox, service string, publish Publish) *relay {
	return &relay{Outbox: outbox, service: service, publish: publish, failing: failingKeys{keys: map[string]backoff{}}}
}

// wait returns when ctx ends, on wake, or after the timeout.
func wait(ctx context.Context, wake <-chan struct{}, timeout time.Duration) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

type emitted struct {
	ID        uuid.UUID
	Topic     string
	Key       string
	Version   int
	Data      json.RawMessage
	Trace     string
	EmittedAt time.Time
}

// publishBatch publishes and removes the oldest events, and reports whether there may be more. Only here is
// a remote call made inside a transaction: its advisory lock keeps a second replica from overtaking. After a crash
// between publish and commit, events are published again with the same id, which inboxes have recorded. It fails if
// nothing could be published.
func (r *relay) publishBatch(ctx context.Context) (full bool, err error) {
	err = pgx.BeginFunc(ctx, r.Pool, func(tx pgx.Tx) error {
		events, more, err := r.next(ctx, tx)
		if err != nil {
			return err
		}
		done, failed := r.publishAll(ctx, events)
		recovered := r.failing.record(time.Now(), done, failed)
		full = more || recovered
		var failure error
		for _, failure = range failed {
			break
		}
		if len(done) == 0 {
			return failure
		}
		crash.At("relay: published")
		if failure != nil {
			slog.WarnContext(ctx, "events of some keys cannot be published", "keys", len(failed), "err", failure)
		}
		return remove(ctx, tx, done, r.keep)
	})
	return full, err
}

const columns = `id, topic, key, version, data, trace, emitted_at`

// next returns the oldest events of the keys that do not fail, of which there may be more, and the oldest event of each
// due failing key, for as many as there is room. It fails with errOtherReplica. A statement of its own takes the lock,
// though both are sent together: one statement that takes the lock and reads would read a snapshot from before it had
// the lock, and publish again what another replica has just removed. Keys are unnested because Postgres hashes a
// subquery, while it compares an array's elements with each row one by one.
func (r *relay) next(ctx context.Context, tx pgx.Tx) (events []emitted, more bool, err error) {
	var locked bool
	room := batch - len(r.failing.due(time.Now(), retrySlots))
	both := &pgx.Batch{}
	both.Queue(`select pg_try_advisory_xact_lock(hashtext('outbox'))`).QueryRow(func(row pgx.Row) error { return row.Scan(&locked) })
	both.Queue(`select `+columns+` from outbox where key not in (select unnest($2::text[])) order by seq limit $1`, room, r.failing.all()).
		Query(func(rows pgx.Rows) (err error) {
			events, err = pgx.CollectRows(rows, pgx.RowToStructByName[emitted])
			return err
		})
	if err := tx.SendBatch(ctx, both).Close(); err != nil {
		return nil, false, err
	}
	if !locked {
		return nil, false, errOtherReplica
	}
	overdue, err := r.retryable(ctx, tx, r.failing.due(time.Now(), batch-len(events)))
	return append(events, overdue...), len(events) == room, err
}

// retryable returns the oldest event of each given failing key. A key without events is no longer failing.
func (r *relay) retryable(ctx context.Context, tx pgx.Tx, keys []string) ([]emitted, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	events, err := postgres.All(ctx, tx, pgx.RowToStructByName[emitted], `select `+columns+` from outbox
		where seq in (select min(seq) from outbox where key in (select unnest($1::text[])) group by key)`, keys)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if !slices.ContainsFunc(events, func(e emitted) bool { return e.Key == key }) {
			delete(r.failing.keys, key)
		}
	}
	return events, nil
}

// remove moves published events from the outbox to the table published, or deletes them if keep is false. An event that
// was published twice is stored once.
func remove(ctx context.Context, tx pgx.Tx, published []emitted, keep bool) error {
	ids := make([]uuid.UUID, len(published))
	for i, e := range published {
		ids[i] = e.ID
	}
	_, err := tx.Exec(ctx, `
		with removed as (delete from outbox where id = any($1) returning id, topic, key, version, data, trace, emitted_at)
		insert into published (id, topic, key, version, data, trace, emitted_at)
		select id, topic, key, version, data, trace, emitted_at from removed where $2
		on conflict do nothing`, ids, keep)
	return err
}

// publishAll publishes keys concurrently and the events of one key in order. After a failure the rest of that key
// waits, and after batchTimeout all events whose publishing has not begun. It returns the published events, and
// failures by key.
func (r *relay) publishAll(ctx context.Context, events []emitted) (done []emitted, failed map[string]error) {
	byKey := map[string][]emitted{}
	for _, e := range events {
		byKey[e.Key] = append(byKey[e.Key], e)
	}
	failed = map[string]error{}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(publishConcurrency)
	began := time.Now()
	for key, sequence := range byKey {
		g.Go(func() error {
			for _, e := range sequence {
				if time.Since(began) > batchTimeout {
					break
				}
				err := r.publishOne(ctx, e)
				mu.Lock()
				if err == nil {
					done = append(done, e)
				} else {
					failed[key] = err
				}
				mu.Unlock()
				if err != nil {
					return nil //nolint:nilerr // the error is in failed
				}
			}
			return nil
		})
	}
	_ = g.Wait()
	return done, failed
}

func (r *relay) publishOne(ctx context.Context, e emitted) error {
	envelope, err := e.envelope(r.service)
	if err != nil {
		return err
	}
	return r.publish(ctx, e.Topic, envelope)
}

func (e emitted) envelope(service string) ([]byte, error) {
	return json.Marshal(cloudEvent{
		SpecVersion: "1.0", ID: e.ID, Source: service, Type: e.Topic, Subject: e.Key, Time: e.EmittedAt.UTC(),
		DataContentType: "application/json", DataSchema: schemaOf(e.Topic) + strconv.Itoa(e.Version),
		TraceParent: e.Trace, TraceID: e.Trace, Data: e.Data,
	})
}
