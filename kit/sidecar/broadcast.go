package sidecar

import (
	"context"
	"log/slog"
	"time"

	"github.com/dapr/go-sdk/client"
)

// BroadcastPubSub is the component by which every replica hears everything, and keeps nothing for who is away.
const BroadcastPubSub = "broadcast"

// Broadcast hands a CloudEvent, as JSON, to everybody who listens now. It returns nil only once the broker has it.
func (s *Sidecar) Broadcast(ctx context.Context, topic string, cloudEvent []byte) error {
	return s.PublishEvent(ctx, BroadcastPubSub, topic, cloudEvent, client.PublishEventWithContentType("application/cloudevents+json"))
}

// formerReader is longer than a reader of the sidecar waits for messages once nobody listens any more: with Redis, 3 s.
const formerReader = 5 * time.Second

// SubscribeBroadcast hears a topic of the broadcast until ctx ends. It asks the sidecar over the connection that it has to it, so that no
// route of the app is needed for it. It calls again whenever hearing begins, also after the sidecar was away, and once more
// when nothing can get lost any more that was told meanwhile.
func (s *Sidecar) SubscribeBroadcast(ctx context.Context, topic string, again func(), got func(data []byte)) error {
	for ctx.Err() == nil {
		if err := s.listen(ctx, topic, again, got); ctx.Err() == nil {
			slog.WarnContext(ctx, "the broadcast is not heard; trying again", "topic", topic, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil
}

func (s *Sidecar) listen(ctx context.Context, topic string, again func(), got func(data []byte)) error {
	ctx, cancel := context.WithCancel(ctx) // ends the stream to the sidecar
	defer cancel()
	heard, err := s.Client.Subscribe(ctx, client.SubscriptionOptions{PubsubName: BroadcastPubSub, Topic: topic})
	if err != nil {
		return err
	}
	again()
	// Until then the sidecar may have a reader of somebody who listened before, which takes messages and gives them to nobody.
	late := time.AfterFunc(formerReader, again)
	defer late.Stop()
	for {
		message, err := heard.Receive()
		if err != nil {
			return err
		}
		got(message.RawData)
		if err := message.Success(); err != nil {
			return err
		}
	}
}
