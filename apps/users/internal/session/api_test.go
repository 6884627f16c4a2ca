package session_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
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

var secrets sync.Map // *auth.Signer to its secret

func newSigner(t *testing.T) *auth.Signer {
	t.Helper()
	seed := make([]byte, 32)
	_, _ = rand.Read(seed)
	return signerOf(t, base64.StdEncoding.EncodeToString(seed))
}

// newSignerLike is the signer of another replica, with the same secret.
func newSignerLike(t *testing.T, s *auth.Signer) *auth.Signer {
	t.Helper()
	secret, _ := secrets.Load(s)
	return signerOf(t, secret.(string))
}

func signerOf(t *testing.T, secret string) *auth.Signer {
	t.Helper()
	signer, err := auth.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	signer.Issuer = "https://shop.example.com"
	secrets.Store(signer, secret)
	return signer
}

// migrations are the tables of the whole service.
var migrations = []postgres.Migrations{event.Migrations, idempotency.Migrations, audit.Migrations, account.Migrations, mailtoken.Migrations, session.Migrations}

func newAccounts(db *pgxpool.Pool, firstIsAdmin bool) *account.Service {
	return account.NewService(event.NewOutbox(db), account.Dependencies{
		Passwords: account.NewPasswords(4, 2), FirstIsAdmin: firstIsAdmin,
		Lockouts:   lockout.NewService(lockout.NewMemoryStore(), []byte("lockouts"), lockout.Policy{NameFailures: 5, AddressFailures: 100, Duration: time.Minute, MaxDuration: time.Hour, Window: time.Hour}),
		MailTokens: mailtoken.NewService(db, []byte("mail tokens"), mailtoken.Lifetimes{Verify: time.Hour, Reset: time.Hour}),
		Sessions:   account.Sessions{End: session.End, Export: session.Export, Erase: session.Erase},
	})
}

