package event

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"sidecart/kit/crash"
)

// Publish hands one CloudEvent to the broker and returns nil only once the broker has it.
type Publish func(ctx context.Context, topic string, cloudEvent []byte) error

const (
	batch     = 200             // events published per transaction
	publishes = 16              // at a time
	poll      = 2 * time.Second // for what a process left that died
	pause     = time.Second     // after a failure
	// gather is how soon after a look the next one comes. An event that is alone is published at once, and those of a
	// crowd together.
	gather = 20 * time.Millisecond
	again  = 100 * time.Millisecond // where another replica was found relaying, or events are held back
	// turn bounds the publishing of one batch. With the last publish it stays below what the database allows a transaction
	// to be idle, so that a slow broker cannot undo what was published, again and again.
	turn = 6 * time.Second
)

// errSlow ends a turn; what is left has the next.
var errSlow = errors.New("the broker is slow")

// errElsewhere is no failure: another replica relays at this moment.
var errElsewhere = errors.New("another replica relays")

// Relay publishes what was emitted, until ctx ends. It is woken by each transaction of this process that emitted something;
// what a process left that died is found by the next look of any replica. Several replicas may run it: one at a time
// relays, so that events of one key are published in order, and another goes on when it dies. Where the broker does not
// answer, events wait in the outbox. keep is for how long hearers may ask for what was published: Kept, or zero where nobody
// has an inbox for it.
func Relay(ctx context.Context, outbox *Outbox, service string, publish Publish, keep time.Duration) error {
	return RelayHeld(ctx, outbox, service, publish, keep, func() time.Duration { return 0 })
}

// RelayHeld is Relay for a service that sometimes has more urgent work than what its events lead to: hold is how old an event must
// be to go out at this moment. It should bound that, as hearers wait meanwhile.
func RelayHeld(ctx context.Context, outbox *Outbox, service string, publish Publish, keep time.Duration, hold func() time.Duration) error {
	db, wake := outbox.Pool, outbox.wake
	defer measure(db)()
	var tidied time.Time
	for ctx.Err() == nil {
		began := time.Now()
		if began.Sub(tidied) > time.Minute {
			tidied = began
			if err := forgetSent(ctx, db, keep); err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "what was published is kept for longer", "err", err)
			}
		}
		age := hold()
		published, err := relayBatch(ctx, db, service, publish, keep > 0, age)
		switch {
		case errors.Is(err, errElsewhere):
			wait(ctx, nil, again) // it may have looked before what woke us was there
		case err != nil && ctx.Err() == nil:
			slog.WarnContext(ctx, "events wait in the outbox", "err", err)
			wait(ctx, nil, pause)
		case err == nil && age > 0 && published < batch:
			wait(ctx, nil, again) // nobody wakes us when the rest may go
		case err == nil && published < batch:
			wait(ctx, wake, poll)
			wait(ctx, nil, gather-time.Since(began))
			wait(ctx, wake, 0) // what woke meanwhile is seen by the same look
		}
	}
	return nil
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

// relayBatch publishes and removes the oldest events. It is the one place where something remote happens inside a
// transaction: the advisory lock that it holds meanwhile is what keeps a second replica from overtaking. A crash between
// publish and commit publishes again, with the same id, which the inbox knows.
func relayBatch(ctx context.Context, db *pgxpool.Pool, service string, publish Publish, keep bool, hold time.Duration) (published int, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		events, err := oldest(ctx, tx, hold)
		if err != nil || len(events) == 0 {
			return err
		}
		done, err := publishAll(ctx, service, events, publish)
		crash.At("relay: published")
		published = len(done)
		if published == 0 {
			return err
		}
		if removeErr := remove(ctx, tx, done, keep); removeErr != nil {
			return removeErr
		}
		if err != nil {
			slog.WarnContext(ctx, "some events wait in the outbox", "err", err)
		}
		return nil
	})
	return published, err
}

// oldest fails with errElsewhere. What comes after an event that is held back waits with it, however old it is, so that none
// overtakes. The lock is taken by a statement of its own, though both are sent together: one that both
// took the lock and read would read what was there before it had the lock, and publish again what another has just removed.
func oldest(ctx context.Context, tx pgx.Tx, hold time.Duration) (events []emitted, err error) {
	var mine bool
	var waiting []struct {
		emitted
		Ripe bool // old enough to go out
	}
	both := &pgx.Batch{}
	both.Queue(`select pg_try_advisory_xact_lock(hashtext('outbox'))`).QueryRow(func(row pgx.Row) error { return row.Scan(&mine) })
	both.Queue(`
		select id, topic, key, version, data, trace, emitted_at, emitted_at <= clock_timestamp() - $2::interval as ripe
		from outbox order by seq limit $1`, batch, hold).Query(func(rows pgx.Rows) (err error) {
		waiting, err = pgx.AppendRows(waiting, rows, pgx.RowToStructByName)
		return err
	})
	err = tx.SendBatch(ctx, both).Close()
	if err == nil && !mine {
		return nil, errElsewhere
	}
	for _, w := range waiting {
		if !w.Ripe {
			break
		}
		events = append(events, w.emitted)
	}
	return events, err
}

// remove takes from the outbox what was published, and keeps it for hearers that ask. What was published twice is kept once.
func remove(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, keep bool) error {
	_, err := tx.Exec(ctx, `
		with gone as (delete from outbox where id = any($1) returning id, topic, key, version, data, trace, emitted_at)
		insert into sent (id, topic, key, version, data, trace, emitted_at)
		select id, topic, key, version, data, trace, emitted_at from gone where $2
		on conflict do nothing`, ids, keep)
	return err
}

// publishAll publishes keys side by side and the events of one key one after the other; after a failure the rest of
// that key waits, and after the turn what has not begun. It returns what the broker has, and the first failure.
func publishAll(ctx context.Context, service string, events []emitted, publish Publish) (done []uuid.UUID, err error) {
	byKey := map[string][]emitted{}
	for _, e := range events {
		byKey[e.Key] = append(byKey[e.Key], e)
	}
	results := make(chan uuid.UUID, len(events))
	var g errgroup.Group
	g.SetLimit(publishes)
	began := time.Now()
	for _, sequence := range byKey {
		g.Go(func() error {
			for _, e := range sequence {
				if time.Since(began) > turn {
					return errSlow
				}
				envelope, err := e.envelope(service)
				if err != nil {
					return err
				}
				if err := publish(ctx, e.Topic, envelope); err != nil {
					return err
				}
				results <- e.ID
			}
			return nil
		})
	}
	err = g.Wait()
	close(results)
	for id := range results {
		done = append(done, id)
	}
	return done, err
}

func (e emitted) envelope(service string) ([]byte, error) {
	return json.Marshal(cloudEvent{
		SpecVersion: "1.0", ID: e.ID, Source: service, Type: e.Topic, Subject: e.Key, Time: e.EmittedAt.UTC(),
		DataContentType: "application/json", DataSchema: schemaOf(e.Topic) + strconv.Itoa(e.Version),
		TraceParent: e.Trace, TraceID: e.Trace, Data: e.Data,
	})
}
