package sidecar

import (
	"context"
	"log/slog"
	"time"

	"github.com/dapr/go-sdk/client"
)

// BroadcastPubSub is the pub/sub component that delivers to every replica and keeps nothing for those that are not
// subscribed.
const BroadcastPubSub = "broadcast"

// Broadcast publishes a CloudEvent in JSON to all current subscribers. It returns nil only once the broker has it.
func (s *Sidecar) Broadcast(ctx context.Context, topic string, cloudEvent []byte) error {
	return s.PublishEvent(ctx, BroadcastPubSub, topic, cloudEvent, client.PublishEventWithContentType("application/cloudevents+json"))
}

// formerSubscription is longer than the sidecar keeps reading for a subscription that has ended: with Redis, 3 s.
const formerSubscription = 5 * time.Second

// SubscribeBroadcast subscribes to a topic of the broadcast until ctx ends, over a gRPC stream, so that the app needs
// no route. It calls connected at the start of each subscription, also after the sidecar was unavailable, and once more
// when events published meanwhile can no longer be lost.
func (s *Sidecar) SubscribeBroadcast(ctx context.Context, topic string, connected func(), handle func(data []byte)) error {
	for ctx.Err() == nil {
		if err := s.subscribeOnce(ctx, topic, connected, handle); ctx.Err() == nil {
			slog.WarnContext(ctx, "not subscribed to the broadcast, retrying", "topic", topic, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil
}

func (s *Sidecar) subscribeOnce(ctx context.Context, topic string, connected func(), handle func(data []byte)) error {
	ctx, cancel := context.WithCancel(ctx) // ends the stream to the sidecar
	defer cancel()
	subscription, err := s.Subscribe(ctx, client.SubscriptionOptions{PubsubName: BroadcastPubSub, Topic: topic})
	if err != nil {
		return err
	}
	connected()
	// Until then the sidecar may still read messages for a former subscription, and drop them.
	again := time.AfterFunc(formerSubscription, connected)
	defer again.Stop()
	for {
		message, err := subscription.Receive()
		if err != nil {
			return err
		}
		handle(message.RawData)
		if err := message.Success(); err != nil {
			return err
		}
	}
}
