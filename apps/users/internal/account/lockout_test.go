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

// TestConcurrentFailures: of forty guesses at the same moment five are looked at, and the owner is told of one lock.
func TestConcurrentFailures(t *testing.T) {
	s := newStand(t)
	for name, want := range map[string][]string{"testuser": {"users.locked"}, "nobody": nil} {
		if want != nil {
			s.join(t, name)
		}
		outcomes := race(40, func(n int) int {
			_, err := s.Authenticate(context.Background(), name, "wrong", audit.Origin{Address: fmt.Sprintf("198.51.100.%d", n)})
			return fault.Of(err).Kind.Status()
		})
		if outcomes[401] != failures || outcomes[423] != 40-failures {
			t.Errorf("%s: %v", name, outcomes)
		}
		if told := kittest.Emitted(t, s.db); !slices.Equal(told, want) {
			t.Errorf("%s: told %v", name, told)
		}
	}
}

// TestConcurrentSignInsAreNoFailures: forty of the owner's programs know the password.
func TestConcurrentSignInsAreNoFailures(t *testing.T) {
	s := newStand(t)
	s.join(t, "testuser")
	outcomes := race(40, func(n int) int {
		if _, err := s.Authenticate(context.Background(), "testuser", good, audit.Origin{Address: fmt.Sprintf("198.51.100.%d", n)}); err != nil {
			return fault.Of(err).Kind.Status()
		}
		return 200
	})
	if outcomes[200] != 40 {
		t.Errorf("%v", outcomes)
	}
}

func TestLockout(t *testing.T) {
	s := newStand(t)
	s.join(t, "testuser")
	if err := s.signIn(t, "testuser", good, address); err != nil {
		t.Fatal(err)
	}
	var answers []string
	for _, name := range []string{"testuser", "nobody", "testuser@example.com", "nobody@example.com"} {
		said := ""
		for range failures + 2 {
			err := s.signIn(t, name, "wrong", "198.51.100.1")
			said += fmt.Sprintf("%v %d; ", err, fault.Of(err).RetryAfter)
		}
		answers = append(answers, said)
	}
	for _, said := range answers[1:] {
		if said != answers[0] {
			t.Errorf("somebody: %s\nnobody:   %s", answers[0], said)
		}
	}
	if err := s.signIn(t, "TESTUSER", good, "198.51.100.2"); !errors.Is(err, lockout.ErrLocked) || fault.Of(err).RetryAfter < 50 {
		t.Errorf("the right password from another strange address: %v", err)
	}
	if err := s.signIn(t, "testuser", good, address); err != nil {
		t.Errorf("the owner where they signed in before: %v", err)
	}
	// The name and the address of one account lock apart, and each lock is told.
	if told := kittest.Emitted(t, s.db); !slices.Equal(told, []string{"users.locked", "users.locked"}) {
		t.Errorf("told %v", told)
	}
}

// TestALockIsToldLater: where the try that began a lock could not tell of it, the next one does.
func TestALockIsToldLater(t *testing.T) {
	s := newStand(t)
	who := s.join(t, "testuser")
	for range failures {
		try, err := s.parts.Lockouts.Begin(t.Context(), "testuser", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := try.Failed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := s.signIn(t, "testuser", good, address); !errors.Is(err, lockout.ErrLocked) {
			t.Fatal(err)
		}
	}
	if told := kittest.Emitted(t, s.db); !slices.Equal(told, []string{"users.locked"}) {
		t.Errorf("told %v", told)
	}
	if actions := s.audited(t, who.ID); !slices.Equal(actions, []string{"account.registered", "account.locked"}) {
		t.Errorf("audited %v", actions)
	}
}
