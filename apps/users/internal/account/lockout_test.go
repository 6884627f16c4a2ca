package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
)

// TestConcurrentFailures: of forty concurrent guesses five are checked, and the owner is notified of one lock.
func TestConcurrentFailures(t *testing.T) {
	s := newFixture(t)
	for name, want := range map[string][]string{"testuser": {"users.locked"}, "unknown": nil} {
		if want != nil {
			s.register(t, name)
		}
		statuses := race(40, func(n int) int {
			_, err := s.Authenticate(context.Background(), name, "wrong", audit.Origin{Address: fmt.Sprintf("198.51.100.%d", n)})
			return fault.Of(err).Kind.Status()
		})
		if statuses[401] != failures || statuses[423] != 40-failures {
			t.Errorf("%s: %v", name, statuses)
		}
		if events := kittest.Emitted(t, s.db); !slices.Equal(events, want) {
			t.Errorf("%s: published %v", name, events)
		}
	}
}

// TestConcurrentSignInsAreNoFailures: sign-ins with the right password are not limited.
func TestConcurrentSignInsAreNoFailures(t *testing.T) {
	s := newFixture(t)
	s.register(t, "testuser")
	statuses := race(40, func(n int) int {
		if _, err := s.Authenticate(context.Background(), "testuser", password, audit.Origin{Address: fmt.Sprintf("198.51.100.%d", n)}); err != nil {
			return fault.Of(err).Kind.Status()
		}
		return 200
	})
	if statuses[200] != 40 {
		t.Errorf("%v", statuses)
	}
}

func TestLockout(t *testing.T) {
	s := newFixture(t)
	s.register(t, "testuser")
	if err := s.signIn(t, "testuser", password, address); err != nil {
		t.Fatal(err)
	}
	var responses []string
	for _, name := range []string{"testuser", "unknown", "testuser@example.com", "unknown@example.com"} {
		response := ""
		for range failures + 2 {
			err := s.signIn(t, name, "wrong", "198.51.100.1")
			response += fmt.Sprintf("%v %d; ", err, fault.Of(err).RetryAfter)
		}
		responses = append(responses, response)
	}
	for _, response := range responses[1:] {
		if response != responses[0] {
			t.Errorf("a user:       %s\nan unknown name: %s", responses[0], response)
		}
	}
	if err := s.signIn(t, "TESTUSER", password, "198.51.100.2"); !errors.Is(err, lockout.ErrLocked) || fault.Of(err).RetryAfter < 50 {
		t.Errorf("the right password from another unknown address: %v", err)
	}
	if err := s.signIn(t, "testuser", password, address); err != nil {
		t.Errorf("the owner from a known address: %v", err)
	}
	// The username and the e-mail address of an account have their own locks. The owner is notified of each.
	if events := kittest.Emitted(t, s.db); !slices.Equal(events, []string{"users.locked", "users.locked"}) {
		t.Errorf("published %v", events)
	}
}

// TestTheNextAttemptNotifiesOfALock if the one that started it did not.
func TestTheNextAttemptNotifiesOfALock(t *testing.T) {
	s := newFixture(t)
	user := s.register(t, "testuser")
	for range failures {
		attempt, err := s.deps.Lockouts.Begin(t.Context(), "testuser", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := attempt.Failed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := s.signIn(t, "testuser", password, address); !errors.Is(err, lockout.ErrLocked) {
			t.Fatal(err)
		}
	}
	if events := kittest.Emitted(t, s.db); !slices.Equal(events, []string{"users.locked"}) {
		t.Errorf("published %v", events)
	}
	if actions := s.audited(t, user.ID); !slices.Equal(actions, []string{"account.registered", "account.locked"}) {
		t.Errorf("audited %v", actions)
	}
}
