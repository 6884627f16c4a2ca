package lockout

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/sidecar"
)

// ErrContended tells that others changed a count each time we were about to. Nobody may go on uncounted.
var ErrContended = fault.New(fault.Unavailable, "lockout_contended", "too many sign in under this name at this moment").WithRetryAfter(1)

// State is the component "lockouts" of a sidecar: a Store that all replicas share.
type State struct{ dapr *sidecar.Sidecar }

// StateOf is the state that a sidecar reaches.
func StateOf(dapr *sidecar.Sidecar) State { return State{dapr} }

// changeTries is how often a value that others change meanwhile is read again.
const changeTries = 60

// Change fails with ErrContended, or as unavailable where the state does not answer.
func (s State) Change(ctx context.Context, key string, fn Change) error {
	for try := range changeTries {
		if try > 0 {
			spread(ctx, try)
		}
		var old json.RawMessage
		version, err := s.dapr.Load(ctx, "lockouts", key, &old)
		if err != nil {
			return err
		}
		next, life, err := fn(old)
		if err != nil {
			return err
		}
		if err := s.dapr.Save(ctx, "lockouts", key, json.RawMessage(next), version, life); !errors.Is(err, sidecar.ErrConcurrentUpdate) {
			return err
		}
	}
	return ErrContended
}

// spread keeps replicas that change the same value from doing so in step.
func spread(ctx context.Context, try int) {
	timer := time.NewTimer(rand.N(time.Duration(min(try, 20)) * time.Millisecond)) //nolint:gosec // not a secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
