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

// Publish hands one CloudEvent to the broker and returns nil only once the broker has it.
type Publish func(ctx context.Context, topic string, cloudEvent []byte) error

const (
	batch              = 200             // events published per transaction
	retrySlots         = 20              // of them, the room for keys that stepped aside while others fill the rest
	publishConcurrency = 16              // at a time
	pollInterval       = 2 * time.Second // for what a process left that died, and for keys that stepped aside
	failurePause       = time.Second     // after a look that failed or published nothing
	// batchDelay is how soon after a look the next one comes. An event that is alone is published at once, and those of a
	// crowd together.
	batchDelay        = 20 * time.Millisecond
	otherReplicaRetry = 100 * time.Millisecond // where another replica was found relaying
	// batchTimeout bounds the publishing of one batch. With the last publish it stays below what the database allows a transaction
	// to be idle, so that a slow broker cannot undo what was published, again and again.
	batchTimeout = 6 * time.Second
)

// errOtherReplica is no failure: another replica relays at this moment.
var errOtherReplica = errors.New("another replica relays")

// Relay publishes what was emitted, until ctx ends. It is woken by each transaction of this process that emitted
// something; what a process left that died is found by the next look of any replica. Several replicas may run it: one
// at a time relays, so that events of one key are published in order, and another goes on when it dies. Where the
// broker does not answer, events wait in the outbox; where it refuses an event, the events of that key wait and the
// others go on. keep is for how long consumers may ask for what was published (ReplayRoute): Kept, or zero where nobody
// has an inbox for it.
func Relay(ctx context.Context, outbox *Outbox, service string, publish Publish, keep time.Duration) error {
	r := &relay{Outbox: outbox, service: service, publish: publish, keep: keep > 0, aside: failingKeys{keys: map[string]backoff{}}}
	defer r.measure()()
	for ctx.Err() == nil {
		began := time.Now()
		full, err := r.publishBatch(ctx)
		switch {
		case errors.Is(err, errOtherReplica):
			wait(ctx, nil, otherReplicaRetry) // it may have looked before what woke us was there
		case err != nil && ctx.Err() == nil:
			slog.WarnContext(ctx, "events wait in the outbox", "err", err)
			wait(ctx, nil, failurePause)
		case err == nil && !full:
			wait(ctx, r.wake, pollInterval)
			wait(ctx, nil, batchDelay-time.Since(began))
			wait(ctx, r.wake, 0) // what woke meanwhile is seen by the same look
		}
	}
	return nil
}

// relay is what one call of Relay knows.
type relay struct {
	*Outbox
	service string
	publish Publish
	keep    bool
	aside   failingKeys
}

// wait ends with ctx, when it is woken, or after a time.
func wait(ctx context.Context, wake <-chan struct{}, most time.Duration) {
	timer := time.NewTimer(most)
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

// publishBatch publishes and removes the oldest events, and says whether there may be more. It is the one place where something
// remote happens inside a transaction: the advisory lock that it holds meanwhile is what keeps a second replica from
// overtaking. A crash between publish and commit publishes again, with the same id, which the inbox knows. It fails
// where nothing could be published.
func (r *relay) publishBatch(ctx context.Context) (full bool, err error) {
	err = pgx.BeginFunc(ctx, r.Pool, func(tx pgx.Tx) error {
		events, more, err := r.next(ctx, tx)
		if err != nil {
			return err
		}
		done, failed := r.publishAll(ctx, events)
		healed := r.aside.note(time.Now(), done, failed)
		full = more || healed
		var failure error
		for _, failure = range failed {
			break
		}
		if len(done) == 0 {
			return failure
		}
		crash.At("relay: published")
		if failure != nil {
			slog.WarnContext(ctx, "some keys cannot be published and step aside", "keys", len(failed), "err", failure)
		}
		return remove(ctx, tx, done, r.keep)
	})
	return full, err
}

const columns = `id, topic, key, version, data, trace, emitted_at`

// next are the oldest events of the keys that go on, of which there may be more, and the oldest one of each key that is
// to be retried, for as many as there is room. It fails with errElsewhere. The lock is taken by a statement of its own,
// though both are sent together: one that both took the lock and read would read what was there before it had the lock,
// and publish again what another has just removed. Keys are unnested because Postgres hashes a subquery but not always
// an array, and compares each of many keys with each row.
func (r *relay) next(ctx context.Context, tx pgx.Tx) (events []emitted, more bool, err error) {
	var mine bool
	room := batch - len(r.aside.due(time.Now(), retrySlots))
	both := &pgx.Batch{}
	both.Queue(`select pg_try_advisory_xact_lock(hashtext('outbox'))`).QueryRow(func(row pgx.Row) error { return row.Scan(&mine) })
	both.Queue(`select `+columns+` from outbox where key not in (select unnest($2::text[])) order by seq limit $1`, room, r.aside.all()).
		Query(func(rows pgx.Rows) (err error) {
			events, err = pgx.CollectRows(rows, pgx.RowToStructByName[emitted])
			return err
		})
	if err := tx.SendBatch(ctx, both).Close(); err != nil {
		return nil, false, err
	}
	if !mine {
		return nil, false, errOtherReplica
	}
	overdue, err := r.retryable(ctx, tx, r.aside.due(time.Now(), batch-len(events)))
	return append(events, overdue...), len(events) == room, err
}

// retryable are the oldest events of keys that stepped aside, one of each. A key of which nothing is left is aside no
// more.
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
			delete(r.aside.keys, key)
		}
	}
	return events, nil
}

// remove takes from the outbox what was published, and keeps it for consumers that compare. What was published twice is
// kept once.
func remove(ctx context.Context, tx pgx.Tx, published []emitted, keep bool) error {
	ids := make([]uuid.UUID, len(published))
	for i, e := range published {
		ids[i] = e.ID
	}
	_, err := tx.Exec(ctx, `
		with gone as (delete from outbox where id = any($1) returning id, topic, key, version, data, trace, emitted_at)
		insert into sent (id, topic, key, version, data, trace, emitted_at)
		select id, topic, key, version, data, trace, emitted_at from gone where $2
		on conflict do nothing`, ids, keep)
	return err
}

// publishAll publishes keys side by side and the events of one key one after the other; after a failure the rest of
// that key waits, and after the turn what has not begun. It returns what the broker has, and the failures by key.
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
					return nil //nolint:nilerr // it is in failed
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
