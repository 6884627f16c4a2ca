package lockout

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sidecart/kit/fault"
)

var policy = Policy{NameFailures: 3, AddressFailures: 60, Duration: time.Minute, MaxDuration: 10 * time.Minute, Window: 24 * time.Hour}

// fakeStore is a shared store with optimistic locking, as the state component of a sidecar is.
type fakeStore struct {
	mu     sync.Mutex
	values map[string][]byte
	writes map[string]int
	down   bool
}

func newFakeStore() *fakeStore {
	return &fakeStore{values: map[string][]byte{}, writes: map[string]int{}}
}

func (r *fakeStore) read(key string) ([]byte, int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.values[key], r.writes[key], r.down
}

func (r *fakeStore) write(key string, value []byte, version int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writes[key] != version {
		return false
	}
	r.values[key], r.writes[key] = value, version+1
	return true
}

func (r *fakeStore) Change(ctx context.Context, key string, fn Change) error {
	for ctx.Err() == nil {
		old, version, down := r.read(key)
		if down {
			return fault.ErrUnavailable
		}
		next, _, err := fn(old)
		if err != nil {
			return err
		}
		if r.write(key, next, version) {
			return nil
		}
		time.Sleep(rand.N(time.Millisecond))
	}
	return fault.ErrUnavailable.Wrap(ctx.Err())
}

func (r *fakeStore) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// fixture is a service with a clock of its own.
type fixture struct {
	*Service
	at time.Time
}

func newFixture(store Store) *fixture {
	f := &fixture{Service: NewService(store, []byte("a key"), policy), at: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	f.now = func() time.Time { return f.at }
	return f
}

func (f *fixture) fail(t *testing.T, name, address string) error {
	t.Helper()
	a, err := f.Begin(t.Context(), Name(name), address)
	if err != nil {
		return err
	}
	_, err = a.Failed(t.Context())
	return err
}

func (f *fixture) succeed(t *testing.T, name, address string) {
	t.Helper()
	a, err := f.Begin(t.Context(), Name(name), address)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Succeeded(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func wantLocked(t *testing.T, err error, wait time.Duration) {
	t.Helper()
	if !errors.Is(err, ErrLocked) || fault.Of(err).RetryAfter != int(wait.Seconds()) {
		t.Errorf("want a lock for %s, got %v after %d s", wait, err, fault.Of(err).RetryAfter)
	}
}

func wantFree(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("want no lock: %v", err)
	}
}
