package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/bcrypt"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// race calls fn n times concurrently and counts the statuses.
func race(n int, fn func(n int) int) map[int]int {
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			status := fn(i)
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	all.Wait()
	return statuses
}

func TestOneOfTheLookalikesRegisters(t *testing.T) {
	s := newFixture(t)
	names := []string{"paypal", "PayPal", "paypaI", "ｐaypal", "раураӏ", "paypa1", "PAYPAL", "рауРаӏ"}
	statuses := race(len(names), func(n int) int {
		status, _ := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/register", Body: registration(names[n], fmt.Sprintf("p%d@example.com", n), password)})
		return status
	})
	if statuses[201] != 1 || statuses[409] != len(names)-1 {
		t.Errorf("%v", statuses)
	}
}

func TestATokenIsUsedOnce(t *testing.T) {
	s := newFixture(t)
	user := s.register(t, "testuser")
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/verify-email/resend", Body: `{"email":"testuser@example.com"}`})
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: `{"email":"testuser@example.com"}`})
	race(4, func(int) int { s.processMails(t); return 0 }) // replicas
	verify, reset := s.mailed(t, "users.verification_requested"), s.mailed(t, "users.password_reset_requested")
	if events := kittest.Emitted(t, s.db); len(events) != 2 {
		t.Errorf("two requests, published %v", events)
	}
	statuses := race(8, func(int) int {
		status, _ := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/verify-email", Body: token(verify)})
		return status
	})
	if statuses[204] != 1 || statuses[422] != 7 {
		t.Errorf("verify: %v", statuses)
	}
	statuses = race(8, func(n int) int {
		status, _ := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/reset", Body: fmt.Sprintf(`{"token":%q,"new_password":"%s%d"}`, reset, newPassword, n)})
		return status
	})
	if statuses[204] != 1 || statuses[422] != 7 {
		t.Errorf("reset: %v", statuses)
	}
	if events := kittest.Emitted(t, s.db); !slices.Equal(events, []string{"users.verified", "users.password_changed"}) {
		t.Errorf("published %v", events)
	}
	if actions := s.audited(t, user.ID); strings.Count(strings.Join(actions, " "), "password.reset") != 1 {
		t.Errorf("audited %v", actions)
	}
}

// TestOneAdminStays: two admins are removed concurrently, each by another route.
func TestOneAdminStays(t *testing.T) {
	s := newFixture(t)
	first, second := s.register(t, "first"), s.register(t, "second")
	if _, err := s.Update(t.Context(), first, second.ID, account.UserUpdate{Role: new(shop.Admin)}, audit.Origin{}); err != nil {
		t.Fatal(err)
	}
	statuses := race(2, func(n int) int {
		call := kittest.Call{As: first, Do: "DELETE /users/me"}
		if n == 1 {
			call = kittest.Call{As: first, Do: "PATCH /users/" + second.ID.String(), Body: `{"active":false}`}
		}
		status, _ := kittest.Do(t, s.app, call)
		return status
	})
	if statuses[409] != 1 {
		t.Errorf("%v", statuses)
	}
}

func TestUnverifiedAddressesAreRevealedOnlyAfterTheRightPassword(t *testing.T) {
	s := newFixture(t, func(p *account.Dependencies) { p.RequireVerifiedEmail = true })
	s.register(t, "testuser")
	if err := s.signIn(t, "testuser", "wrong", address); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("wrong password: %v", err)
	}
	if err := s.signIn(t, "testuser", password, address); !errors.Is(err, account.ErrEmailNotVerified) || fault.Of(err).Kind != fault.Forbidden {
		t.Errorf("right password: %v", err)
	}
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/verify-email/resend", Body: `{"email":"testuser@example.com"}`})
	s.processMails(t)
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/verify-email", Body: token(s.mailed(t, "users.verification_requested"))})
	if err := s.signIn(t, "testuser", password, address); err != nil {
		t.Errorf("verified: %v", err)
	}
}

func TestASignInUpgradesTheHash(t *testing.T) {
	s := newFixture(t)
	user := s.register(t, "testuser")
	s.deps.Passwords = account.NewPasswords(5, 1)
	s.Service = account.NewService(event.NewOutbox(s.db), s.deps)
	cost := func() int {
		var hash []byte
		if err := s.db.QueryRow(t.Context(), `select password_hash from accounts where id = $1`, user.ID).Scan(&hash); err != nil {
			t.Fatal(err)
		}
		cost, err := bcrypt.Cost(hash)
		if err != nil {
			t.Fatal(err)
		}
		return cost
	}
	if err := s.signIn(t, "testuser", "wrong", address); !errors.Is(err, account.ErrCredentials) || cost() != 4 {
		t.Errorf("%v, cost %d", err, cost())
	}
	for range 2 {
		if err := s.signIn(t, "testuser", password, address); err != nil || cost() != 5 {
			t.Errorf("%v, cost %d", err, cost())
		}
	}
}

