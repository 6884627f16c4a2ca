package account_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/kit/kittest"
)

var registered = []string{"users.registered", "users.verification_requested"}

func TestRegister(t *testing.T) {
	s := newFixture(t)
	with := func(username, email, password string) kittest.Call {
		return kittest.Call{Do: "POST /auth/register", Body: registration(username, email, password), Want: 422}
	}
	named := func(name string, c kittest.Call, want int, has ...string) kittest.Call {
		c.Name, c.Want, c.Has = name, want, has
		if want == 201 {
			c.Emits = registered
		}
		if name == "the first" { // is the administrator
			c.Emits = []string{"users.registered", "users.role_changed", "users.verification_requested"}
		}
		return c
	}
	kittest.Run(t, s.app, s.db, []kittest.Call{
		named("the first", with("testuser", "test@example.com", password), 201, `"role":"admin"`, `"email_verified":false`),
		named("in capitals", with("TESTUSER", "a@example.com", password), 409, `"username_taken"`),
		named("in full width", with("ｔｅｓｔuser", "a@example.com", password), 409, `"username_taken"`),
		named("with a one for an l", with("testusеr", "a@example.com", password), 422, `"username":"mixes letters`), // Cyrillic е
		named("paypal", with("paypal", "pay@example.com", password), 201),
		named("paypal, all Cyrillic", with("раураӏ", "a@example.com", password), 409, `"username_taken"`),
		named("paypal with a capital I", with("paypaI", "a@example.com", password), 409, `"username_taken"`),
		named("an address in capitals", with("another", "TEST@EXAMPLE.COM", password), 409, `"email_taken"`),
		named("a common password", with("another", "a@example.com", "Password123"), 422, `"password":"is one of the passwords`),
		named("the username as password", with("another-one", "a@example.com", "Another-One"), 422, `"password":"must not be your name`),
		named("the address as password", with("another", "a.b.c.d.e@example.com", "a.b.c.d.e@example.com"), 422, `"password":"must not be your name`),
		named("a username like a link", with("www.evil.example", "a@example.com", password), 422, `"username":"must not look like a link"`),
		named("two faults", with("pаypal", "a@example.com", "password"), 422, `"username":"mixes`, `"password":"is one of`),
		named("73 bytes", with("another", "a@example.com", strings.Repeat("é", 36)+"x"), 422, `"password":"must have at most 72 bytes"`),
		named("72 bytes", with("longpass", "long@example.com", strings.Repeat("é", 36)), 201),
		{Name: "a role", Do: "POST /auth/register", Want: 422, Has: []string{`"role":"is not a known field"`, `"id":"is not a known field"`, `"email_verified":"is not a known field"`},
			Body: `{"username":"mallory","email":"m@example.com","password":"` + password + `","role":"admin","id":"0192f0c1-2d3e-7abc-8def-0123456789ab","email_verified":true}`},
	})
	again := kittest.Call{Do: "POST /auth/register", Body: registration("twice", "twice@example.com", password), Header: map[string]string{"Idempotency-Key": "one and the same"}}
	_, first := kittest.Do(t, s.app, again)
	status, second := kittest.Do(t, s.app, again)
	if status != 201 || string(first) != string(second) {
		t.Errorf("the same key again: %d %s, the first response %s", status, second, first)
	}
}

