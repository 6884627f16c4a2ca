// Package event carries what happened from the transaction it happened in to everybody who hears it, at least once on
// the wire and once in effect: an outbox beside the data, a relay to the broker, an inbox where it is heard.
package event

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/telemetry"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables outbox, sent, inbox, failures, dead_letters and forgotten. A service that emits or hears opens its database with them.
var Migrations = postgres.Migrations{Name: "event", Files: postgres.Sub(files)}

// cloudEvent is the envelope on the wire: CloudEvents 1.0, JSON format.
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              uuid.UUID       `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject"`
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	DataSchema      string          `json:"dataschema,omitempty"`
	TraceParent     string          `json:"traceparent,omitempty"`
	TraceID         string          `json:"traceid,omitempty"` // Dapr's older name of the same: without it a sidecar overwrites both
	Topic           string          `json:"topic,omitempty"`   // added by the sidecar
	Data            json.RawMessage `json:"data"`
}

// schemaOf is what the URI of an event's schema begins with; its version follows.
func schemaOf(topic string) string { return "urn:sidecart:event:" + topic + ":" }

// Emit tells of something in the transaction that makes it true: both are kept, or neither.
func Emit(ctx context.Context, tx pgx.Tx, e shop.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("emit %s: %w", e.Topic(), err)
	}
	postgres.Tell(tx) // which wakes the relay
	_, err = tx.Exec(ctx, `
		insert into outbox (id, topic, key, version, data, trace) values ($1, $2, $3, $4, $5, $6)`,
		shop.NewID(), e.Topic(), e.Key(), shop.Version(e), data, telemetry.TraceParent(ctx))
	return err
}