func TestASignInSucceedsIfTheRehashFails(t *testing.T) {
	s := newFixture(t)
	s.register(t, "testuser")
	s.deps.Passwords = account.NewPasswords(5, 1)
	s.Service = account.NewService(event.NewOutbox(s.db), s.deps)
	failOn(t, s.db, "update of password_hash on accounts", "true")
	if err := s.signIn(t, "testuser", password, address); err != nil {
		t.Error(err)
	}
}

// failingStore is a store that can fail.
type failingStore struct {
	lockout.Store
	fails bool
}

func (s *failingStore) Change(ctx context.Context, key string, fn lockout.Change) error {
	if s.fails {
		return lockout.ErrConflict
	}
	return s.Store.Change(ctx, key, fn)
}

// TestResetAndErasureSucceedWithoutTheLockoutStore: the transaction has been committed before.
func TestResetAndErasureSucceedWithoutTheLockoutStore(t *testing.T) {
	store := &failingStore{Store: lockout.NewMemoryStore()}
	s := newFixture(t, func(p *account.Dependencies) {
		p.Lockouts = lockout.NewService(store, []byte("lockouts"), policy)
	})
	s.register(t, "first")
	user := s.register(t, "testuser")
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: `{"email":"testuser@example.com"}`})
	s.processMails(t)
	store.fails = true
	if err := s.ResetPassword(t.Context(), s.mailed(t, "users.password_reset_requested"), newPassword, audit.Origin{}); err != nil {
		t.Errorf("reset: %v", err)
	}
	if err := s.Erase(t.Context(), user, audit.Origin{}); err != nil {
		t.Errorf("erase: %v", err)
	}
}

// failOn adds a trigger that fails for rows with a condition.
func failOn(t *testing.T, db *pgxpool.Pool, statement, when string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), `
		create function fails() returns trigger language plpgsql as $$ begin raise 'a bad row'; end $$;
		create trigger fails before `+statement+` for each row when (`+when+`) execute function fails()`); err != nil {
		t.Fatal(err)
	}
}

// TestAFloodOfRegistrationsStopsNoSignIn starts more registrations than can get a slot in time.
func TestAFloodOfRegistrationsStopsNoSignIn(t *testing.T) {
	s := newFixture(t, func(p *account.Dependencies) { p.Passwords = account.NewPasswords(10, 1) })
	s.register(t, "testuser")
	registered := make(chan map[int]int)
	go func() {
		registered <- race(150, func(n int) int {
			name := fmt.Sprint("flood", n)
			status, _ := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/register", Body: registration(name, name+"@example.com", password)})
			return status
		})
	}()
	for signedIn := 0; ; signedIn++ {
		select {
		case statuses := <-registered:
			if signedIn == 0 || statuses[201] == 0 || statuses[503] == 0 {
				t.Errorf("%d sign-ins beside %v", signedIn, statuses)
			}
			return
		default:
			if err := s.signIn(t, "testuser", password, address); err != nil {
				t.Fatalf("after %d sign-ins: %v", signedIn, err)
			}
		}
	}
}

// TestAFailingMailRequestDelaysNoOther: it is due again later.
func TestAFailingMailRequestDelaysNoOther(t *testing.T) {
	s := newFixture(t)
	for _, name := range []string{"bad", "testuser"} {
		s.register(t, name)
		kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: fmt.Sprintf(`{"email":"%s@example.com"}`, name)})
	}
	failOn(t, s.db, "insert on outbox", "new.data->>'email' = 'bad@example.com'")
	if more, err := s.ProcessMailRequest(t.Context()); !more || err == nil {
		t.Errorf("the failing request: %t, %v", more, err)
	}
	s.processMails(t)
	s.mailed(t, "users.password_reset_requested")
	var waiting int
	if err := s.db.QueryRow(t.Context(), `select count(*) from mail_requests where email_key = 'bad@example.com'`).Scan(&waiting); err != nil || waiting != 1 {
		t.Errorf("%d failed requests, %v", waiting, err)
	}
}

func TestPasswordsAreNotTruncated(t *testing.T) {
	p := account.NewPasswords(4, 1)
	long := strings.Repeat("x", 72)
	hash, err := p.Hash(t.Context(), long)
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]error{long: nil, long + "y": account.ErrCredentials, long[:71]: account.ErrCredentials} {
		if err := p.Check(t.Context(), hash, password); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", len(password), err)
		}
	}
	if _, err := p.Hash(t.Context(), long+"y"); fault.Of(err).Fields["password"] == "" {
		t.Errorf("73 bytes: %v", err)
	}
	composed, err := p.Hash(t.Context(), "Caf\u00e9-au-lait")
	if err != nil || p.Check(t.Context(), composed, "Cafe\u0301-au-lait") != nil {
		t.Errorf("the same letters in another encoding: %v", err)
	}
	for _, empty := range [][]byte{nil, {}} {
		if err := p.Check(t.Context(), empty, "a decoy's password"); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("the decoy's password is accepted: %v", err)
		}
	}
}
