package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/auth"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// fakeUsers is the feed of a users service. Its cursor is the number of ended sessions.
type fakeUsers struct {
	mu            sync.Mutex
	signer        *auth.Signer
	endedSessions []uuid.UUID
	down          bool
	requests      int
	changed       chan struct{}
}

func newUsers(t testing.TB) *fakeUsers {
	signer, _ := newSigner(t)
	return &fakeUsers{signer: signer, changed: make(chan struct{})}
}

var errDown = errors.New("users is unavailable")

func (u *fakeUsers) feed(ctx context.Context, cursor string) (auth.Update, error) {
	from, _ := strconv.Atoi(cursor)
	for {
		u.mu.Lock()
		u.requests++
		changed, ended, down := u.changed, slices.Clone(u.endedSessions[min(from, len(u.endedSessions)):]), u.down
		at := strconv.Itoa(len(u.endedSessions))
		u.mu.Unlock()
		if down {
			return auth.Update{}, errDown
		}
		if cursor == "" || len(ended) > 0 {
			return auth.Update{Issuer: auth.Issuer, JWKS: u.signer.JWKS(), EndedSessions: ended, TTLSeconds: 60, Cursor: at}, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return auth.Update{}, ctx.Err()
		case <-time.After(time.Second):
			return auth.Update{Issuer: auth.Issuer, JWKS: u.signer.JWKS(), Cursor: at}, nil
		}
	}
}

func (u *fakeUsers) change(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change()
	close(u.changed)
	u.changed = make(chan struct{})
}

func (u *fakeUsers) end(session uuid.UUID) {
	u.change(func() { u.endedSessions = append(u.endedSessions, session) })
}

func (u *fakeUsers) setDown(down bool) { u.change(func() { u.down = down }) }

