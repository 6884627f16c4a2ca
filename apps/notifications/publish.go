package main

import (
	"context"

	"sidecart/kit/event"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// publishWith publishes events, and broadcasts new notifications to the gateways that are connected now.
func publishWith(dapr *sidecar.Sidecar) event.Publish {
	return func(ctx context.Context, topic string, cloudEvent []byte) error {
		if topic == (shop.NotificationCreated{}).Topic() {
			return dapr.Broadcast(ctx, topic, cloudEvent)
		}
		return dapr.Publish(ctx, topic, cloudEvent)
	}
}