func TestVerification(t *testing.T) {
	s := newFixture(t)
	user := s.register(t, "testuser")
	resend := kittest.Call{Do: "POST /auth/verify-email/resend", Body: `{"email":"TESTUSER@example.com"}`}
	newToken := func() string {
		t.Helper()
		if status, body := kittest.Do(t, s.app, resend); status != 202 || len(body) > 0 {
			t.Fatalf("resend: %d %s", status, body)
		}
		s.processMails(t)
		return s.mailed(t, "users.verification_requested")
	}
	first := newToken()
	second := newToken()
	kittest.Emitted(t, s.db)
	kittest.Run(t, s.app, s.db, []kittest.Call{
		{Name: "made up", Do: "POST /auth/verify-email", Body: token("made up"), Want: 422, Has: []string{`"mail_token_invalid"`}},
		{Name: "superseded", Do: "POST /auth/verify-email", Body: token(first), Want: 422, Has: []string{`"mail_token_invalid"`}},
		{Name: "for another purpose", Do: "POST /auth/password/reset", Body: fmt.Sprintf(`{"token":%q,"new_password":%q}`, second, newPassword), Want: 422, Has: []string{`"mail_token_invalid"`}},
		{Name: "valid", Do: "POST /auth/verify-email", Body: token(second), Want: 204, Emits: []string{"users.verified"}},
		{Name: "used", Do: "POST /auth/verify-email", Body: token(second), Want: 422, Has: []string{`"mail_token_invalid"`}},
		{Name: "me", As: user, Do: "GET /users/me", Want: 200, Has: []string{`"email_verified":true`}},
		{Name: "resend to an unknown address", Do: "POST /auth/verify-email/resend", Body: `{"email":"unknown@example.com"}`, Want: 202},
		{Name: "resend when verified", Do: "POST /auth/verify-email/resend", Body: `{"email":"testuser@example.com"}`, Want: 202},
		{Name: "no address", Do: "POST /auth/verify-email/resend", Body: `{"email":"no address"}`, Want: 422},
	})
	s.processMails(t)
	if events := kittest.Emitted(t, s.db); len(events) > 0 {
		t.Errorf("published %v for an unknown or a verified address", events)
	}
	if actions := s.audited(t, user.ID); !slices.Equal(actions, []string{"account.registered", "account.email_verified"}) {
		t.Errorf("audited: %v", actions)
	}
}

func TestMailTokens(t *testing.T) {
	s := newFixture(t)
	s.register(t, "testuser")
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: `{"email":"testuser@example.com"}`})
	s.processMails(t)
	data := s.newest(t, "users.password_reset_requested")
	request := kittest.Field[string](t, data, "request_id")
	reveal := kittest.Call{Do: "POST /mail-tokens/" + request}
	status, once := kittest.Do(t, s.app, reveal)
	_, twice := kittest.Do(t, s.app, reveal)
	if status != 200 || string(once) != string(twice) || kittest.Field[string](t, once, "purpose") != "reset_password" {
		t.Errorf("%d %s, then %s", status, once, twice)
	}
	secret := kittest.Field[string](t, once, "token")
	var stored string
	if err := s.db.QueryRow(t.Context(), `select string_agg(mail_tokens::text, '') || (select coalesce(string_agg(outbox::text, ''), '') from outbox) from mail_tokens`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(stored, secret) || strings.Contains(string(data), secret) {
		t.Error("the token is stored")
	}
	for _, path := range []string{"0192f0c1-2d3e-7abc-8def-0123456789ab", "x"} {
		if status, body := kittest.Do(t, s.app, kittest.Call{Do: "POST /mail-tokens/" + path}); status != 404 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if _, err := s.db.Exec(t.Context(), `update mail_tokens set expires_at = now() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	if status, body := kittest.Do(t, s.app, reveal); status != 409 {
		t.Errorf("expired: %d %s", status, body)
	}
	if status, body := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/reset", Body: fmt.Sprintf(`{"token":%q,"new_password":%q}`, secret, newPassword)}); status != 422 {
		t.Errorf("expired: %d %s", status, body)
	}
}

func TestForgottenPassword(t *testing.T) {
	s := newFixture(t)
	user := s.register(t, "testuser")
	for range failures + 1 {
		_ = s.signIn(t, "testuser", "wrong", address)
	}
	kittest.Emitted(t, s.db)
	var bodies []string
	for _, email := range []string{"testuser@example.com", "unknown@example.com"} {
		status, body := kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: fmt.Sprintf(`{"email":%q}`, email)})
		bodies = append(bodies, fmt.Sprint(status, string(body)))
	}
	if bodies[0] != bodies[1] || bodies[0] != "202" {
		t.Errorf("a user %s, an unknown address %s", bodies[0], bodies[1])
	}
	s.processMails(t)
	secret := s.mailed(t, "users.password_reset_requested")
	if events := kittest.Emitted(t, s.db); !slices.Equal(events, []string{"users.password_reset_requested"}) {
		t.Errorf("published %v", events)
	}
	reset := func(password string) string { return fmt.Sprintf(`{"token":%q,"new_password":%q}`, secret, password) }
	kittest.Run(t, s.app, s.db, []kittest.Call{
		{Name: "a common password", Do: "POST /auth/password/reset", Body: reset("password1"), Want: 422, Has: []string{`"new_password":"is one of`}},
		{Name: "the address", Do: "POST /auth/password/reset", Body: reset("testuser@example.com"), Want: 422, Has: []string{`"new_password":"must not be`}},
		{Name: "valid", Do: "POST /auth/password/reset", Body: reset(newPassword), Want: 204, Emits: []string{"users.verified", "users.password_changed"}},
		{Name: "used", Do: "POST /auth/password/reset", Body: reset(password), Want: 422, Has: []string{`"mail_token_invalid"`}},
	})
	if ended := s.takeEnded(); !slices.Equal(ended, []string{user.ID.String() + " 00000000-0000-0000-0000-000000000000 password changed"}) {
		t.Errorf("ended: %v", ended)
	}
	if err := s.signIn(t, "testuser", password, address); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("the old password: %v", err)
	}
	if err := s.signIn(t, "testuser", newPassword, address); err != nil {
		t.Errorf("the new password, after the lock: %v", err)
	}
	for range 8 {
		kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: `{"email":"testuser@example.com"}`})
	}
	s.processMails(t)
	if events := kittest.Emitted(t, s.db); len(events) != 4 { // of five an hour
		t.Errorf("%d more e-mails", len(events))
	}
}

