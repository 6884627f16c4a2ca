package event

import "context"

// Wake is the channel that wakes an outbox's relay.
func Wake(o *Outbox) <-chan struct{} { return o.wake }

// Batches returns a function that publishes one batch of a relay at each call.
func Batches(o *Outbox, publish Publish) func(ctx context.Context) (more bool, err error) {
	return newRelay(o, "orders", publish).publishBatch
}
