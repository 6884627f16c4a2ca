// Package event carries what happened from the transaction it happened in to everybody who hears it, at least once on
// the wire and once in effect: an outbox beside the data, a relay to the broker, an inbox where it is heard.
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