// newReplica is one more users service on the same database.
func newReplica(t *testing.T, db *pgxpool.Pool, signer *auth.Signer, firstIsAdmin bool) *web.App {
	t.Helper()
	accounts := newAccounts(db, firstIsAdmin)
	sessions := session.NewService(event.NewOutbox(db), accounts, signer, session.Lifetimes{Access: time.Minute, Refresh: time.Hour})
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
	return session.TokenPair{AccessToken: kittest.Field[string](t, body, "access_token"), RefreshToken: kittest.Field[string](t, body, "refresh_token")}
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

func TestAccounts(t *testing.T) {
	app, db := newApp(t, true)
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "every bad field", Do: "POST /auth/register", Body: `{"username":"a b","email":"nobody","password":"short","role":"admin"}`, Want: 422,
			Has: []string{`"username"`, `"email":"must be an e-mail address"`, `"password":"must have at least 8 characters"`, `"role":"is not a known field"`}},
		{Name: "password over what bcrypt reads", Do: "POST /auth/register", Want: 422, Has: []string{`"password":"must have at most 72 bytes"`},
			Body: `{"username":"long","email":"long@example.com","password":"` + strings.Repeat("x", 73) + `"}`},
		{Name: "register", Do: "POST /auth/register", Body: testuser, Want: 201, Emits: []string{"users.registered", "users.role_changed", "users.verification_requested"},
			Has: []string{`"username":"testuser"`, `"role":"admin"`, `"email_verified":false`}, HasNot: []string{"assword", "hash"}},
		{Name: "username taken, in capitals", Do: "POST /auth/register", Body: strings.NewReplacer("testuser", "TestUser", "test@", "other@").Replace(testuser), Want: 409, Has: []string{`"username_taken"`}},
		{Name: "email taken, in full width", Do: "POST /auth/register", Body: strings.NewReplacer("testuser", "other", "test@", "TEST@").Replace(testuser), Want: 409, Has: []string{`"email_taken"`}},
		{Name: "the second is no admin", Do: "POST /auth/register", Body: strings.ReplaceAll(testuser, "test", "second"), Want: 201, Emits: []string{"users.registered", "users.verification_requested"}, Has: []string{`"role":"user"`}},
		{Name: "login by JSON and e-mail", Do: "POST /auth/login", Body: `{"username":"TEST@example.com","password":"SecurePassword123!"}`, Want: 200, Has: []string{`"token_type":"bearer"`, `"expires_in":60`}},
		{Name: "wrong password", Do: "POST /auth/login", Body: `{"username":"testuser","password":"wrong"}`, Want: 401, Has: []string{`"wrong_credentials"`}},
		{Name: "unknown user, the same answer", Do: "POST /auth/login", Body: `{"username":"nobody","password":"wrong"}`, Want: 401, Has: []string{`"wrong_credentials"`}},
		{Name: "nothing", Do: "POST /auth/login", Header: form, Body: "username=testuser", Want: 422, Has: []string{`"password":"is required"`}},
		{Name: "keys", Do: "GET /.well-known/jwks.json", Want: 200, Has: []string{`"kty":"OKP"`, `"crv":"Ed25519"`}, HasNot: []string{`"d"`}},
	})
	admin, second := login(t, app, "testuser", "SecurePassword123!"), login(t, app, "seconduser", "SecurePassword123!")
	_, me := kittest.Do(t, app, kittest.Call{Do: "GET /users/me", Header: bearer(second.AccessToken)})
	id := kittest.Field[string](t, me, "id")
	_, adminMe := kittest.Do(t, app, kittest.Call{Do: "GET /users/me", Header: bearer(admin.AccessToken)})
	adminID := kittest.Field[string](t, adminMe, "id")
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "me", Do: "GET /users/me", Header: bearer(second.AccessToken), Want: 200, Has: []string{`"seconduser"`}},
		{Name: "users is for admins", Do: "GET /users", Header: bearer(second.AccessToken), Want: 403},
		{Name: "list", Do: "GET /users?limit=1", Header: bearer(admin.AccessToken), Want: 200, Has: []string{`"seconduser"`, `"next_cursor":"`}, HasNot: []string{`"testuser"`}},
		{Name: "another's account", Do: "GET /users/" + id, Header: bearer(admin.AccessToken), Want: 200, Has: []string{`"seconduser"`}},
		{Name: "nobody's account", Do: "GET /users/0192f0c1-2d3e-7abc-8def-0123456789ab", Header: bearer(admin.AccessToken), Want: 404},
		{Name: "no such role", Do: "PATCH /users/" + id, Header: bearer(admin.AccessToken), Body: `{"role":"root"}`, Want: 422},
		{Name: "the last admin stays", Do: "PATCH /users/" + adminID, Header: bearer(admin.AccessToken), Body: `{"role":"user"}`, Want: 409, Has: []string{`"last_admin"`}},
		{Name: "promote", Do: "PATCH /users/" + id, Header: bearer(admin.AccessToken), Body: `{"role":"admin"}`, Want: 200, Has: []string{`"role":"admin"`}, Emits: []string{"sessions.revoked", "users.role_changed"}},
		{Name: "now the first may go", Do: "PATCH /users/" + adminID, Header: bearer(admin.AccessToken), Body: `{"active":false}`, Want: 200, Has: []string{`"active":false`}, Emits: []string{"sessions.revoked"}},
		{Name: "closed accounts cannot sign in", Do: "POST /auth/login", Body: `{"username":"testuser","password":"SecurePassword123!"}`, Want: 401, Has: []string{`"wrong_credentials"`}},
		{Name: "nor refresh", Do: "POST /auth/refresh", Body: fmt.Sprintf(`{"refresh_token":%q}`, admin.RefreshToken), Want: 401},
	})
}

func TestOnlyOneIsFirst(t *testing.T) {
	app, db := newApp(t, true)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: strings.ReplaceAll(testuser, "test", fmt.Sprintf("test%d", i))})
		})
	}
	all.Wait()
	var admins, everybody int
	err := db.QueryRow(t.Context(), `select count(*) filter (where role = 'admin'), count(*) from accounts`).Scan(&admins, &everybody)
	if err != nil || admins != 1 || everybody != 8 {
		t.Errorf("%d admins of %d accounts, %v", admins, everybody, err)
	}
}

func TestNobodyIsFirstWhereThatIsOff(t *testing.T) {
	app, _ := newApp(t, false)
	status, body := kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: testuser})
	if status != 201 || kittest.Field[string](t, body, "role") != "user" {
		t.Errorf("%d %s", status, body)
	}
}

func refresh(t *testing.T, app *web.App, token string) (int, session.TokenPair) {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{Do: "POST /auth/refresh", Body: fmt.Sprintf(`{"refresh_token":%q}`, token)})
	if status != 200 {
		return status, session.TokenPair{}
	}
	return status, session.TokenPair{RefreshToken: kittest.Field[string](t, body, "refresh_token"), AccessToken: kittest.Field[string](t, body, "access_token")}
}

