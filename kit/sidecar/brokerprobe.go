package sidecar

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dapr/go-sdk/client"
)

// ProbeTopic is a topic that services publish to and that has no subscriber.
const ProbeTopic = "platform.heartbeat"

// probeInterval is how long the result of a probe is valid.
const probeInterval = 5 * time.Second

// brokerProbe is the result of the last probe.
type brokerProbe struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// CheckBroker checks whether events can be published, by publishing to ProbeTopic. Nothing else shows it in an idle
// service: a sidecar's health (Dapr 1.18.2) does not show a broker that became unavailable after the start.
func (s *Sidecar) CheckBroker(ctx context.Context) error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if time.Since(s.broker.at) < probeInterval {
		return s.broker.err
	}
	err := s.PublishEvent(ctx, PubSub, ProbeTopic, []byte("{}"), client.PublishEventWithRawPayload())
	if !errors.Is(ctx.Err(), context.Canceled) { // a caller that disconnects is no failure of the broker
		s.broker.at, s.broker.err = time.Now(), err
	}
	return err
}