func TestPassword(t *testing.T) {
	s := newFixture(t)
	user := s.register(t, "testuser")
	change := func(current, next string) string {
		return fmt.Sprintf(`{"current_password":%q,"new_password":%q}`, current, next)
	}
	kittest.Run(t, s.app, s.db, []kittest.Call{
		{Name: "no token", Do: "PUT /users/me/password", Body: change(password, newPassword), Want: 401},
		{Name: "wrong", As: user, Do: "PUT /users/me/password", Body: change("wrong", newPassword), Want: 422, Has: []string{`"current_password":"is wrong"`}},
		{Name: "short", As: user, Do: "PUT /users/me/password", Body: change(password, "short"), Want: 422, Has: []string{`"new_password":"must have at least 8 characters"`}},
		{Name: "common", As: user, Do: "PUT /users/me/password", Body: change(password, "qwertyuiop"), Want: 422, Has: []string{`"new_password":"is one of`}},
		{Name: "valid", As: user, Do: "PUT /users/me/password", Body: change(password, newPassword), Want: 204, Emits: []string{"users.password_changed"}},
	})
	if ended := s.takeEnded(); !slices.Equal(ended, []string{fmt.Sprintf("%s %s password changed", user.ID, user.SessionID)}) {
		t.Errorf("ended: %v", ended)
	}
	if err := s.signIn(t, "testuser", newPassword, address); err != nil {
		t.Error(err)
	}
	for range failures {
		kittest.Do(t, s.app, kittest.Call{As: user, Do: "PUT /users/me/password", Body: change("wrong", password)})
	}
	if status, body := kittest.Do(t, s.app, kittest.Call{As: user, Do: "PUT /users/me/password", Body: change(newPassword, password)}); status != 423 {
		t.Errorf("the password can be guessed with a stolen token: %d %s", status, body)
	}
}

