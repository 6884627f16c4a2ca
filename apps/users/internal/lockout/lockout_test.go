package lockout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"sidecart/kit/fault"
)

var policy = Policy{NameFailures: 3, AddressFailures: 60, Duration: time.Minute, MaxDuration: 10 * time.Minute, Window: 24 * time.Hour}

// replicas stands in for the sidecars' state at the edge of the process: it knows versions, and whoever comes late must
// read again.
type replicas struct {
	mu     sync.Mutex
	values map[string][]byte
	writes map[string]int
	down   bool
}

func newReplicas() *replicas { return &replicas{values: map[string][]byte{}, writes: map[string]int{}} }

func (r *replicas) read(key string) ([]byte, int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.values[key], r.writes[key], r.down
}

func (r *replicas) write(key string, value []byte, version int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writes[key] != version {
		return false
	}
	r.values[key], r.writes[key] = value, version+1
	return true
}

func (r *replicas) Change(ctx context.Context, key string, fn Change) error {
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

func (r *replicas) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// clock is a service whose time stands still until it is moved.
type clock struct {
	*Service
	at time.Time
}

func newClock(store Store) *clock {
	c := &clock{Service: NewService(store, []byte("a key"), policy), at: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	c.now = func() time.Time { return c.at }
	return c
}

func (c *clock) fail(t *testing.T, name, address string) error {
	t.Helper()
	a, err := c.Begin(t.Context(), name, address)
	if err != nil {
		return err
	}
	_, err = a.Failed(t.Context())
	return err
}

func (c *clock) succeed(t *testing.T, name, address string) {
	t.Helper()
	a, err := c.Begin(t.Context(), name, address)
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

func free(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("want no lock: %v", err)
	}
}

func TestWaitsGrow(t *testing.T) {
	c := newClock(newReplicas())
	for range policy.NameFailures {
		free(t, c.fail(t, "ann", "192.0.2.1"))
	}
	for _, wait := range []time.Duration{1, 2, 4, 8, 10, 10} {
		wantLocked(t, c.fail(t, "ann", "192.0.2.1"), wait*time.Minute)
		wantLocked(t, c.fail(t, "ann", "198.51.100.9"), wait*time.Minute) // from anywhere
		c.at = c.at.Add(wait*time.Minute - time.Second)
		wantLocked(t, c.fail(t, "ann", "192.0.2.1"), time.Second) // and trying does not make it longer
		c.at = c.at.Add(time.Second)
		free(t, c.fail(t, "ann", "192.0.2.1"))
	}
	free(t, c.fail(t, "bob", "192.0.2.1"))
	c.at = c.at.Add(policy.Window + time.Hour)
	for range policy.NameFailures {
		free(t, c.fail(t, "ann", "192.0.2.1"))
	}
}

func TestTheOwnersAddressIsCountedApart(t *testing.T) {
	c := newClock(newReplicas())
	c.succeed(t, "ann", "192.0.2.1")
	for range policy.NameFailures {
		free(t, c.fail(t, "ann", "198.51.100.9"))
	}
	wantLocked(t, c.fail(t, "ann", "198.51.100.10"), time.Minute)
	c.succeed(t, "ann", "192.0.2.1")
	wantLocked(t, c.fail(t, "ann", "198.51.100.9"), time.Minute) // no fresh start for whoever guesses
	for range policy.NameFailures {
		free(t, c.fail(t, "ann", "192.0.2.1"))
	}
	wantLocked(t, c.fail(t, "ann", "192.0.2.1"), time.Minute) // a known address is no free pass
	c.at = c.at.Add(policy.MaxDuration)
	c.succeed(t, "ann", "198.51.100.77")      // the owner on the road
	free(t, c.fail(t, "ann", "198.51.100.9")) // forgives strangers
	for n := range maxKnownAddresses {        // and only so many addresses are known
		c.at = c.at.Add(policy.MaxDuration)
		c.succeed(t, "ann", fmt.Sprintf("203.0.113.%d", n))
	}
	for range policy.NameFailures {
		free(t, c.fail(t, "ann", "192.0.2.1"))
	}
	wantLocked(t, c.fail(t, "ann", "198.51.100.9"), time.Minute)
}

func TestAddresses(t *testing.T) {
	c := newClock(newReplicas())
	for n := range policy.AddressFailures {
		c.succeed(t, "mallory", "2001:db8:1:2::1") // an own account gives no fresh start
		free(t, c.fail(t, fmt.Sprint("name", n), fmt.Sprintf("2001:db8:1:2::%x", n)))
	}
	wantLocked(t, c.fail(t, "another", "2001:db8:1:2:ffff::1"), time.Minute)
	free(t, c.fail(t, "another", "2001:db8:1:3::1"))
}

// TestRareFailuresNeverLock: failures fade, so that fewer than lock within a window never lock, however long they go
// on.
func TestRareFailuresNeverLock(t *testing.T) {
	c := newClock(newReplicas())
	for n := range 400 {
		a, err := c.Begin(t.Context(), fmt.Sprint("name", n), "192.0.2.1") // a household that mistypes
		free(t, err)
		until, err := a.Failed(t.Context())
		if free(t, err); !until.IsZero() {
			t.Fatalf("failure %d locks until %s", n, until)
		}
		if n%2 == 0 {
			a, err = c.Begin(t.Context(), "ann", "198.51.100.9")
			free(t, err)
			until, err = a.Failed(t.Context())
			if free(t, err); !until.IsZero() {
				t.Fatalf("failure %d of ann locks until %s", n/2, until)
			}
		}
		c.at = c.at.Add(policy.Window * 9 / 20)
	}
	for n := range policy.AddressFailures - 2 { // and a burst is counted as ever
		free(t, c.fail(t, fmt.Sprint("other", n), "192.0.2.1"))
	}
	wantLocked(t, c.fail(t, "another", "192.0.2.1"), time.Minute)
}

// TestTheOwnerPassesTheLockOfTheirAddress: who shares an address with somebody who guesses can sign in there, as
// themselves alone.
func TestTheOwnerPassesTheLockOfTheirAddress(t *testing.T) {
	c := newClock(newReplicas())
	c.succeed(t, "ann", "192.0.2.1")
	for n := range policy.AddressFailures {
		free(t, c.fail(t, fmt.Sprint("name", n), "192.0.2.1"))
	}
	wantLocked(t, c.fail(t, "bob", "192.0.2.1"), time.Minute)
	c.succeed(t, "ann", "192.0.2.1")
	wantLocked(t, c.fail(t, "bob", "192.0.2.1"), time.Minute) // it is as it was
	for range policy.NameFailures {
		free(t, c.fail(t, "ann", "192.0.2.1"))
	}
	c.at = c.at.Add(30 * time.Second)
	wantLocked(t, c.fail(t, "ann", "192.0.2.1"), 30*time.Second) // the name's own lock holds
}

func TestUndecidedCountsNothing(t *testing.T) {
	c := newClock(newReplicas())
	for range 5 * policy.AddressFailures {
		a, err := c.Begin(t.Context(), "ann", "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Undecided(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestForgive(t *testing.T) {
	c := newClock(newReplicas())
	c.succeed(t, "ann", "192.0.2.1")
	for range policy.NameFailures {
		free(t, c.fail(t, "ann", "192.0.2.1"))
		free(t, c.fail(t, "ann", "198.51.100.9"))
	}
	if err := c.Reset(t.Context(), "ann", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	free(t, c.fail(t, "ann", "192.0.2.1"))
	free(t, c.fail(t, "ann", "198.51.100.9"))
}

// atOnce has two replicas take a hundred tries at the same moment, each of which ends as it is told, and counts how they went.
func atOnce(t *testing.T, end func(*Attempt) error) (through, refused int) {
	t.Helper()
	store := newReplicas()
	replicas := []*Service{NewService(NewFallbackStore(store), []byte("a key"), policy), NewService(NewFallbackStore(store), []byte("a key"), policy)}
	var mu sync.Mutex
	var tries sync.WaitGroup
	for n := range 100 {
		tries.Go(func() {
			a, err := replicas[n%2].Begin(context.Background(), "ann", fmt.Sprintf("192.0.2.%d", n))
			if err == nil {
				err = end(a)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				through++
			case errors.Is(err, ErrLocked):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	tries.Wait()
	return through, refused
}

func TestFailuresAtOnceAreCounted(t *testing.T) {
	var mu sync.Mutex
	begun := 0
	through, refused := atOnce(t, func(a *Attempt) error {
		until, err := a.Failed(context.Background())
		mu.Lock()
		defer mu.Unlock()
		if !until.IsZero() {
			begun++
		}
		return err
	})
	if through != policy.NameFailures || refused != 100-policy.NameFailures || begun != 1 {
		t.Errorf("%d went through, %d were refused, %d began a lock", through, refused, begun)
	}
}

// TestSuccessesAtOnceAreNoFailures: a hundred of the owner's programs sign in at the same moment.
func TestSuccessesAtOnceAreNoFailures(t *testing.T) {
	through, refused := atOnce(t, func(a *Attempt) error { return a.Succeeded(context.Background()) })
	if through != 100 || refused != 0 {
		t.Errorf("%d went through, %d were refused", through, refused)
	}
}

// TestWhoNeverSaysHowItEndedHasFailed: a replica that died with tries in its hands gives nobody free ones.
func TestWhoNeverSaysHowItEndedHasFailed(t *testing.T) {
	c := newClock(newReplicas())
	for range policy.NameFailures {
		if _, err := c.Begin(t.Context(), "ann", "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	hurry, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Begin(hurry, "ann", "192.0.2.1"); !errors.Is(err, ErrConflict) {
		t.Errorf("while it is too early to say: %v", err)
	}
	c.at = c.at.Add(attemptLease + time.Second)
	wantLocked(t, c.fail(t, "ann", "192.0.2.1"), policy.Duration-time.Second)
}

// TestWithoutTheStore: a replica counts alone, is not open, and counts in the store as soon as it is back.
func TestWithoutTheStore(t *testing.T) {
	store := newReplicas()
	c := newClock(NewFallbackStore(store))
	store.setDown(true)
	for range policy.NameFailures {
		free(t, c.fail(t, "ann", "192.0.2.1"))
	}
	wantLocked(t, c.fail(t, "ann", "192.0.2.1"), time.Minute)
	store.setDown(false)
	free(t, c.fail(t, "ann", "192.0.2.1"))
	if len(store.values) != 2 {
		t.Errorf("%d values are in the store", len(store.values))
	}
}

func TestTheStoreHasNoNames(t *testing.T) {
	store := newReplicas()
	c := newClock(store)
	c.succeed(t, "ann", "192.0.2.1")
	for key, value := range store.values {
		if strings.Contains(key, "ann") || bytes.Contains(value, []byte("192.0.2.1")) || bytes.Contains(value, []byte("ann")) {
			t.Errorf("%s: %s", key, value)
		}
	}
}
