package event

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/telemetry"
)

// EmitAll is Emit of many, in their order, for one answer from the server.
func EmitAll[E shop.Event](ctx context.Context, tx pgx.Tx, all []E) error {
	batch, trace := &pgx.Batch{}, telemetry.TraceParent(ctx)
	for _, e := range all {
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("emit %s: %w", e.Topic(), err)
		}
		batch.Queue(`
			insert into outbox (id, topic, key, version, data, trace) values ($1, $2, $3, $4, $5, $6)`,
			shop.NewID(), e.Topic(), e.Key(), shop.Version(e), data, trace)
	}
	postgres.Tell(tx)
	return tx.SendBatch(ctx, batch).Close()
}
