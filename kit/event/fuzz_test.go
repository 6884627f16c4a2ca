package event

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"

	"sidecart/kit/shop"
)

// envelopes are bodies that a broker might deliver.
var envelopes = []string{
	`{"id":"0192f0c1-2d3e-7abc-8def-0123456789ab","type":"orders.placed","dataschema":"orders.placed/v1","data":{"order_id":"0192f0c1-2d3e-7abc-8def-0123456789ab"}}`,
	`{"id":"00000000-0000-0000-0000-000000000000"}`, `{"id":7,"type":[]}`, `{"id":"{0192f0c1-2d3e-7abc-8def-0123456789ab}","type":"a\u0000b"}`, `{"type":"\ud800"}`,
	"{\"type\":\"caf\xe9\"}", `{"ID":"x","id":"y","id":"z"}`, `{"data":1e-99999,"dataschema":"/v999999999999999999999"}`, `null`, `[]`, ``, "\x00", `{"id":"x"`, strings.Repeat("[", 20_000),
}

// FuzzDeadLetter: whatever is delivered can be stored, under the same id at each delivery.
func FuzzDeadLetter(f *testing.F) {
	for _, seed := range envelopes {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		id, topic, event := decodeDeadLetter(body)
		again, _, _ := decodeDeadLetter(body)
		if id == uuid.Nil || id != again {
			t.Fatalf("the id is %s, then %s", id, again)
		}
		if !json.Valid(event) || !utf8.Valid(event) {
			t.Fatalf("the event is stored as %q", event)
		}
		if strings.ContainsRune(topic, 0) || !utf8.ValidString(topic) {
			t.Fatalf("Postgres cannot store the topic %q", topic)
		}
	})
}

// FuzzEnvelope: an event is decoded or refused, and one of a newer release is recognised.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range envelopes {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var envelope cloudEvent
		var placed shop.OrderPlaced
		if decode(body, &envelope) != nil || checkVersion(envelope, 1) != nil {
			return
		}
		if err := decode(envelope.Data, &placed); err == nil && !json.Valid(envelope.Data) {
			t.Fatalf("%q is decoded to %+v", envelope.Data, placed)
		}
	})
}
