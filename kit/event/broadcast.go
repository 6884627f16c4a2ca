package event

import (
	"context"
	"encoding/json"
	"log/slog"

	"sidecart/kit/shop"
)

// Subscribe delivers a topic of the broadcast until ctx ends. It calls connected at the start of each subscription,
// also of one after an interruption in which events were missed, and handle with each event's data.
type Subscribe func(ctx context.Context, topic string, connected func(), handle func(data []byte)) error

// SubscribeAll calls fn in every replica for each event of type E that is broadcast: for state in a replica's memory,
// such as open connections. A replica misses the events that are broadcast while it is not subscribed; connected is
// called after each such time. It returns when ctx ends.
func SubscribeAll[E shop.Event](ctx context.Context, subscribe Subscribe, connected func(), fn func(E)) error {
	var zero E
	return subscribe(ctx, zero.Topic(), connected, func(data []byte) {
		var e E
		if err := json.Unmarshal(data, &e); err != nil {
			slog.ErrorContext(ctx, "broadcast event cannot be decoded", "topic", zero.Topic(), "err", err)
			return
		}
		fn(e)
	})
}
