package lockout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLocksGrow(t *testing.T) {
	f := newFixture(newFakeStore())
	for range policy.NameFailures {
		wantFree(t, f.fail(t, "ann", "192.0.2.1"))
	}
	for _, wait := range []time.Duration{1, 2, 4, 8, 10, 10} {
		wantLocked(t, f.fail(t, "ann", "192.0.2.1"), wait*time.Minute)
		wantLocked(t, f.fail(t, "ann", "198.51.100.9"), wait*time.Minute) // from anywhere
		f.at = f.at.Add(wait*time.Minute - time.Second)
		wantLocked(t, f.fail(t, "ann", "192.0.2.1"), time.Second) // an attempt does not extend the lock
		f.at = f.at.Add(time.Second)
		wantFree(t, f.fail(t, "ann", "192.0.2.1"))
	}
	wantFree(t, f.fail(t, "bob", "192.0.2.1"))
	f.at = f.at.Add(policy.Window + time.Hour)
	for range policy.NameFailures {
		wantFree(t, f.fail(t, "ann", "192.0.2.1"))
	}
}

func TestKnownAddressesHaveTheirOwnCounter(t *testing.T) {
	f := newFixture(newFakeStore())
	f.succeed(t, "ann", "192.0.2.1")
	for range policy.NameFailures {
		wantFree(t, f.fail(t, "ann", "198.51.100.9"))
	}
	wantLocked(t, f.fail(t, "ann", "198.51.100.10"), time.Minute)
	f.succeed(t, "ann", "192.0.2.1")
	wantLocked(t, f.fail(t, "ann", "198.51.100.9"), time.Minute) // the sign-in does not reset other addresses
	for range policy.NameFailures {
		wantFree(t, f.fail(t, "ann", "192.0.2.1"))
	}
	wantLocked(t, f.fail(t, "ann", "192.0.2.1"), time.Minute) // a known address can be locked, too
	f.at = f.at.Add(policy.MaxDuration)
	f.succeed(t, "ann", "198.51.100.77")          // from an unknown address
	wantFree(t, f.fail(t, "ann", "198.51.100.9")) // resets the unknown addresses
	for n := range maxKnownAddresses {            // evicts the oldest address
		f.at = f.at.Add(policy.MaxDuration)
		f.succeed(t, "ann", fmt.Sprintf("203.0.113.%d", n))
	}
	for range policy.NameFailures {
		wantFree(t, f.fail(t, "ann", "192.0.2.1"))
	}
	wantLocked(t, f.fail(t, "ann", "198.51.100.9"), time.Minute)
}

func TestAddresses(t *testing.T) {
	f := newFixture(newFakeStore())
	for n := range policy.AddressFailures {
		f.succeed(t, "mallory", "2001:db8:1:2::1") // an own account does not reset the address
		wantFree(t, f.fail(t, fmt.Sprint("name", n), fmt.Sprintf("2001:db8:1:2::%x", n)))
	}
	wantLocked(t, f.fail(t, "another", "2001:db8:1:2:ffff::1"), time.Minute)
	wantFree(t, f.fail(t, "another", "2001:db8:1:3::1"))
}

// TestRareFailuresNeverLock: failures decay, so that a rate below the limit never locks.
func TestRareFailuresNeverLock(t *testing.T) {
	f := newFixture(newFakeStore())
	for n := range 400 {
		a, err := f.Begin(t.Context(), Name(fmt.Sprint("name", n)), "192.0.2.1") // a household with typing errors
		wantFree(t, err)
		until, err := a.Failed(t.Context())
		if wantFree(t, err); !until.IsZero() {
			t.Fatalf("failure %d locks until %s", n, until)
		}
		if n%2 == 0 {
			a, err = f.Begin(t.Context(), Name("ann"), "198.51.100.9")
			wantFree(t, err)
			until, err = a.Failed(t.Context())
			if wantFree(t, err); !until.IsZero() {
				t.Fatalf("failure %d of ann locks until %s", n/2, until)
			}
		}
		f.at = f.at.Add(policy.Window * 9 / 20)
	}
	for n := range policy.AddressFailures - 2 { // a burst still counts
		wantFree(t, f.fail(t, fmt.Sprint("other", n), "192.0.2.1"))
	}
	wantLocked(t, f.fail(t, "another", "192.0.2.1"), time.Minute)
}

