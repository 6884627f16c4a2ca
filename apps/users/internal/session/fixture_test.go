package session_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/apps/users/internal/session"
	"sidecart/kit/auth"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func newApp(t *testing.T, firstIsAdmin bool) (*web.App, *pgxpool.Pool) {
	t.Helper()
	app, db, _ := newAppAndSigner(t, firstIsAdmin)
	return app, db
}

var secret = func() string {
	seed := make([]byte, 32)
	_, _ = rand.Read(seed)
	return base64.StdEncoding.EncodeToString(seed)
}()

// newSigner returns the signer of a replica. All replicas have the same secret.
func newSigner(t *testing.T) *auth.Signer {
	t.Helper()
	signer, err := auth.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	signer.Issuer = "https://shop.example.com"
	return signer
}

// migrations are those of the whole service.
var migrations = []postgres.Migrations{
	event.Migrations, idempotency.Migrations, audit.Migrations, account.Migrations, mailtoken.Migrations,
	session.Migrations,
}

func newAccounts(db *pgxpool.Pool, firstIsAdmin bool) *account.Service {
	return account.NewService(event.NewOutbox(db), account.Dependencies{
		Passwords: account.NewPasswords(4, 2), FirstIsAdmin: firstIsAdmin,
		Lockouts: lockout.NewService(lockout.NewMemoryStore(), []byte("lockouts"), lockout.Policy{
			NameFailures: 5, AddressFailures: 100, Duration: time.Minute, MaxDuration: time.Hour, Window: time.Hour,
		}),
		MailTokens: mailtoken.NewService(db, []byte("mail tokens"), mailtoken.Lifetimes{Verify: time.Hour, Reset: time.Hour}),
		Sessions:   account.Sessions{End: session.End, Export: session.Export, Erase: session.Erase},
	})
}

// newReplica starts another replica of the users service on the same database.
func newReplica(t *testing.T, db *pgxpool.Pool, signer *auth.Signer, firstIsAdmin bool) *web.App {
	t.Helper()
	accounts := newAccounts(db, firstIsAdmin)
	sessions := session.NewService(event.NewOutbox(db), accounts, signer, lifetimes)
	if err := sessions.LoadKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = sessions.Watch(ctx) })
	t.Cleanup(func() { stop(); watching.Wait() })
	app := web.New("users", web.Config{Verify: auth.Follow(ctx, sessions.Revocations).Verify})
	accounts.Routes(app)
	sessions.Routes(app)
	return app
}

const testuser = `{"username":"testuser","email":"test@example.com","password":"SecurePassword123!","full_name":"Test User"}`

var form = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}

func login(t *testing.T, app *web.App, name, password string) (pair session.TokenPair) {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{Do: "POST /auth/login", Header: form,
		Body: url.Values{"username": {name}, "password": {password}}.Encode()})
	if status != 200 {
		t.Fatalf("login: %d %s", status, body)
	}
	return tokenPair(t, body)
}

func tokenPair(t *testing.T, body []byte) (pair session.TokenPair) {
	t.Helper()
	if err := json.Unmarshal(body, &pair); err != nil {
		t.Fatal(err)
	}
	return pair
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

func refresh(t *testing.T, app *web.App, token string) (int, session.TokenPair) {
	t.Helper()
	body := fmt.Sprintf(`{"refresh_token":%q}`, token)
	status, response := kittest.Do(t, app, kittest.Call{Do: "POST /auth/refresh", Body: body})
	if status != 200 {
		return status, session.TokenPair{}
	}
	return status, tokenPair(t, response)
}

const password = "SecurePassword123!"

// signInFrom signs in with a user agent and an address.
func signInFrom(t *testing.T, app *web.App, name, agent, address string) session.TokenPair {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{
		Do: "POST /auth/login", Body: fmt.Sprintf(`{"username":%q,"password":%q}`, name, password),
		Header: map[string]string{"User-Agent": agent, "X-Forwarded-For": address},
	})
	if status != 200 {
		t.Fatalf("login: %d %s", status, body)
	}
	return tokenPair(t, body)
}

func register(t *testing.T, app *web.App, names ...string) {
	t.Helper()
	for _, name := range names {
		body := strings.NewReplacer("testuser", name, "test@", name+"@").Replace(testuser)
		if status, response := kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: body}); status != 201 {
			t.Fatalf("register: %d %s", status, response)
		}
	}
}

func sessionsOf(t *testing.T, app *web.App, token string) []session.Session {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{Do: "GET /users/me/sessions", Header: bearer(token)})
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	return kittest.Field[[]session.Session](t, body, "items")
}

// wantRefused waits up to a second until a token is refused.
func wantRefused(t *testing.T, app *web.App, token string) {
	t.Helper()
	kittest.Eventually(t, time.Second, func() error {
		status, body := kittest.Do(t, app, kittest.Call{Do: "GET /users/me", Header: bearer(token)})
		if status != http.StatusUnauthorized || !strings.Contains(string(body), `"session_ended"`) {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
}

// audited returns the audited ends of sessions, oldest first.
func audited(t *testing.T, db *pgxpool.Pool) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), `
		select action from audit.entries where action in ('session.ended', 'session.signed_out', 'session.token_reused') order by seq`)
	if err != nil {
		t.Fatal(err)
	}
	actions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return actions
}

// newAppAndSigner is newApp for tests with several replicas.
func newAppAndSigner(t *testing.T, firstIsAdmin bool) (*web.App, *pgxpool.Pool, *auth.Signer) {
	t.Helper()
	db := kittest.DB(t, migrations...)
	signer := newSigner(t)
	return newReplica(t, db, signer, firstIsAdmin), db, signer
}

// newService returns a service without routes, with three users that are signed in once each.
func newService(t *testing.T) (*session.Service, *pgxpool.Pool, *auth.Signer, []shop.UserID) {
	t.Helper()
	db := kittest.DB(t, migrations...)
	signer := newSigner(t)
	accounts := newAccounts(db, false)
	s := session.NewService(event.NewOutbox(db), accounts, signer, lifetimes)
	if err := s.LoadKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all []shop.UserID
	for _, name := range []string{"alice", "bob", "carol"} {
		a, err := accounts.Register(t.Context(), account.Registration{
			Username: name, Email: name + "@example.com", Password: password,
		}, audit.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.SignIn(t.Context(), session.Credentials{Username: name, Password: password}, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		all = append(all, a.ID)
	}
	return s, db, signer, all
}

var lifetimes = session.Lifetimes{Access: time.Minute, Refresh: time.Hour}

func sessionOf(t *testing.T, db *pgxpool.Pool, user shop.UserID) (id uuid.UUID) {
	t.Helper()
	if err := db.QueryRow(t.Context(), `select id from sessions where account_id = $1`, user).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// openEnd opens a transaction that ends all sessions of a user, and returns the function that commits it.
func openEnd(t *testing.T, db *pgxpool.Pool, user shop.UserID) (commit func() error) {
	t.Helper()
	ended, commits, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- event.NewOutbox(db).Tx(context.Background(), func(tx event.TX) error {
			if err := session.End(context.Background(), tx, user, uuid.Nil, "test"); err != nil {
				return err
			}
			close(ended)
			<-commits
			return nil
		})
	}()
	finish := sync.OnceValue(func() error { close(commits); return <-over })
	t.Cleanup(func() { _ = finish() })
	select {
	case <-ended:
	case err := <-over:
		t.Fatal(err)
	}
	return finish
}
