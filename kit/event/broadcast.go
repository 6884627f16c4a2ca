package event

import (
	"context"
	"encoding/json"
	"log/slog"

	"sidecart/kit/shop"
)

// Subscribe hears a topic of the broadcast until ctx ends: it calls again whenever hearing begins, also after a pause in which
// events were missed, and got for each event's data.
type Subscribe func(ctx context.Context, topic string, again func(), got func(data []byte)) error

// SubscribeAll calls fn in every replica for each event of type E that is told while it listens: for what a replica has in its
// own memory, like open connections. What is told while it does not listen is lost to it, and again says so. It ends
// with ctx.
func SubscribeAll[E shop.Event](ctx context.Context, listen Subscribe, again func(), fn func(E)) error {
	var zero E
	return listen(ctx, zero.Topic(), again, func(data []byte) {
		var e E
		if err := json.Unmarshal(data, &e); err != nil {
			slog.ErrorContext(ctx, "broadcast event not understood", "topic", zero.Topic(), "err", err)
			return
		}
		fn(e)
	})
}
