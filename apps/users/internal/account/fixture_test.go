package account_test

import (
	"context"
	"encoding/json"
	"fmt"
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
	good     = "SecurePassword123!"
	other    = "AnotherGoodOne456!"
	address  = "192.0.2.1"
	failures = 5
)

// stand is the accounts of one test on a database of its own. What ends sessions is written down instead.
type stand struct {
	*account.Service
	app      *web.App
	db       *pgxpool.Pool
	parts    account.Dependencies
	mu       sync.Mutex
	ended    []string // "user except reason"
	lockouts lockout.Store
}

func newStand(t *testing.T, adapt ...func(*account.Dependencies)) *stand {
	t.Helper()
	s := &stand{db: kittest.DB(t, event.Migrations, idempotency.Migrations, audit.Migrations, account.Migrations, mailtoken.Migrations), lockouts: lockout.NewMemoryStore()}
	s.parts = account.Dependencies{
		Passwords: account.NewPasswords(4, 4), FirstIsAdmin: true,
		Lockouts:   lockout.NewService(s.lockouts, []byte("lockouts"), lockout.Policy{NameFailures: failures, AddressFailures: 1000, Duration: time.Minute, MaxDuration: time.Hour, Window: time.Hour}),
		MailTokens: mailtoken.NewService(s.db, []byte("mail tokens"), mailtoken.Lifetimes{Verify: time.Hour, Reset: time.Hour}),
		Sessions: account.Sessions{
			End: func(_ context.Context, _ event.TX, user shop.UserID, except uuid.UUID, reason string) error {
				s.end(user, except, reason)
				return nil
			},
			Erase: func(_ context.Context, _ event.TX, user shop.UserID, reason string) error {
				s.end(user, uuid.Nil, "all of it: "+reason)
				return nil
			},
			Export: func(context.Context, postgres.Reader, shop.UserID) (json.RawMessage, error) {
				return json.RawMessage(`["a session"]`), nil
			},
		},
	}
	for _, a := range adapt {
		a(&s.parts)
	}
	s.Service = account.NewService(event.NewOutbox(s.db), s.parts)
	s.app = web.New("users", web.Config{Verify: kittest.Verify})
	s.Routes(s.app)
	s.parts.MailTokens.Routes(s.app)
	return s
}

func (s *stand) end(user shop.UserID, except uuid.UUID, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, fmt.Sprintf("%s %s %s", user, except, reason))
}

// takeEnded are the ends since it was last asked.
func (s *stand) takeEnded() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended := s.ended
	s.ended = nil
	return ended
}

// join registers somebody and forgets what was told of it.
func (s *stand) join(t *testing.T, name string) shop.Caller {
	t.Helper()
	status, body := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/register", Body: registration(name, name+"@example.com", good)})
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

// told is the data of the newest event of a topic.
func (s *stand) told(t *testing.T, topic string) []byte {
	t.Helper()
	var data []byte
	if err := s.db.QueryRow(t.Context(), `select data from outbox where topic = $1 order by seq desc limit 1`, topic).Scan(&data); err != nil {
		t.Fatalf("%s: %v", topic, err)
	}
	return data
}

// mailed is the token that a mail about the newest event of a topic would carry: the way notifications gets it.
func (s *stand) mailed(t *testing.T, topic string) string {
	t.Helper()
	request := kittest.Field[string](t, s.told(t, topic), "request_id")
	status, body := kittest.Do(t, s.app, kittest.Call{Do: "POST /mail-tokens/" + request})
	if status != 200 {
		t.Fatalf("the token of %s: %d %s", request, status, body)
	}
	return kittest.Field[string](t, body, "token")
}

// answerAll answers the mails that were asked for.
func (s *stand) answerAll(t *testing.T) {
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

func (s *stand) signIn(t *testing.T, name, password, from string) error {
	t.Helper()
	_, err := s.Authenticate(t.Context(), name, password, audit.Origin{Address: from})
	return err
}

// audited are the actions about somebody, in order.
func (s *stand) audited(t *testing.T, who shop.UserID) []string {
	t.Helper()
	kept, err := audit.ListByUser(t.Context(), s.db, who)
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, k := range kept {
		actions = append([]string{string(k.Action)}, actions...)
	}
	return actions
}

func token(text string) string { return fmt.Sprintf(`{"token":%q}`, text) }

func has(all []string, part string) bool {
	for _, one := range all {
		if strings.Contains(one, part) {
			return true
		}
	}
	return false
}