func TestRefresh(t *testing.T) {
	app, db := newApp(t, true)
	kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: testuser})
	first := login(t, app, "testuser", "SecurePassword123!")
	status, second := refresh(t, app, first.RefreshToken)
	if status != 200 || second.RefreshToken == first.RefreshToken {
		t.Fatalf("refresh: %d", status)
	}
	status, twin := refresh(t, app, first.RefreshToken) // a double click
	if status != 200 || twin.RefreshToken != second.RefreshToken {
		t.Fatalf("a double submit leaves one working pair: %d", status)
	}
	if status, _ := refresh(t, app, "made up"); status != 401 {
		t.Errorf("a token nobody gave: %d", status)
	}
	if _, err := db.Exec(t.Context(), `update refresh_tokens set used_at = used_at - interval '11 seconds' where used_at is not null`); err != nil {
		t.Fatal(err)
	}
	if status, _ := refresh(t, app, first.RefreshToken); status != 401 {
		t.Errorf("a dead token came back: %d", status)
	}
	if status, _ := refresh(t, app, second.RefreshToken); status != 401 {
		t.Errorf("theft ends the whole session: %d", status)
	}
	if other := login(t, app, "testuser", "SecurePassword123!"); other.AccessToken == "" {
		t.Error("and only that session")
	}
}

func TestRefreshAtOnce(t *testing.T) {
	app, _ := newApp(t, true)
	kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: testuser})
	pair := login(t, app, "testuser", "SecurePassword123!")
	next := make(chan string, 8)
	var tabs sync.WaitGroup
	for range cap(next) {
		tabs.Go(func() {
			_, p := refresh(t, app, pair.RefreshToken)
			next <- p.RefreshToken
		})
	}
	tabs.Wait()
	close(next)
	var all []string
	for token := range next {
		if all = append(all, token); token != all[0] || token == "" {
			t.Fatalf("two tabs hold different pairs")
		}
	}
	if status, _ := refresh(t, app, all[0]); status != 200 {
		t.Errorf("the pair does not work: %d", status)
	}
}

func TestEnd(t *testing.T) {
	app, db := newApp(t, true)
	kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: testuser})
	here, there := login(t, app, "testuser", "SecurePassword123!"), login(t, app, "testuser", "SecurePassword123!")
	kittest.Emitted(t, db)
	_, me := kittest.Do(t, app, kittest.Call{Do: "GET /users/me", Header: bearer(here.AccessToken)})
	user, err := shop.ParseUserID(kittest.Field[string](t, me, "id"))
	if err != nil {
		t.Fatal(err)
	}
	var first uuid.UUID
	if err := db.QueryRow(t.Context(), `select id from sessions order by id limit 1`).Scan(&first); err != nil {
		t.Fatal(err)
	}
	end := func(except uuid.UUID) []string {
		t.Helper()
		err := event.NewOutbox(db).Tx(t.Context(), func(tx event.TX) error { return session.End(t.Context(), tx, user, except, "test") })
		if err != nil {
			t.Fatal(err)
		}
		return kittest.Emitted(t, db)
	}
	if told := end(first); len(told) != 1 || told[0] != "sessions.revoked" {
		t.Errorf("told %v", told)
	}
	if status, _ := refresh(t, app, there.RefreshToken); status != 401 {
		t.Errorf("the other session goes on: %d", status)
	}
	if status, _ := refresh(t, app, here.RefreshToken); status != 200 {
		t.Errorf("the one that was to stay has ended: %d", status)
	}
	if told := end(uuid.Nil); len(told) != 1 {
		t.Errorf("told %v", told)
	}
	if told := end(uuid.Nil); len(told) != 0 {
		t.Errorf("where nothing ends nothing is told: %v", told)
	}
}

func TestTokensAreNotKept(t *testing.T) {
	app, db := newApp(t, true)
	kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: testuser})
	pair := login(t, app, "testuser", "SecurePassword123!")
	var kept []byte
	if err := db.QueryRow(t.Context(), `select fingerprint from refresh_tokens`).Scan(&kept); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(kept, []byte(pair.RefreshToken)) || len(kept) != 32 {
		t.Error("the token itself is in the database")
	}
}

// TestAFloodOfSignInsGivesUp has more sign-ins than there are slots; those that cannot be served in time are told so.
func TestAFloodOfSignInsGivesUp(t *testing.T) {
	p := account.NewPasswords(4, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var busy int
	for range 4 {
		if err := p.Check(ctx, nil, "x"); err != nil && strings.Contains(err.Error(), "busy") {
			busy++
		}
	}
	if busy != 4 {
		t.Errorf("%d of 4 were told to come again", busy)
	}
}