func TestProfile(t *testing.T) {
	s := newFixture(t)
	s.register(t, "first")
	user := s.register(t, "testuser")
	kittest.Do(t, s.app, kittest.Call{Do: "POST /auth/password/forgot", Body: `{"email":"testuser@example.com"}`})
	s.processMails(t)
	oldReset := s.mailed(t, "users.password_reset_requested")
	kittest.Emitted(t, s.db)
	patch := func(name, body string, want int, emits []string, has ...string) kittest.Call {
		return kittest.Call{Name: name, As: user, Do: "PATCH /users/me", Body: body, Want: want, Emits: emits, Has: has}
	}
	changed := []string{"users.profile_changed"}
	kittest.Run(t, s.app, s.db, []kittest.Call{
		{Name: "no token", Do: "PATCH /users/me", Body: `{}`, Want: 401},
		patch("no field", `{}`, 200, nil),
		patch("mass assignment", `{"role":"admin","id":"0192f0c1-2d3e-7abc-8def-0123456789ab","email_verified":true,"active":true,"password":"x"}`, 422, nil,
			`"role":"is not`, `"id":"is not`, `"email_verified":"is not`, `"active":"is not`, `"password":"is not`),
		patch("another's name", `{"username":"F1RST"}`, 409, nil, `"username_taken"`),
		patch("another's address", `{"email":"FIRST@example.com"}`, 409, nil, `"email_taken"`),
		patch("a lookalike", `{"username":"tеst"}`, 422, nil, `"username":"mixes`),
		patch("a control character", `{"full_name":"a\nb"}`, 422, nil, `"full_name"`),
		patch("script and SQL stay text", `{"full_name":"<script>alert('x')</script>'; drop table accounts; --"}`, 200, changed, `\u003cscript\u003ealert('x')\u003c/script\u003e'; drop table accounts; --`),
		patch("the own name in another case", `{"username":"TestUser"}`, 200, changed, `"username":"TestUser"`),
		patch("another address", `{"email":"new@example.com"}`, 200, []string{"users.verification_requested", "users.profile_changed"}, `"email":"new@example.com"`, `"email_verified":false`),
		{Name: "a reset sent to the old address", Do: "POST /auth/password/reset", Body: fmt.Sprintf(`{"token":%q,"new_password":%q}`, oldReset, newPassword), Want: 422},
	})
	for n := range 3 {
		kittest.Do(t, s.app, kittest.Call{As: user, Do: "PATCH /users/me", Body: fmt.Sprintf(`{"email":"victim%d@example.com"}`, n)})
	}
	kittest.Emitted(t, s.db)
	kittest.Run(t, s.app, s.db, []kittest.Call{
		patch("the sixth mail of an hour", `{"email":"victim9@example.com"}`, 429, nil, `"too_many_mails"`),
	})
}

