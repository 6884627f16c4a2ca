package sidecar

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dapr/go-sdk/client"
)

// ProbeTopic is what every service with a database publishes to, and nobody consumes.
const ProbeTopic = "platform.heartbeat"

// probeEvery is for how long the result of a probe holds, however often it is asked for.
const probeEvery = 5 * time.Second

// brokerProbe is the result of the last probe.
type brokerProbe struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// CheckBroker says whether events can be published, by publishing one that nobody consumes. Nothing else tells an idle
// service: the health of a sidecar (seen with Dapr 1.18.2) says nothing about a broker that went away after the start.
func (s *Sidecar) CheckBroker(ctx context.Context) error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if time.Since(s.broker.at) < probeEvery {
		return s.broker.err
	}
	err := s.PublishEvent(ctx, PubSub, ProbeTopic, []byte("{}"), client.PublishEventWithRawPayload())
	if !errors.Is(ctx.Err(), context.Canceled) { // or the caller went away, which says nothing of the broker
		s.broker.at, s.broker.err = time.Now(), err
	}
	return err
}
