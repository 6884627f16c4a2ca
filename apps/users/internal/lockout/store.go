package lockout

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"sidecart/kit/fault"
	"sidecart/kit/sidecar"
)

// ErrConflict means that all attempts to change a counter met concurrent updates. The sign-in must not continue
// uncounted.
var ErrConflict = fault.New(fault.Unavailable, "lockout_contended", "too many concurrent sign-ins with this name").
	WithRetryAfter(1)

// Store holds small values that several replicas change. Change calls fn with the current value (nil: none) and stores
// the result with its TTL, so that no concurrent change is lost. fn may run several times.
type Store interface {
	Change(ctx context.Context, key string, fn Change) error
}

// Change returns the next value and its TTL.
type Change func(current []byte) (next []byte, ttl time.Duration, err error)

// DaprStore is the state component "lockouts", which all replicas share.
type DaprStore struct{ dapr *sidecar.Sidecar }

// NewDaprStore returns the store of a sidecar.
func NewDaprStore(dapr *sidecar.Sidecar) DaprStore { return DaprStore{dapr} }

const maxChangeAttempts = 60

// Change fails with ErrConflict, or as unavailable if the component does not respond.
func (s DaprStore) Change(ctx context.Context, key string, fn Change) error {
	for attempt := range maxChangeAttempts {
		if attempt > 0 { // random delays separate concurrent replicas
			select {
			case <-ctx.Done():
			case <-time.After(rand.N(time.Duration(min(attempt, 20)) * time.Millisecond)): //nolint:gosec // not a secret
			}
		}
		var current json.RawMessage
		version, err := s.dapr.Load(ctx, "lockouts", key, &current)
		if err != nil {
			return err
		}
		next, ttl, err := fn(current)
		if err != nil {
			return err
		}
		err = s.dapr.Save(ctx, "lockouts", key, json.RawMessage(next), version, ttl)
		if !errors.Is(err, sidecar.ErrConcurrentUpdate) {
			return err
		}
	}
	return ErrConflict
}

// MemoryStore holds the values of one replica.
type MemoryStore struct {
	mu     sync.Mutex
	values *expirable.LRU[string, []byte]
}

const (
	memoryMaxValues = 100_000
	memoryTTL       = 24 * time.Hour
)

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{values: expirable.NewLRU[string, []byte](memoryMaxValues, nil, memoryTTL)}
}

// Change fails only with the error of fn. It ignores the TTL and uses memoryTTL.
func (m *MemoryStore) Change(_ context.Context, key string, fn Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	current, _ := m.values.Get(key)
	next, _, err := fn(current)
	if err == nil {
		m.values.Add(key, next)
	}
	return err
}

// FallbackStore uses a shared store, and the memory of this replica while that is unavailable. Limits are looser then:
// each replica counts alone and starts at zero. dapr/resiliency/components.yaml sets the timeout and the circuit
// breaker.
type FallbackStore struct {
	store    Store
	fallback *MemoryStore
	mutexes  [64]sync.Mutex // by key: changes of this replica wait here rather than conflict in the store
}

// NewFallbackStore returns a store with a fallback.
func NewFallbackStore(store Store) *FallbackStore {
	return &FallbackStore{store: store, fallback: NewMemoryStore()}
}

// Change fails with ErrConflict, with the error of fn, or if ctx ends.
func (s *FallbackStore) Change(ctx context.Context, key string, fn Change) error {
	mu := &s.mutexes[maphash.String(seed, key)%uint64(len(s.mutexes))]
	mu.Lock()
	defer mu.Unlock()
	err := s.store.Change(ctx, key, fn)
	if err == nil || fault.Of(err).Kind != fault.Unavailable || errors.Is(err, ErrConflict) || ctx.Err() != nil {
		return err
	}
	slog.WarnContext(ctx, "lockout store unavailable, counting in this replica", "err", err)
	return s.fallback.Change(ctx, key, fn)
}

var seed = maphash.MakeSeed()
