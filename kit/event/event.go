// Package event publishes and consumes events. A publisher writes events to an outbox in the transaction that makes
// them true, and a relay publishes them at least once. A consumer records handled events in an inbox, so that each has
// one effect.
package event

import (
	"embed"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the tables outbox, published, inbox, checkpoints, failures, dead_letters and erased_users. A
// service that emits or consumes events opens its database with them.
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
	TraceID         string          `json:"traceid,omitempty"` // Dapr's older name of the same; without it a sidecar overwrites both
	Topic           string          `json:"topic,omitempty"`   // added by the sidecar
	Data            json.RawMessage `json:"data"`
}

// schemaOf returns the URI of an event's schema without its version, which follows.
func schemaOf(topic string) string { return "urn:sidecart:event:" + topic + ":" }
