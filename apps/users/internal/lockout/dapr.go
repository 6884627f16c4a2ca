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

// ErrConflict tells that others changed a count each time we were about to. Nobody may go on uncounted.
var ErrConflict = fault.New(fault.Unavailable, "lockout_contended", "too many sign in under this name at this moment").WithRetryAfter(1)

// DaprStore is the component "lockouts" of a sidecar: a Store that all replicas share.
type DaprStore struct{ dapr *sidecar.Sidecar }

// NewDaprStore is the state that a sidecar reaches.
func NewDaprStore(dapr *sidecar.Sidecar) DaprStore { return DaprStore{dapr} }

// maxChangeAttempts is how often a value that others change meanwhile is read again.
const maxChangeAttempts = 60

// Change fails with ErrContended, or as unavailable where the state does not answer.
func (s DaprStore) Change(ctx context.Context, key string, fn Change) error {
	for try := range maxChangeAttempts {
		if try > 0 {
			sleepJitter(ctx, try)
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
	return ErrConflict
}

// sleepJitter keeps replicas that change the same value from doing so in step.
func sleepJitter(ctx context.Context, try int) {
	timer := time.NewTimer(rand.N(time.Duration(min(try, 20)) * time.Millisecond)) //nolint:gosec // not a secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