func TestAdministration(t *testing.T) {
	s := newFixture(t)
	admin, user := s.register(t, "first"), s.register(t, "testuser")
	s.register(t, "a_sure")
	absure := s.register(t, "absure")
	one := "/users/" + user.ID.String()
	kittest.Run(t, s.app, s.db, []kittest.Call{
		{Name: "list as a user", As: user, Do: "GET /users", Want: 403},
		{Name: "see one as a user", As: user, Do: "GET /users/" + admin.ID.String(), Want: 403},
		{Name: "change one as a user", As: user, Do: "PATCH " + one, Body: `{"role":"admin"}`, Want: 403},
		{Name: "unlock as a user", As: user, Do: "POST " + one + "/unlock", Want: 403},
		{Name: "by prefix of a username", As: admin, Do: "GET /users?q=TESTU", Want: 200, Has: []string{`"testuser"`}, HasNot: []string{`"first"`}},
		{Name: "of an e-mail address", As: admin, Do: "GET /users?q=first@ex", Want: 200, Has: []string{`"first"`}, HasNot: []string{`"testuser"`}},
		{Name: "of a full name", As: admin, Do: "GET /users?q=test+us", Want: 200, Has: []string{`"testuser"`, `"first"`}},
		{Name: "a name with accents", As: absure, Do: "PATCH /users/me", Body: `{"full_name":"José Strauß-Ødegård"}`, Want: 200, Emits: []string{"users.profile_changed"}},
		{Name: "without accents", As: admin, Do: "GET /users?q=jose+strauss-od", Want: 200, Has: []string{`"absure"`}, HasNot: []string{`"first"`}},
		{Name: "with accents, decomposed", As: admin, Do: "GET /users?q=JOSE%CC%81%20STRAU%C3%9F", Want: 200, Has: []string{`"absure"`}, HasNot: []string{`"first"`}},
		{Name: "a part that is no prefix", As: admin, Do: "GET /users?q=user", Want: 200, Has: []string{`"items":[]`}},
		{Name: "a pattern is text", As: admin, Do: "GET /users?q=a_s", Want: 200, Has: []string{`"a_sure"`}, HasNot: []string{`"absure"`}},
		{Name: "a wildcard", As: admin, Do: "GET /users?q=%25", Want: 200, Has: []string{`"items":[]`}},
		{Name: "by role", As: admin, Do: "GET /users?role=admin", Want: 200, Has: []string{`"first"`}, HasNot: []string{`"testuser"`}},
		{Name: "an unknown role", As: admin, Do: "GET /users?role=root", Want: 422},
		{Name: "see", As: admin, Do: "GET " + one, Want: 200, Has: []string{`"testuser"`}},
		{Name: "promote", As: admin, Do: "PATCH " + one, Body: `{"role":"admin"}`, Want: 200, Emits: []string{"users.role_changed"}},
		{Name: "no change", As: admin, Do: "PATCH " + one, Body: `{"role":"admin","active":true}`, Want: 200},
		{Name: "demote and close", As: admin, Do: "PATCH " + one, Body: `{"role":"user","active":false}`, Want: 200, Emits: []string{"users.role_changed"}},
		{Name: "the closed", As: admin, Do: "GET /users?active=false", Want: 200, Has: []string{`"testuser"`}, HasNot: []string{`"first"`}},
		{Name: "open", As: admin, Do: "PATCH " + one, Body: `{"active":true}`, Want: 200},
		{Name: "demote the last admin", As: admin, Do: "PATCH /users/" + admin.ID.String(), Body: `{"role":"user"}`, Want: 409},
		{Name: "close the last admin", As: admin, Do: "PATCH /users/" + admin.ID.String(), Body: `{"active":false}`, Want: 409},
	})
	var reasons []string
	for _, end := range s.takeEnded() {
		reasons = append(reasons, strings.TrimPrefix(end, user.ID.String()+" 00000000-0000-0000-0000-000000000000 "))
	}
	if !slices.Equal(reasons, []string{"role changed", "role changed", "account closed"}) {
		t.Errorf("ended: %q", reasons)
	}
	for range failures {
		_ = s.signIn(t, "testuser", "wrong", address)
	}
	if err := s.signIn(t, "testuser", password, address); !errors.Is(err, lockout.ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	kittest.Emitted(t, s.db)
	kittest.Run(t, s.app, s.db, []kittest.Call{
		{Name: "unlock", As: admin, Do: "POST " + one + "/unlock", Want: 204},
		{Name: "unlock an unknown user", As: admin, Do: "POST /users/0192f0c1-2d3e-7abc-8def-0123456789ab/unlock", Want: 404},
	})
	if err := s.signIn(t, "testuser", password, address); err != nil {
		t.Errorf("unlocked: %v", err)
	}
	want := "account.registered account.seen_by_admin account.role_changed account.role_changed account.closed account.opened" +
		strings.Repeat(" session.sign_in_failed", failures) + " account.locked account.unlocked"
	if got := strings.Join(s.audited(t, user.ID), " "); got != want {
		t.Errorf("audited: %s\nwant     %s", got, want)
	}
	if report, err := audit.Verify(t.Context(), s.db, audit.Head{}); err != nil || len(report.Flaws) > 0 {
		t.Errorf("%v, %v", report.Flaws, err)
	}
}
