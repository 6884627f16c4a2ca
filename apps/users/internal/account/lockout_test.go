package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"sidecart/apps/users/internal/account"
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
	for _, name := range []string{"testuser", "unknown", "unknown@example.com"} {
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
}

// nameForms are ways to type the names of the account testuser, and of a name without an account.
var nameForms = map[string][]string{
	"testuser": {"testuser", "testuser@example.com", " TestUser ", "TESTUSER@EXAMPLE.COM", "ｔｅｓｔuser", "testuser@example.com "},
	"unknown":  {"unknown", "UNKNOWN", " unknown ", "Unknown", "ｕｎｋnown", "unknown "},
}

// TestFailuresCountForTheAccount: failures under each name of an account are counted together. Failures of one unknown
// name count in the same way.
func TestFailuresCountForTheAccount(t *testing.T) {
	var responses []string
	for name, forms := range nameForms {
		s := newFixture(t)
		s.register(t, "testuser")
		response := ""
		for n := range 4 * len(forms) {
			err := s.signIn(t, forms[n%len(forms)], "wrong", fmt.Sprintf("198.51.100.%d", n))
			response += fmt.Sprintf("%v %d; ", err, fault.Of(err).RetryAfter)
		}
		responses = append(responses, response)
		for _, form := range forms {
			if err := s.signIn(t, form, password, address); !errors.Is(err, lockout.ErrLocked) {
				t.Errorf("%q after %d failures: %v", form, failures, err)
			}
		}
		events := kittest.Emitted(t, s.db)
		if want := name == "testuser"; want != slices.Equal(events, []string{"users.locked"}) || !want && len(events) > 0 {
			t.Errorf("%s: published %v", name, events)
		}
	}
	if responses[0] != responses[1] {
		t.Errorf("the account and the unknown name differ:\n%s\n%s", responses[0], responses[1])
	}
}

// TestAccountsAreUnlockedWhole: what lifts a lockout lifts it for each of the names, and a change of names lifts none.
func TestAccountsAreUnlockedWhole(t *testing.T) {
	s := newFixture(t)
	admin, user := s.register(t, "first"), s.register(t, "testuser")
	guess := func(forms ...string) {
		t.Helper()
		for n := range failures {
			if err := s.signIn(t, forms[n%len(forms)], "wrong", "198.51.100.1"); !errors.Is(err, account.ErrCredentials) {
				t.Fatalf("failure %d: %v", n+1, err)
			}
		}
		for _, form := range forms {
			if err := s.signIn(t, form, password, "198.51.100.2"); !errors.Is(err, lockout.ErrLocked) {
				t.Fatalf("%q: %v", form, err)
			}
		}
	}
	guess("testuser", "testuser@example.com")
	rename := kittest.Call{As: user, Do: "PATCH /users/me", Body: `{"username":"another","email":"another@example.com"}`}
	if status, body := kittest.Do(t, s.app, rename); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	for _, form := range []string{"another", "another@example.com"} {
		if err := s.signIn(t, form, password, "198.51.100.2"); !errors.Is(err, lockout.ErrLocked) {
			t.Errorf("%q after the change of names: %v", form, err)
		}
	}
	unlock := kittest.Call{As: admin, Do: "POST /users/" + user.ID.String() + "/unlock"}
	if status, body := kittest.Do(t, s.app, unlock); status != 204 {
		t.Fatalf("%d %s", status, body)
	}
	for range failures - 1 {
		_ = s.signIn(t, "another", "wrong", "198.51.100.1")
	}
	if err := s.signIn(t, "another@example.com", password, "198.51.100.3"); err != nil { // resets all
		t.Error(err)
	}
	guess("another", "another@example.com")
}

// TestWrongCurrentPasswordsAreFailedSignIns: failures of PUT /users/me/password and of sign-ins add up.
func TestWrongCurrentPasswordsAreFailedSignIns(t *testing.T) {
	s := newFixture(t)
	user := s.register(t, "testuser")
	wrong := kittest.Call{As: user, Do: "PUT /users/me/password", Body: `{"current_password":"wrong","new_password":"` + newPassword + `"}`}
	for n, form := range []string{"testuser", "", "testuser@example.com", "", " TESTUSER "} {
		status, err := 422, error(nil)
		if form == "" {
			status, _ = kittest.Do(t, s.app, wrong)
		} else {
			err = s.signIn(t, form, "wrong", "")
		}
		if status != 422 || form != "" && !errors.Is(err, account.ErrCredentials) {
			t.Fatalf("failure %d: %d %v", n+1, status, err)
		}
	}
	if status, body := kittest.Do(t, s.app, wrong); status != 423 {
		t.Errorf("the sixth: %d %s", status, body)
	}
	if err := s.signIn(t, "testuser@example.com", password, ""); !errors.Is(err, lockout.ErrLocked) {
		t.Errorf("a sign-in by e-mail address: %v", err)
	}
}

// TestTheNextAttemptNotifiesOfALock if the one that started it did not.
func TestTheNextAttemptNotifiesOfALock(t *testing.T) {
	s := newFixture(t)
	user := s.register(t, "testuser")
	for range failures {
		attempt, err := s.deps.Lockouts.Begin(t.Context(), lockout.Account(user.ID), address)
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
