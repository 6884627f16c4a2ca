package session_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sidecart/apps/users/internal/account"
	"sidecart/kit/kittest"
)

func TestAccounts(t *testing.T) {
	app, db := newApp(t, true)
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "every bad field", Do: "POST /auth/register", Body: `{"username":"a b","email":"no address","password":"short","role":"admin"}`, Want: 422,
			Has: []string{`"username"`, `"email":"must be an e-mail address"`, `"password":"must have at least 8 characters"`, `"role":"is not a known field"`}},
		{Name: "an address that no mail server accepts", Do: "POST /auth/register", Want: 422, Has: []string{`"email":"must have at most 64 bytes before the @"`},
			Body: strings.Replace(testuser, "test@", strings.Repeat("x", 65)+"@", 1)},
		{Name: "password over what bcrypt reads", Do: "POST /auth/register", Want: 422, Has: []string{`"password":"must have at most 72 bytes"`},
			Body: `{"username":"long","email":"long@example.com","password":"` + strings.Repeat("x", 73) + `"}`},
		{Name: "register", Do: "POST /auth/register", Body: testuser, Want: 201, Emits: []string{"users.registered", "users.role_changed", "users.verification_requested"},
			Has: []string{`"username":"testuser"`, `"role":"admin"`, `"email_verified":false`}, HasNot: []string{"assword", "hash"}},
		{Name: "username taken, in capitals", Do: "POST /auth/register", Body: strings.NewReplacer("testuser", "TestUser", "test@", "other@").Replace(testuser), Want: 409, Has: []string{`"username_taken"`}},
		{Name: "email taken, in full width", Do: "POST /auth/register", Body: strings.NewReplacer("testuser", "other", "test@", "TEST@").Replace(testuser), Want: 409, Has: []string{`"email_taken"`}},
		{Name: "the second user is no admin", Do: "POST /auth/register", Body: strings.ReplaceAll(testuser, "test", "second"), Want: 201, Emits: []string{"users.registered", "users.verification_requested"}, Has: []string{`"role":"user"`}},
		{Name: "login by JSON and e-mail", Do: "POST /auth/login", Body: `{"username":"TEST@example.com","password":"SecurePassword123!"}`, Want: 200, Has: []string{`"token_type":"bearer"`, `"expires_in":60`}},
		{Name: "wrong password", Do: "POST /auth/login", Body: `{"username":"testuser","password":"wrong"}`, Want: 401, Has: []string{`"wrong_credentials"`}},
		{Name: "unknown user, the same response", Do: "POST /auth/login", Body: `{"username":"unknown","password":"wrong"}`, Want: 401, Has: []string{`"wrong_credentials"`}},
		{Name: "a name with NUL", Do: "POST /auth/login", Body: `{"username":"test\u0000user","password":"wrong"}`, Want: 422, Has: []string{`"username":`}},
		{Name: "a name with NUL, in a form", Do: "POST /auth/login", Header: form, Body: "username=test%00user&password=wrong", Want: 422, Has: []string{`"username":`}},
		{Name: "no password", Do: "POST /auth/login", Header: form, Body: "username=testuser", Want: 422, Has: []string{`"password":"is required"`}},
		{Name: "a service's first call for revocations", Do: "GET /revocations?cursor=", Want: 200, Has: []string{`"cursor":"`}},
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
		{Name: "an unknown account", Do: "GET /users/0192f0c1-2d3e-7abc-8def-0123456789ab", Header: bearer(admin.AccessToken), Want: 404},
		{Name: "no such role", Do: "PATCH /users/" + id, Header: bearer(admin.AccessToken), Body: `{"role":"root"}`, Want: 422},
		{Name: "demote the last admin", Do: "PATCH /users/" + adminID, Header: bearer(admin.AccessToken), Body: `{"role":"user"}`, Want: 409, Has: []string{`"last_admin"`}},
		{Name: "promote", Do: "PATCH /users/" + id, Header: bearer(admin.AccessToken), Body: `{"role":"admin"}`, Want: 200, Has: []string{`"role":"admin"`}, Emits: []string{"sessions.revoked", "users.role_changed"}},
		{Name: "close the former last admin", Do: "PATCH /users/" + adminID, Header: bearer(admin.AccessToken), Body: `{"active":false}`, Want: 200, Has: []string{`"active":false`}, Emits: []string{"sessions.revoked"}},
		{Name: "sign in to a closed account", Do: "POST /auth/login", Body: `{"username":"testuser","password":"SecurePassword123!"}`, Want: 401, Has: []string{`"wrong_credentials"`}},
		{Name: "refresh in a closed account", Do: "POST /auth/refresh", Body: fmt.Sprintf(`{"refresh_token":%q}`, admin.RefreshToken), Want: 401},
	})
}

func TestOnlyOneUserBecomesAdmin(t *testing.T) {
	app, db := newApp(t, true)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: strings.ReplaceAll(testuser, "test", fmt.Sprintf("test%d", i))})
		})
	}
	all.Wait()
	var admins, users int
	err := db.QueryRow(t.Context(), `select count(*) filter (where role = 'admin'), count(*) from accounts`).Scan(&admins, &users)
	if err != nil || admins != 1 || users != 8 {
		t.Errorf("%d admins of %d accounts, %v", admins, users, err)
	}
}

func TestNoUserBecomesAdminByDefault(t *testing.T) {
	app, _ := newApp(t, false)
	status, body := kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: testuser})
	if status != 201 || kittest.Field[string](t, body, "role") != "user" {
		t.Errorf("%d %s", status, body)
	}
}

// TestSignInsBeyondTheLimitAreRefused: without a free slot in time a sign-in fails as busy.
func TestSignInsBeyondTheLimitAreRefused(t *testing.T) {
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
		t.Errorf("%d of 4 failed as busy", busy)
	}
}
