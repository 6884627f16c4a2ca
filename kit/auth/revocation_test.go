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

// users stands in for the users service: it tells what ended after a cursor, which is how many it has told.
type users struct {
	mu     sync.Mutex
	signer *auth.Signer
	ended  []uuid.UUID
	away   bool
	asked  int
	news   chan struct{}
}

func newUsers(t testing.TB) *users {
	signer, _ := newSigner(t)
	return &users{signer: signer, news: make(chan struct{})}
}

var errAway = errors.New("away")

func (u *users) ask(ctx context.Context, cursor string) (auth.Update, error) {
	from, _ := strconv.Atoi(cursor)
	for {
		u.mu.Lock()
		u.asked++
		news, told, away := u.news, slices.Clone(u.ended[min(from, len(u.ended)):]), u.away
		at := strconv.Itoa(len(u.ended))
		u.mu.Unlock()
		if away {
			return auth.Update{}, errAway
		}
		if cursor == "" || len(told) > 0 {
			return auth.Update{Issuer: auth.Issuer, JWKS: u.signer.JWKS(), Ended: told, TTLSeconds: 60, Cursor: at}, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return auth.Update{}, ctx.Err()
		case <-time.After(time.Second):
			return auth.Update{Issuer: auth.Issuer, JWKS: u.signer.JWKS(), Cursor: at}, nil
		}
	}
}

func (u *users) change(how func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	how()
	close(u.news)
	u.news = make(chan struct{})
}

func (u *users) end(session uuid.UUID) { u.change(func() { u.ended = append(u.ended, session) }) }

func (u *users) setAway(away bool) { u.change(func() { u.away = away }) }

func signed(t testing.TB, s *auth.Signer, who shop.Caller) string {
	t.Helper()
	token, err := s.Sign(who, time.Minute)
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

func TestAnEndedSessionIsRefusedByEveryReplica(t *testing.T) {
	u := newUsers(t)
	alice := kittest.NewCaller(shop.User)
	elsewhere := alice
	elsewhere.SessionID = uuid.New()
	here, there := signed(t, u.signer, alice), signed(t, u.signer, elsewhere)
	replicas := []*auth.Verifier{auth.Follow(t.Context(), u.ask), auth.Follow(t.Context(), u.ask), auth.Follow(t.Context(), u.ask)}
	for _, v := range replicas {
		if _, err := v.Verify(t.Context(), here); err != nil {
			t.Fatal(err) // and it is remembered as good
		}
	}
	u.end(alice.SessionID)
	kittest.Eventually(t, time.Second, func() error {
		for i, v := range replicas {
			if _, err := v.Verify(t.Context(), here); !errors.Is(err, auth.ErrSessionEnded) {
				return fmt.Errorf("replica %d: %w", i, err)
			}
		}
		return nil
	})
	for _, v := range replicas {
		if who, err := v.Verify(t.Context(), there); err != nil || who != elsewhere {
			t.Errorf("another session of the same user: %v", err)
		}
	}
	if _, err := auth.Follow(t.Context(), u.ask).Verify(t.Context(), here); !errors.Is(err, auth.ErrSessionEnded) {
		t.Errorf("a replica that started later: %v", err)
	}
}

func TestNothingIsVouchedForBeforeAnythingIsKnown(t *testing.T) {
	u := newUsers(t)
	alice := kittest.NewCaller(shop.User)
	token := signed(t, u.signer, alice)
	u.end(alice.SessionID)
	u.setAway(true)
	v := auth.Follow(t.Context(), u.ask)
	for range 3 {
		if who, err := v.Verify(t.Context(), token); kindOf(err) != fault.Unavailable {
			t.Fatalf("%+v, %v", who, err)
		}
	}
	u.setAway(false)
	kittest.Eventually(t, 2*time.Second, func() error {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, auth.ErrSessionEnded) {
			return fmt.Errorf("users is back: %w", err)
		}
		return nil
	})
}

func TestWhatIsKnownHoldsWhileUsersIsAway(t *testing.T) {
	u := newUsers(t)
	stranger, _ := newSigner(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	u.end(bob.SessionID)
	v := auth.Follow(t.Context(), u.ask)
	first := signed(t, u.signer, alice)
	if _, err := v.Verify(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), signed(t, stranger, alice)); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("a key that nobody has: %v", err)
	}
	u.setAway(true)
	kittest.Eventually(t, 5*time.Second, func() error {
		auth.MakeStale(v) // ten seconds have passed
		return map[bool]error{true: nil, false: errors.New("it says that it is well")}[v.Healthy(t.Context()) != nil]
	})
	for _, token := range []string{first, signed(t, u.signer, alice)} {
		if who, err := v.Verify(t.Context(), token); err != nil || who != alice {
			t.Errorf("a good token: %v", err)
		}
	}
	if _, err := v.Verify(t.Context(), signed(t, u.signer, bob)); !errors.Is(err, auth.ErrSessionEnded) {
		t.Errorf("an ended session: %v", err)
	}
	kittest.Eventually(t, 5*time.Second, func() error {
		auth.MakeStale(v) // a question that was on its way may have been answered since
		if _, err := v.Verify(t.Context(), signed(t, stranger, alice)); kindOf(err) != fault.Unavailable {
			return fmt.Errorf("a key that may be new: %w", err)
		}
		return nil
	})
	u.setAway(false)
	kittest.Eventually(t, 2*time.Second, func() error {
		if _, err := v.Verify(t.Context(), signed(t, stranger, alice)); !errors.Is(err, auth.ErrInvalidToken) {
			return fmt.Errorf("users is back: %w", err)
		}
		return v.Healthy(t.Context())
	})
}

func TestKeysAreRotatedAndWithdrawn(t *testing.T) {
	u := newUsers(t)
	v := auth.Follow(t.Context(), u.ask)
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
			u.ended = append(u.ended, uuid.New()) // so that the answer comes at once
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
		t.Error("a key does not sign though its time has come")
	}
	for _, token := range []string{old, fresh} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("both keys are published: %v", err)
		}
	}
	use(next)
	kittest.Eventually(t, 2*time.Second, func() error {
		if _, err := v.Verify(t.Context(), old); !errors.Is(err, auth.ErrInvalidToken) {
			return fmt.Errorf("a token of a withdrawn key: %w", err)
		}
		_, err := v.Verify(t.Context(), fresh)
		return err
	})
}

func TestEndedSessionsAreForgottenInTime(t *testing.T) {
	u := newUsers(t)
	v := auth.NewVerifier(func(ctx context.Context, cursor string) (auth.Update, error) {
		told, err := u.ask(ctx, cursor)
		told.TTLSeconds = -1 // it was over before it was told
		return told, err
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
		t.Errorf("%d are remembered", n)
	}
}

// Under the race detector: checks while sessions end.
func TestChecksAndEndsAtOnce(t *testing.T) {
	u := newUsers(t)
	v := auth.Follow(t.Context(), u.ask)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				who := kittest.NewCaller(shop.User)
				token := signed(t, u.signer, who)
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Error(err)
				}
				u.end(who.SessionID)
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

func TestManyComeBeforeAnythingIsKnown(t *testing.T) {
	u := newUsers(t)
	v := auth.NewVerifier(u.ask)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := v.Verify(t.Context(), signed(t, u.signer, kittest.NewCaller(shop.User))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if u.asked != 1 {
		t.Errorf("asked %d times", u.asked)
	}
}
