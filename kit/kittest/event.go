package kittest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Deliver delivers an event as a sidecar does, and returns the verdict: SUCCESS, RETRY or DROP.
func Deliver(t *testing.T, app *web.App, id uuid.UUID, e shop.Event) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": id, "source": "test", "type": e.Topic(), "subject": e.Key(), "time": time.Now().UTC(),
		"datacontenttype": "application/json", "pubsubname": "pubsub", "topic": e.Topic(), "data": e,
	})
	if err != nil {
		t.Fatal(err)
	}
	return DeliverRaw(t, app, e.Topic(), string(text))
}

// DeliverRaw delivers an envelope that may be invalid.
func DeliverRaw(t *testing.T, app *web.App, topic, envelope string) string {
	t.Helper()
	status, body := Do(t, app, Call{Do: "POST /events/" + topic, Body: envelope, Header: map[string]string{"Content-Type": "application/cloudevents+json"}})
	if status != 200 {
		t.Fatalf("%s: %d: %s", topic, status, body)
	}
	return Field[string](t, body, "status")
}