// TestALockedAddressDoesNotLockItsKnownNames: a user who shares an address with an attacker can still sign in.
func TestALockedAddressDoesNotLockItsKnownNames(t *testing.T) {
	f := newFixture(newFakeStore())
	f.succeed(t, "ann", "192.0.2.1")
	for n := range policy.AddressFailures {
		wantFree(t, f.fail(t, fmt.Sprint("name", n), "192.0.2.1"))
	}
	wantLocked(t, f.fail(t, "bob", "192.0.2.1"), time.Minute)
	f.succeed(t, "ann", "192.0.2.1")
	wantLocked(t, f.fail(t, "bob", "192.0.2.1"), time.Minute) // the address is still locked
	for range policy.NameFailures {
		wantFree(t, f.fail(t, "ann", "192.0.2.1"))
	}
	f.at = f.at.Add(30 * time.Second)
	wantLocked(t, f.fail(t, "ann", "192.0.2.1"), 30*time.Second) // the lock of the name
}

func TestCancelledAttemptsDoNotCount(t *testing.T) {
	f := newFixture(newFakeStore())
	for range 5 * policy.AddressFailures {
		a, err := f.Begin(t.Context(), Name("ann"), "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Cancel(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReset(t *testing.T) {
	f := newFixture(newFakeStore())
	f.succeed(t, "ann", "192.0.2.1")
	for range policy.NameFailures {
		wantFree(t, f.fail(t, "ann", "192.0.2.1"))
		wantFree(t, f.fail(t, "ann", "198.51.100.9"))
	}
	if err := f.Reset(t.Context(), Name("ann")); err != nil {
		t.Fatal(err)
	}
	wantFree(t, f.fail(t, "ann", "192.0.2.1"))
	wantFree(t, f.fail(t, "ann", "198.51.100.9"))
}

// race starts a hundred concurrent attempts at two replicas, which end with end, and counts the results.
func race(t *testing.T, end func(*Attempt) error) (allowed, locked int) {
	t.Helper()
	store := newFakeStore()
	replicas := []*Service{
		NewService(NewFallbackStore(store), []byte("a key"), policy),
		NewService(NewFallbackStore(store), []byte("a key"), policy),
	}
	var mu sync.Mutex
	var attempts sync.WaitGroup
	for n := range 100 {
		attempts.Go(func() {
			a, err := replicas[n%2].Begin(context.Background(), Name("ann"), fmt.Sprintf("192.0.2.%d", n))
			if err == nil {
				err = end(a)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				allowed++
			case errors.Is(err, ErrLocked):
				locked++
			default:
				t.Error(err)
			}
		})
	}
	attempts.Wait()
	return allowed, locked
}

func TestConcurrentFailuresAreCounted(t *testing.T) {
	var mu sync.Mutex
	locks := 0
	allowed, locked := race(t, func(a *Attempt) error {
		until, err := a.Failed(context.Background())
		mu.Lock()
		defer mu.Unlock()
		if !until.IsZero() {
			locks++
		}
		return err
	})
	if allowed != policy.NameFailures || locked != 100-policy.NameFailures || locks != 1 {
		t.Errorf("%d allowed, %d refused, %d locks", allowed, locked, locks)
	}
}

func TestConcurrentSuccessesAreNotFailures(t *testing.T) {
	allowed, locked := race(t, func(a *Attempt) error { return a.Succeeded(context.Background()) })
	if allowed != 100 || locked != 0 {
		t.Errorf("%d allowed, %d refused", allowed, locked)
	}
}

// TestPendingAttemptsFailAfterTheirLease: those of a replica that was killed count as failed.
func TestPendingAttemptsFailAfterTheirLease(t *testing.T) {
	f := newFixture(newFakeStore())
	for range policy.NameFailures {
		if _, err := f.Begin(t.Context(), Name("ann"), "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Begin(ctx, Name("ann"), "192.0.2.1"); !errors.Is(err, ErrConflict) {
		t.Errorf("while all attempts are pending: %v", err)
	}
	f.at = f.at.Add(attemptLease + time.Second)
	wantLocked(t, f.fail(t, "ann", "192.0.2.1"), policy.Duration-time.Second)
}

// TestFallback: without the store a replica counts in its memory. It uses the store again when that is available.
func TestFallback(t *testing.T) {
	store := newFakeStore()
	f := newFixture(NewFallbackStore(store))
	store.setDown(true)
	for range policy.NameFailures {
		wantFree(t, f.fail(t, "ann", "192.0.2.1"))
	}
	wantLocked(t, f.fail(t, "ann", "192.0.2.1"), time.Minute)
	store.setDown(false)
	wantFree(t, f.fail(t, "ann", "192.0.2.1"))
	if len(store.values) != 2 {
		t.Errorf("%d values in the store", len(store.values))
	}
}

func TestNamesAndAddressesAreNotStored(t *testing.T) {
	store := newFakeStore()
	f := newFixture(store)
	f.succeed(t, "ann", "192.0.2.1")
	for key, value := range store.values {
		if strings.Contains(key, "ann") || bytes.Contains(value, []byte("192.0.2.1")) || bytes.Contains(value, []byte("ann")) {
			t.Errorf("%s: %s", key, value)
		}
	}
}
