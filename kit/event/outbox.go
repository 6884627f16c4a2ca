package event

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/shop"
	"sidecart/kit/telemetry"
)

// Outbox is the database of a service that emits events. A service has one, for its relay and for all packages that
// emit.
type Outbox struct {
	*pgxpool.Pool
	wake chan struct{} // holds at most one signal: one batch of the relay sees all commits before it
}

// NewOutbox needs a pool that was opened with Migrations.
func NewOutbox(db *pgxpool.Pool) *Outbox { return &Outbox{db, make(chan struct{}, 1)} }

// TX is a transaction in which events can be emitted. Only Outbox.Tx and the hub begin one, so that no event is emitted
// without waking the relay.
type TX interface {
	pgx.Tx
	emits()
}

type outboxTx struct {
	pgx.Tx
	emitted bool
}

func (tx *outboxTx) emits() { tx.emitted = true }

// Tx runs fn in a transaction, as pgx.BeginFunc does, and wakes the relay of this process after a commit with events.
// If the process crashes before that, or the response to the commit is lost, the next poll of any replica's relay finds
// the events.
func (o *Outbox) Tx(ctx context.Context, fn func(tx TX) error) error {
	var emitted bool
	err := pgx.BeginFunc(ctx, o.Pool, func(tx pgx.Tx) error {
		t := &outboxTx{Tx: tx}
		err := fn(t)
		emitted = t.emitted
		return err
	})
	if err == nil && emitted {
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
	return err
}

// Emit writes an event to the outbox in the transaction that makes it true.
func Emit(ctx context.Context, tx TX, e shop.Event) error {
	row, err := outboxRow(e, telemetry.TraceParent(ctx))
	if err != nil {
		return err
	}
	tx.emits()
	_, err = tx.Exec(ctx, insertOutbox, row...)
	return err
}

// EmitAll emits several events in their order, in one round trip.
func EmitAll[E shop.Event](ctx context.Context, tx TX, all []E) error {
	batch, trace := &pgx.Batch{}, telemetry.TraceParent(ctx)
	for _, e := range all {
		row, err := outboxRow(e, trace)
		if err != nil {
			return err
		}
		batch.Queue(insertOutbox, row...)
	}
	tx.emits()
	return tx.SendBatch(ctx, batch).Close()
}

const insertOutbox = `insert into outbox (id, topic, key, version, data, trace) values ($1, $2, $3, $4, $5, $6)`

func outboxRow(e shop.Event, trace string) ([]any, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("emit %s: %w", e.Topic(), err)
	}
	return []any{shop.NewID(), e.Topic(), e.Key(), shop.Version(e), data, trace}, nil
}
