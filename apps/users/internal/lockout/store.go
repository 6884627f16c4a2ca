package lockout

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"sidecart/kit/fault"
)

// Store keeps small values that several replicas change. Change gives fn what is there (nil: nothing) and keeps what it
// returns for as long as it says, so that no change is lost; fn may run several times. It is the state of a sidecar, or the
// memory of this process.
type Store interface {
	Change(ctx context.Context, key string, fn Change) error
}

// Change makes the next value, and how long it lives, of the one that is there.
type Change func(old []byte) (next []byte, life time.Duration, err error)

// MemoryStore is the memory of this process: bounded, and of no use to other replicas.
type MemoryStore struct {
	mu     sync.Mutex
	values *expirable.LRU[string, []byte]
}

// A process alone remembers so many names and addresses, the latest, for so long.
const (
	memoryMaxValues = 100_000
	memoryTTL       = 24 * time.Hour
)

// NewMemoryStore is empty.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{values: expirable.NewLRU[string, []byte](memoryMaxValues, nil, memoryTTL)}
}

// Change never fails but with fn's error. Values live for a day, whatever fn says.
func (l *MemoryStore) Change(_ context.Context, key string, fn Change) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, _ := l.values.Get(key)
	next, _, err := fn(old)
	if err == nil {
		l.values.Add(key, next)
	}
	return err
}

// FallbackStore counts in a store that replicas share, and in this process alone while that does not answer: limits become
// looser then (each replica has its own, and what was counted before is not known), never gone. How long a sign-in
// waits for the store, and when it is not asked any more, is in dapr/resiliency/components.yaml.
type FallbackStore struct {
	store    Store
	fallback *MemoryStore
	mutexes  [64]sync.Mutex // this replica's own changes of one key take turns rather than collide in the store
}

// NewFallbackStore counts in store.
func NewFallbackStore(store Store) *FallbackStore {
	return &FallbackStore{store: store, fallback: NewMemoryStore()}
}

// Change fails with ErrContended, which leaves nobody uncounted: they may not go on. Otherwise only with fn's
// error, or where whoever asked has gone.
func (s *FallbackStore) Change(ctx context.Context, key string, fn Change) error {
	turn := &s.mutexes[maphash.String(seed, key)%uint64(len(s.mutexes))]
	turn.Lock()
	defer turn.Unlock()
	err := s.store.Change(ctx, key, fn)
	if err == nil || fault.Of(err).Kind != fault.Unavailable || errors.Is(err, ErrConflict) || ctx.Err() != nil {
		return err
	}
	slog.WarnContext(ctx, "a sign-in is counted by this replica alone", "err", err)
	return s.fallback.Change(ctx, key, fn)
}

var seed = maphash.MakeSeed()
