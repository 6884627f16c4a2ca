package account_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

const (
	password    = "SecurePassword123!"
	newPassword = "AnotherGoodOne456!"
	address     = "192.0.2.1"
	failures    = 5
)

var policy = lockout.Policy{
	NameFailures: failures, AddressFailures: 1000, Duration: time.Minute, MaxDuration: time.Hour, Window: time.Hour,
}

// fixture is a service with a database of its own. It records the ends of sessions instead of ending them.
type fixture struct {
	*account.Service
	app      *web.App
	db       *pgxpool.Pool
	deps     account.Dependencies
	mu       sync.Mutex
	endings  []string // "user except reason"
	lockouts lockout.Store
}

func newFixture(t *testing.T, adapt ...func(*account.Dependencies)) *fixture {
	t.Helper()
	s := &fixture{lockouts: lockout.NewMemoryStore()}
	s.db = kittest.DB(t, event.Migrations, idempotency.Migrations, audit.Migrations, account.Migrations,
		mailtoken.Migrations)
	s.deps = account.Dependencies{
		Passwords: account.NewPasswords(4, 4), FirstIsAdmin: true,
		Lockouts:   lockout.NewService(s.lockouts, []byte("lockouts"), policy),
		MailTokens: mailtoken.NewService(s.db, []byte("mail tokens"), mailtoken.Lifetimes{Verify: time.Hour, Reset: time.Hour}),
		Sessions: account.Sessions{
			End: func(_ context.Context, _ event.TX, user shop.UserID, except uuid.UUID, reason string) error {
				s.end(user, except, reason)
				return nil
			},
			Erase: func(_ context.Context, _ event.TX, user shop.UserID, reason string) error {
				s.end(user, uuid.Nil, "erased: "+reason)
				return nil
			},
			Export: func(context.Context, postgres.Reader, shop.UserID) (json.RawMessage, error) {
				return json.RawMessage(`["a session"]`), nil
			},
		},
	}
	for _, a := range adapt {
		a(&s.deps)
	}
	s.Service = account.NewService(event.NewOutbox(s.db), s.deps)
	s.app = web.New("users", web.Config{Verify: kittest.Verify})
	s.Routes(s.app)
	s.deps.MailTokens.Routes(s.app)
	return s
}

func (s *fixture) end(user shop.UserID, except uuid.UUID, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endings = append(s.endings, fmt.Sprintf("%s %s %s", user, except, reason))
}

// takeEnded returns the ends since the last call.
func (s *fixture) takeEnded() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended := s.endings
	s.endings = nil
	return ended
}

// register registers a user and ignores the events of that.
func (s *fixture) register(t *testing.T, name string) shop.Caller {
	t.Helper()
	status, body := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/register", Body: registration(name, name+"@example.com", password)})
	if status != 201 {
		t.Fatalf("register: %d %s", status, body)
	}
	kittest.Emitted(t, s.db)
	id, err := shop.ParseUserID(kittest.Field[string](t, body, "id"))
	if err != nil {
		t.Fatal(err)
	}
	return shop.Caller{ID: id, SessionID: shop.NewID(), Role: kittest.Field[shop.Role](t, body, "role")}
}

func registration(username, email, password string) string {
	body, _ := json.Marshal(map[string]string{"username": username, "email": email, "password": password, "full_name": "Test User"})
	return string(body)
}

// newest returns the data of the newest event of a topic.
func (s *fixture) newest(t *testing.T, topic string) []byte {
	t.Helper()
	var data []byte
	if err := s.db.QueryRow(t.Context(), `select data from outbox where topic = $1 order by seq desc limit 1`, topic).Scan(&data); err != nil {
		t.Fatalf("%s: %v", topic, err)
	}
	return data
}

// mailed returns the token of the e-mail for the newest event of a topic, as the notifications service reads it.
func (s *fixture) mailed(t *testing.T, topic string) string {
	t.Helper()
	request := kittest.Field[string](t, s.newest(t, topic), "request_id")
	status, body := kittest.Do(t, s.app, kittest.Call{Do: "POST /mail-tokens/" + request})
	if status != 200 {
		t.Fatalf("token of %s: %d %s", request, status, body)
	}
	return kittest.Field[string](t, body, "token")
}

// processMails processes all requests for e-mails.
func (s *fixture) processMails(t *testing.T) {
	t.Helper()
	for {
		more, err := s.ProcessMailRequest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

func (s *fixture) signIn(t *testing.T, name, password, from string) error {
	t.Helper()
	_, err := s.Authenticate(t.Context(), name, password, audit.Origin{Address: from})
	return err
}

// audited returns the audited actions about a user, oldest first.
func (s *fixture) audited(t *testing.T, user shop.UserID) []string {
	t.Helper()
	entries, err := audit.ListByUser(t.Context(), s.db, user)
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range slices.Backward(entries) {
		actions = append(actions, string(e.Action))
	}
	return actions
}

func token(text string) string { return fmt.Sprintf(`{"token":%q}`, text) }

func has(all []string, part string) bool {
	return slices.ContainsFunc(all, func(one string) bool { return strings.Contains(one, part) })
}
