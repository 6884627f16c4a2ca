package account_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"sidecart/apps/users/internal/account"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestExport(t *testing.T) {
	var unavailable error
	s := newFixture(t, func(p *account.Dependencies) {
		p.Exports = map[string]account.Export{"orders": func(_ context.Context, user shop.UserID) (json.RawMessage, error) {
			return json.RawMessage(fmt.Sprintf(`{"orders":[%q]}`, user)), unavailable
		}}
	})
	user := s.register(t, "testuser")
	kittest.Run(t, s.app, s.db, []kittest.Call{
		{Name: "no token", Do: "GET /users/me/export", Want: 401},
		{Name: "all data", As: user, Do: "GET /users/me/export", Want: 200, HasNot: []string{"assword_hash", "$2a$"},
			Has: []string{`"account":{"id":"` + user.ID.String(), `"sessions":["a session"]`, `"services":{"orders":{"orders":["` + user.ID.String(), `"account.registered"`, `"account.exported"`}},
	})
	unavailable = fault.ErrUnavailable
	kittest.Run(t, s.app, s.db, []kittest.Call{
		{Name: "a service is unavailable", As: user, Do: "GET /users/me/export", Want: 503, Has: []string{`"export_incomplete"`}},
	})
}

func TestErasure(t *testing.T) {
	s := newFixture(t)
	admin, user := s.register(t, "first"), s.register(t, "testuser")
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: `{"email":"testuser@example.com"}`})
	s.processMails(t)
	reset := s.mailed(t, "users.password_reset_requested")
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: `{"email":"testuser@example.com"}`}) // not processed yet
	kittest.Emitted(t, s.db)
	kittest.Run(t, s.app, s.db, []kittest.Call{
		{Name: "no token", Do: "DELETE /users/me", Want: 401},
		{Name: "the last admin", As: admin, Do: "DELETE /users/me", Want: 409, Has: []string{`"last_admin"`}},
		{Name: "a user", As: user, Do: "DELETE /users/me", Want: 204, Emits: []string{"users.erased"}},
		{Name: "twice", As: user, Do: "DELETE /users/me", Want: 404},
		{Name: "the erased account", As: admin, Do: "GET /users/" + user.ID.String(), Want: 200, Has: []string{`"username":"erased"`, `"full_name":""`, `"active":false`}},
		{Name: "open the erased account", As: admin, Do: "PATCH /users/" + user.ID.String(), Body: `{"active":true}`, Want: 404},
		{Name: "reset its password", Do: "POST /auth/password/reset", Body: fmt.Sprintf(`{"token":%q,"new_password":%q}`, reset, newPassword), Want: 422},
		{Name: "update its profile", As: user, Do: "PATCH /users/me", Body: `{"full_name":"back"}`, Want: 404},
	})
	for table, query := range map[string]string{
		"accounts": `select count(*) from accounts where accounts::text ilike '%testuser%' or accounts::text like '%$2a$%' and id = $1`,
		"mails":    `select (select count(*) from mail_tokens where account_id = $1) + (select count(*) from mail_requests)`,
	} {
		var n int
		if err := s.db.QueryRow(t.Context(), query, user.ID).Scan(&n); err != nil || n > 0 {
			t.Errorf("%s have %d rows of the user, %v", table, n, err)
		}
	}
	if ended := s.takeEnded(); !has(ended, user.ID.String()) || !has(ended, "erased: account erased") {
		t.Errorf("ended: %v", ended)
	}
	for _, name := range []string{"testuser", "testuser@example.com", "erased", "erased@invalid", "erased " + user.ID.String()} {
		if err := s.signIn(t, name, password, address); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.register(t, "testuser") // the name is available again
}
