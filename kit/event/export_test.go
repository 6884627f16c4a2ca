package event

import "context"

// Wake is what the relay of an outbox waits for.
func Wake(o *Outbox) <-chan struct{} { return o.wake }

// Looks are those of one relay, one at each call.
func Looks(o *Outbox, publish Publish) func(ctx context.Context) (more bool, err error) {
	r := &relay{Outbox: o, service: "orders", publish: publish, aside: failingKeys{keys: map[string]backoff{}}}
	return r.publishBatch
}
