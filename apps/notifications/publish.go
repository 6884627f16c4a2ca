package main

import (
	"context"

	"sidecart/kit/event"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// publishWith broadcasts what is new in an inbox to whoever listens now; all else waits for its consumers.
func publishWith(dapr *sidecar.Sidecar) event.Publish {
	return func(ctx context.Context, topic string, cloudEvent []byte) error {
		if topic == (shop.NotificationCreated{}).Topic() {
			return dapr.Broadcast(ctx, topic, cloudEvent)
		}
		return dapr.Publish(ctx, topic, cloudEvent)
	}
}
