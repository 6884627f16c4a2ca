package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// race calls fn n times at once and counts the statuses.
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
	s := newStand(t)
	names := []string{"paypal", "PayPal", "paypaI", "ｐaypal", "раураӏ", "paypa1", "PAYPAL", "рауРаӏ"}
	statuses := race(len(names), func(n int) int {
		status, _ := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/register", Body: registration(names[n], fmt.Sprintf("p%d@example.com", n), good)})
		return status
	})
	if statuses[201] != 1 || statuses[409] != len(names)-1 {
		t.Errorf("%v", statuses)
	}
}

func TestATokenIsGoodOnce(t *testing.T) {
	s := newStand(t)
	who := s.join(t, "testuser")
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/verify-email/resend", Body: `{"email":"testuser@example.com"}`})
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: `{"email":"testuser@example.com"}`})
	race(4, func(int) int { s.answerAll(t); return 0 }) // replicas
	verify, reset := s.mailed(t, "users.verification_requested"), s.mailed(t, "users.password_reset_requested")
	if told := kittest.Emitted(t, s.db); len(told) != 2 {
		t.Errorf("two requests, and told %v", told)
	}
	statuses := race(8, func(int) int {
		status, _ := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/verify-email", Body: token(verify)})
		return status
	})
	if statuses[204] != 1 || statuses[422] != 7 {
		t.Errorf("verify: %v", statuses)
	}
	statuses = race(8, func(n int) int {
		status, _ := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/reset", Body: fmt.Sprintf(`{"token":%q,"new_password":"%s%d"}`, reset, other, n)})
		return status
	})
	if statuses[204] != 1 || statuses[422] != 7 {
		t.Errorf("reset: %v", statuses)
	}
	if told := kittest.Emitted(t, s.db); !slices.Equal(told, []string{"users.verified", "users.password_changed"}) {
		t.Errorf("told %v", told)
	}
	if actions := s.audited(t, who.ID); strings.Count(strings.Join(actions, " "), "password.reset") != 1 {
		t.Errorf("audited %v", actions)
	}
}

// TestOneAdminStays has two admins leave at once, each by another door.
func TestOneAdminStays(t *testing.T) {
	s := newStand(t)
	first, second := s.join(t, "first"), s.join(t, "second")
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

func TestUnverifiedIsSaidOnlyToTheRightPassword(t *testing.T) {
	s := newStand(t, func(p *account.Dependencies) { p.RequireVerifiedEmail = true })
	s.join(t, "testuser")
	if err := s.signIn(t, "testuser", "wrong", address); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("wrong password: %v", err)
	}
	if err := s.signIn(t, "testuser", good, address); !errors.Is(err, account.ErrEmailNotVerified) || fault.Of(err).Kind != fault.Forbidden {
		t.Errorf("right password: %v", err)
	}
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/verify-email/resend", Body: `{"email":"testuser@example.com"}`})
	s.answerAll(t)
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/verify-email", Body: token(s.mailed(t, "users.verification_requested"))})
	if err := s.signIn(t, "testuser", good, address); err != nil {
		t.Errorf("verified: %v", err)
	}
}

