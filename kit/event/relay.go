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
	poll      = 5 * time.Second // where a notification was lost with its connection
	pause     = time.Second     // after a failure
	// turn bounds the publishing of one batch. With the last publish it stays below what the database allows a transaction
	// to be idle, so that a slow broker cannot undo what was published, again and again.
	turn = 6 * time.Second
)

// errSlow ends a turn; what is left has the next.
var errSlow = errors.New("the broker is slow")

// Relay publishes what was emitted, until ctx ends. It is woken by each commit that emitted something. Several replicas
// may run it: one at a time relays, so that events of one key are published in order, and another goes on when it dies.
// Where the broker does not answer, events wait in the outbox.
func Relay(ctx context.Context, db *pgxpool.Pool, service string, publish Publish) error {
	defer measure(db)()
	wake := make(chan struct{}, 1)
	go listen(ctx, db, wake)
	for ctx.Err() == nil {
		published, err := relayBatch(ctx, db, service, publish)
		switch {
		case err != nil && ctx.Err() == nil:
			slog.WarnContext(ctx, "events wait in the outbox", "err", err)
			wait(ctx, nil, pause)
		case err == nil && published < batch:
			wait(ctx, wake, poll)
		}
	}
	return nil
}

func wait(ctx context.Context, wake <-chan struct{}, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// listen wakes the relay at each notification, over a connection of its own.
func listen(ctx context.Context, db *pgxpool.Pool, wake chan<- struct{}) {
	for ctx.Err() == nil {
		err := func() error {
			conn, err := db.Acquire(ctx)
			if err != nil {
				return err
			}
			defer conn.Release()
			if _, err := conn.Exec(ctx, `listen outbox`); err != nil {
				return err
			}
			for {
				if _, err := conn.Conn().WaitForNotification(ctx); err != nil {
					return err
				}
				select {
				case wake <- struct{}{}:
				default:
				}
			}
		}()
		if ctx.Err() == nil {
			slog.WarnContext(ctx, "outbox notifications stopped; polling meanwhile", "err", err)
			wait(ctx, nil, pause)
		}
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
func relayBatch(ctx context.Context, db *pgxpool.Pool, service string, publish Publish) (published int, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		events, err := oldest(ctx, tx)
		if err != nil || len(events) == 0 {
			return err
		}
		done, err := publishAll(ctx, service, events, publish)
		crash.At("relay: published")
		published = len(done)
		if published == 0 {
			return err
		}
		if removeErr := remove(ctx, tx, done); removeErr != nil {
			return removeErr
		}
		if err != nil {
			slog.WarnContext(ctx, "some events wait in the outbox", "err", err)
		}
		return nil
	})
	return published, err
}

// oldest is empty while another replica relays. The lock is taken by a statement of its own: one that both took the lock
// and read would read what was there before it waited its turn, and publish again what the other has just removed.
func oldest(ctx context.Context, tx pgx.Tx) ([]emitted, error) {
	var mine bool
	if err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock(hashtext('outbox'))`).Scan(&mine); err != nil || !mine {
		return nil, err
	}
	rows, err := tx.Query(ctx, `
		select id, topic, key, version, data, trace, emitted_at from outbox order by seq limit $1`, batch)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[emitted])
}

func remove(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	_, err := tx.Exec(ctx, `delete from outbox where id = any($1)`, ids)
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