func signed(t testing.TB, s *auth.Signer, caller shop.Caller) string {
	t.Helper()
	token, err := s.Sign(caller, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func kindOf(err error) fault.Kind {
	if f := fault.Of(err); err != nil && f != nil {
		return f.Kind
	}
	return ""
}

func TestEveryReplicaRefusesAnEndedSession(t *testing.T) {
	u := newUsers(t)
	alice := kittest.NewCaller(shop.User)
	otherSession := alice
	otherSession.SessionID = uuid.New()
	first, second := signed(t, u.signer, alice), signed(t, u.signer, otherSession)
	replicas := []*auth.Verifier{
		auth.Follow(t.Context(), u.feed), auth.Follow(t.Context(), u.feed), auth.Follow(t.Context(), u.feed),
	}
	for _, v := range replicas {
		if _, err := v.Verify(t.Context(), first); err != nil {
			t.Fatal(err) // caches the token
		}
	}
	u.end(alice.SessionID)
	kittest.Eventually(t, time.Second, func() error {
		for i, v := range replicas {
			if _, err := v.Verify(t.Context(), first); !errors.Is(err, auth.ErrSessionEnded) {
				return fmt.Errorf("replica %d: %w", i, err)
			}
		}
		return nil
	})
	for _, v := range replicas {
		if got, err := v.Verify(t.Context(), second); err != nil || got != otherSession {
			t.Errorf("another session of the same user: %v", err)
		}
	}
	if _, err := auth.Follow(t.Context(), u.feed).Verify(t.Context(), first); !errors.Is(err, auth.ErrSessionEnded) {
		t.Errorf("a replica that started later: %v", err)
	}
}

func TestNoTokenIsAcceptedBeforeTheFirstUpdate(t *testing.T) {
	u := newUsers(t)
	alice := kittest.NewCaller(shop.User)
	token := signed(t, u.signer, alice)
	u.end(alice.SessionID)
	u.setDown(true)
	v := auth.Follow(t.Context(), u.feed)
	for range 3 {
		if got, err := v.Verify(t.Context(), token); kindOf(err) != fault.Unavailable {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	u.setDown(false)
	kittest.Eventually(t, 2*time.Second, func() error {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, auth.ErrSessionEnded) {
			return fmt.Errorf("users is available again: %w", err)
		}
		return nil
	})
}

func TestVerifierKeepsItsStateWhileUsersIsDown(t *testing.T) {
	u := newUsers(t)
	other, _ := newSigner(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	u.end(bob.SessionID)
	v := auth.Follow(t.Context(), u.feed)
	first := signed(t, u.signer, alice)
	if _, err := v.Verify(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), signed(t, other, alice)); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("an unknown key: %v", err)
	}
	u.setDown(true)
	kittest.Eventually(t, 5*time.Second, func() error {
		auth.MakeStale(v) // ten seconds have passed
		if v.Healthy(t.Context()) == nil {
			return errors.New("the verifier is healthy")
		}
		return nil
	})
	for _, token := range []string{first, signed(t, u.signer, alice)} {
		if got, err := v.Verify(t.Context(), token); err != nil || got != alice {
			t.Errorf("a valid token: %v", err)
		}
	}
	if _, err := v.Verify(t.Context(), signed(t, u.signer, bob)); !errors.Is(err, auth.ErrSessionEnded) {
		t.Errorf("an ended session: %v", err)
	}
	kittest.Eventually(t, 5*time.Second, func() error {
		auth.MakeStale(v) // a request in flight may have ended since
		if _, err := v.Verify(t.Context(), signed(t, other, alice)); kindOf(err) != fault.Unavailable {
			return fmt.Errorf("a key that may be new: %w", err)
		}
		return nil
	})
	u.setDown(false)
	kittest.Eventually(t, 2*time.Second, func() error {
		if _, err := v.Verify(t.Context(), signed(t, other, alice)); !errors.Is(err, auth.ErrInvalidToken) {
			return fmt.Errorf("users is available again: %w", err)
		}
		return v.Healthy(t.Context())
	})
}

func TestKeysAreRotatedAndRemoved(t *testing.T) {
	u := newUsers(t)
	v := auth.Follow(t.Context(), u.feed)
	alice := kittest.NewCaller(shop.User)
	old := signed(t, u.signer, alice)
	first, next := u.signer.InitialKey(), u.signer.NewKey()
	next.SignsFrom = time.Now().Add(time.Hour)
	use := func(keys ...auth.Key) {
		t.Helper()
		u.change(func() {
			if err := u.signer.SetKeys(keys); err != nil {
				t.Fatal(err)
			}
			u.endedSessions = append(u.endedSessions, uuid.New()) // so that the feed responds immediately
		})
	}
	use(first, next)
	kittest.Eventually(t, 2*time.Second, func() error { return auth.UpdateNow(v, "") })
	if token := signed(t, u.signer, alice); kid(t, token) != first.ID {
		t.Error("a key signs before its time")
	}
	next.SignsFrom = time.Now().Add(-time.Second)
	use(next, first)
	fresh := signed(t, u.signer, alice)
	if kid(t, fresh) != next.ID {
		t.Error("a key whose time has come does not sign")
	}
	for _, token := range []string{old, fresh} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("a token of a published key: %v", err)
		}
	}
	use(next)
	kittest.Eventually(t, 2*time.Second, func() error {
		if _, err := v.Verify(t.Context(), old); !errors.Is(err, auth.ErrInvalidToken) {
			return fmt.Errorf("a token of a removed key: %w", err)
		}
		_, err := v.Verify(t.Context(), fresh)
		return err
	})
}

func TestExpiredEndedSessionsAreRemoved(t *testing.T) {
	u := newUsers(t)
	v := auth.NewVerifier(func(ctx context.Context, cursor string) (auth.Update, error) {
		update, err := u.feed(ctx, cursor)
		update.TTLSeconds = -1 // expired already
		return update, err
	})
	for range 100 {
		u.end(uuid.New())
	}
	if err := auth.UpdateNow(v, ""); err != nil {
		t.Fatal(err)
	}
	auth.ForcePurge(v)
	u.end(uuid.New())
	if err := auth.UpdateNow(v, "100"); err != nil {
		t.Fatal(err)
	}
	if n := auth.EndedSessions(v); n != 1 {
		t.Errorf("%d sessions are remembered", n)
	}
}

// TestConcurrentVerificationsAndUpdates is for the race detector.
func TestConcurrentVerificationsAndUpdates(t *testing.T) {
	u := newUsers(t)
	v := auth.Follow(t.Context(), u.feed)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				got := kittest.NewCaller(shop.User)
				token := signed(t, u.signer, got)
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Error(err)
				}
				u.end(got.SessionID)
			}
		})
	}
	all.Wait()
	kittest.Eventually(t, 2*time.Second, func() error {
		if n := auth.EndedSessions(v); n != 400 {
			return fmt.Errorf("%d of 400 are known", n)
		}
		return nil
	})
}

func TestConcurrentFirstTokensLoadOnce(t *testing.T) {
	u := newUsers(t)
	v := auth.NewVerifier(u.feed)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := v.Verify(t.Context(), signed(t, u.signer, kittest.NewCaller(shop.User))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if u.requests != 1 {
		t.Errorf("%d requests", u.requests)
	}
}