func TestAnotherCostIsTakenOnAtTheNextSignIn(t *testing.T) {
	s := newStand(t)
	who := s.join(t, "testuser")
	s.parts.Passwords = account.NewPasswords(5, 1)
	s.Service = account.NewService(event.NewOutbox(s.db), s.parts)
	cost := func() int {
		var hash []byte
		if err := s.db.QueryRow(t.Context(), `select password_hash from accounts where id = $1`, who.ID).Scan(&hash); err != nil {
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
		if err := s.signIn(t, "testuser", good, address); err != nil || cost() != 5 {
			t.Errorf("%v, cost %d", err, cost())
		}
	}
}

// TestAFailedRehashLetsTheSignInGoOn: the owner is who they say, whatever comes of their hash.
func TestAFailedRehashLetsTheSignInGoOn(t *testing.T) {
	s := newStand(t)
	s.join(t, "testuser")
	s.parts.Passwords = account.NewPasswords(5, 1)
	s.Service = account.NewService(event.NewOutbox(s.db), s.parts)
	fails(t, s.db, "update of password_hash on accounts", "true")
	if err := s.signIn(t, "testuser", good, address); err != nil {
		t.Error(err)
	}
}

// awayStore is a store that can go away.
type awayStore struct {
	lockout.Store
	away bool
}

func (s *awayStore) Change(ctx context.Context, key string, fn lockout.Change) error {
	if s.away {
		return lockout.ErrConflict
	}
	return s.Store.Change(ctx, key, fn)
}

// TestWhatIsDoneIsAnsweredSo: a password that was reset and an account that was erased are, whatever the store of
// lockouts says.
func TestWhatIsDoneIsAnsweredSo(t *testing.T) {
	store := &awayStore{Store: lockout.NewMemoryStore()}
	s := newStand(t, func(p *account.Dependencies) {
		p.Lockouts = lockout.NewService(store, []byte("lockouts"), lockout.Policy{NameFailures: failures, AddressFailures: 1000, Duration: time.Minute, MaxDuration: time.Hour, Window: time.Hour})
	})
	s.join(t, "first")
	who := s.join(t, "testuser")
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: `{"email":"testuser@example.com"}`})
	s.answerAll(t)
	store.away = true
	if err := s.ResetPassword(t.Context(), s.mailed(t, "users.password_reset_requested"), other, audit.Origin{}); err != nil {
		t.Errorf("reset: %v", err)
	}
	if err := s.Erase(t.Context(), who, audit.Origin{}); err != nil {
		t.Errorf("erase: %v", err)
	}
}

// fails has a statement fail for the rows that a condition holds for.
func fails(t *testing.T, db *pgxpool.Pool, statement, when string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), `
		create function fails() returns trigger language plpgsql as $$ begin raise 'a bad row'; end $$;
		create trigger fails before `+statement+` for each row when (`+when+`) execute function fails()`); err != nil {
		t.Fatal(err)
	}
}

// TestAFloodOfRegistrationsStopsNoSignIn has many more register than passwords can be hashed while they wait.
func TestAFloodOfRegistrationsStopsNoSignIn(t *testing.T) {
	s := newStand(t, func(p *account.Dependencies) { p.Passwords = account.NewPasswords(10, 1) })
	s.join(t, "testuser")
	registered := make(chan map[int]int)
	go func() {
		registered <- race(150, func(n int) int {
			name := fmt.Sprint("flood", n)
			status, _ := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/register", Body: registration(name, name+"@example.com", good)})
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
			if err := s.signIn(t, "testuser", good, address); err != nil {
				t.Fatalf("after %d sign-ins: %v", signedIn, err)
			}
		}
	}
}

// TestABadRequestForMailHoldsUpNoOther: it steps aside and is tried again later.
func TestABadRequestForMailHoldsUpNoOther(t *testing.T) {
	s := newStand(t)
	for _, name := range []string{"bad", "testuser"} {
		s.join(t, name)
		kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: fmt.Sprintf(`{"email":"%s@example.com"}`, name)})
	}
	fails(t, s.db, "insert on outbox", "new.data->>'email' = 'bad@example.com'")
	if more, err := s.ProcessMailRequest(t.Context()); !more || err == nil {
		t.Errorf("the bad one: %t, %v", more, err)
	}
	s.answerAll(t)
	s.mailed(t, "users.password_reset_requested")
	var waiting int
	if err := s.db.QueryRow(t.Context(), `select count(*) from mail_requests where email_key = 'bad@example.com'`).Scan(&waiting); err != nil || waiting != 1 {
		t.Errorf("%d bad requests wait, %v", waiting, err)
	}
}

func TestPasswordsAreReadToTheirEnd(t *testing.T) {
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
		t.Errorf("the same letters from another keyboard: %v", err)
	}
	for _, nothing := range [][]byte{nil, {}} {
		if err := p.Check(t.Context(), nothing, "nobody's password"); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("the decoy's password opens: %v", err)
		}
	}
}
