package security_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// login signs in with a password.
func login(t *testing.T, c client.Client, name, password string, headers ...string) client.Response {
	t.Helper()
	return do(t, c, "POST /api/v1/auth/login", client.Form{"username": {name}, "password": {password}}, headers...)
}

// userID returns the id of a client's account.
func userID(t *testing.T, c client.Client) string {
	t.Helper()
	var me struct{ ID string }
	must(t, c.Call(t.Context(), "GET /api/v1/users/me", nil, 200, &me))
	return me.ID
}

// auditEntries returns the audit entries of a user and an action, newest first.
func auditEntries(t *testing.T, user, action string) (entries []struct{ Address, UserAgent string }) {
	t.Helper()
	var page client.Page[json.RawMessage]
	must(t, admin(t).Call(t.Context(), "GET /api/v1/audit?limit=100&user_id="+user+"&action="+action, nil, 200, &page))
	for _, item := range page.Items {
		var e struct {
			Address   string `json:"address"`
			UserAgent string `json:"user_agent"`
		}
		must(t, json.Unmarshal(item, &e))
		entries = append(entries, struct{ Address, UserAgent string }{e.Address, e.UserAgent})
	}
	return entries
}

// TestMassAssignment sends fields that clients must not set, to every operation that writes accounts.
func TestMassAssignment(t *testing.T) {
	t.Parallel()
	alice, name := newUser(t)
	before := do(t, alice, "GET /api/v1/users/me", nil)
	for field, value := range map[string]string{
		"role": `"admin"`, "id": `"0192f0c1-2d3e-7abc-8def-0123456789ab"`, "email_verified": `true`, "active": `true`,
		"created_at": `"2000-01-01T00:00:00Z"`, "password_hash": `"x"`, "Role": `"admin"`, "is_admin": `true`, "__proto__": `{"role":"admin"}`,
	} {
		body := fmt.Sprintf(`{"username":"new-%s","email":"new-%s@example.com","password":%q,%q:%s}`, name, name, password, field, value)
		refused(t, "register with "+field, do(t, anonymous(), "POST /api/v1/auth/register", client.Raw(body)), "invalid", 422)
		body = fmt.Sprintf(`{"full_name":"x",%q:%s}`, field, value)
		refused(t, "profile with "+field, do(t, alice, "PATCH /api/v1/users/me", client.Raw(body)), "invalid", 422)
		body = fmt.Sprintf(`{"current_password":%q,"new_password":"another one of many words",%q:%s}`, password, field, value)
		refused(t, "password with "+field, do(t, alice, "PUT /api/v1/users/me/password", client.Raw(body)), "invalid", 422)
		body = fmt.Sprintf(`{"username":%q,"password":%q,%q:%s}`, name, password, field, value)
		refused(t, "login with "+field, do(t, anonymous(), "POST /api/v1/auth/login", client.Raw(body)), "invalid", 422)
	}
	if after := do(t, alice, "GET /api/v1/users/me", nil); string(after.Body) != string(before.Body) {
		t.Errorf("before %s\nafter  %s", before.Body, after.Body)
	}
}

// TestAccountOwnership tries every operation on the account of another user.
func TestAccountOwnership(t *testing.T) {
	t.Parallel()
	alice, name := newUser(t)
	bob, _ := newUser(t)
	id := userID(t, alice)
	for _, call := range []string{"GET /api/v1/users/" + id, "POST /api/v1/users/" + id + "/unlock",
		"GET /api/v1/users?q=" + name, "GET /api/v1/audit?user_id=" + id} {
		refused(t, call, do(t, bob, call, nil), "forbidden", 403)
	}
	refused(t, "update", do(t, bob, "PATCH /api/v1/users/"+id, client.Raw(`{"active":false}`)), "forbidden", 403)
	refused(t, "erase", do(t, bob, "DELETE /api/v1/users/"+id, nil), "method_not_allowed", 405)
	for _, call := range []string{"GET /api/v1/users/me?id=" + id, "GET /api/v1/users/me/export?user_id=" + id} {
		refused(t, call, do(t, bob, call, nil), "invalid", 422)
	}
	for _, call := range []string{"GET /api/v1/users/me", "GET /api/v1/users/me/export"} {
		res := do(t, bob, call, nil, "X-User-Id", id, "X-Forwarded-User", id)
		if res.Status != 200 || strings.Contains(string(res.Body), id) || strings.Contains(string(res.Body), name) {
			t.Errorf("%s: %d %.300s", call, res.Status, res.Body)
		}
	}
	must(t, alice.Call(t.Context(), "GET /api/v1/users/me", nil, 200, nil))
}

// TestGuessingLocks guesses a password with forged addresses: the account is locked, but not for its owner.
func TestGuessingLocks(t *testing.T) {
	t.Parallel()
	alice, name := newUser(t)
	id, thief := userID(t, alice), anonymous()
	attempt := func(password string) client.Response {
		forged := fmt.Sprintf("203.0.113.%d", rand.IntN(250)+1)
		return login(t, thief, name, password, "X-Forwarded-For", forged, "X-Real-Ip", forged, "Forwarded", "for="+forged,
			"X-Client-Ip", forged, "True-Client-Ip", forged)
	}
	for range 5 {
		refused(t, "a guess", attempt("wrong"), "wrong_credentials", 401)
	}
	locked := attempt(password)
	refused(t, "the right password after the lockout", locked, "sign_in_locked", 423)
	if after, err := strconv.Atoi(locked.Header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
		t.Errorf("Retry-After: %q", locked.Header.Get("Retry-After"))
	}
	refused(t, "from another address", login(t, anonymous(), name, password), "sign_in_locked", 423)
	refused(t, "in capitals", login(t, anonymous(), strings.ToUpper(name), password), "sign_in_locked", 423)
	if res := login(t, client.Client{Base: alice.Base, From: alice.From}, name, password); res.Status != 200 {
		t.Errorf("the owner: %d %s", res.Status, res.Body)
	}
	failures, locks := auditEntries(t, id, "session.sign_in_failed"), auditEntries(t, id, "account.locked")
	if len(failures) != 5 || len(locks) != 1 || failures[0].Address != thief.From || locks[0].Address != thief.From {
		t.Errorf("the audit has %v and %v, want 5 and 1 from %s", failures, locks, thief.From)
	}
	must(t, admin(t).Call(t.Context(), "POST /api/v1/users/"+id+"/unlock", nil, 204, nil))
	if res := attempt(password); res.Status != 200 {
		t.Errorf("unlocked: %d %s", res.Status, res.Body)
	}
}

// hostile are texts that are dangerous where they are interpreted.
var hostile = []string{
	`'; drop table accounts; --`, `' or '1'='1`, `"; select pg_sleep(10); --`, `admin'--`, `$(reboot)`, "`reboot`",
	`{{.Password}}`, `${jndi:ldap://x/a}`, `%s%n%x`, `<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`,
	`javascript:alert(1)`, `../../../../etc/passwd`, "\u202egnirts", `{"$ne":null}`, `\u0000`, `=1+1`,
}

// TestHostileTextStaysText sends hostile texts in every text of an account. Each is refused or returned unchanged, as
// JSON.
func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	alice, name := newUser(t)
	for _, text := range hostile {
		var me struct {
			FullName string `json:"full_name"`
		}
		res := do(t, alice, "PATCH /api/v1/users/me", map[string]string{"full_name": text})
		if strings.Contains(text, "://") || strings.Contains(text, "javascript:") { // full names are in e-mails
			refused(t, "a link as full_name", res, "invalid", 422)
		} else {
			must(t, res.Into(200, &me))
			isJSON := strings.HasPrefix(res.Header.Get("Content-Type"), "application/json")
			if me.FullName != text || strings.ContainsAny(string(res.Body), "<>") || !isJSON {
				t.Errorf("full_name %q came back as %s", text, res.Body)
			}
		}
		for _, field := range []string{"username", "email"} {
			res := do(t, alice, "PATCH /api/v1/users/me", map[string]string{field: text})
			refused(t, field+" "+text, res, "invalid", 422)
		}
		res = do(t, anonymous(), "POST /api/v1/auth/verify-email", map[string]string{"token": text})
		refused(t, "as a token", res, "mail_token_invalid", 422)
		refused(t, "after a name", login(t, anonymous(), name+text, password), "wrong_credentials", 401)
		var page client.Page[json.RawMessage]
		must(t, admin(t).Call(t.Context(), "GET /api/v1/audit?action="+url.QueryEscape(text), nil, 200, &page))
		if len(page.Items) > 0 {
			t.Errorf("action %q finds %s", text, page.Items)
		}
		for _, query := range []string{"q=" + url.QueryEscape("unknown"+text), "q=" + url.QueryEscape(name+text)} {
			must(t, admin(t).Call(t.Context(), "GET /api/v1/users?"+query, nil, 200, &page))
			if len(page.Items) > 0 {
				t.Errorf("%s finds %s", query, page.Items)
			}
		}
		refused(t, "as a role", do(t, admin(t), "GET /api/v1/users?role="+url.QueryEscape(text), nil), "invalid", 422)
	}
	agent := `<script>alert("x")</script>'; drop table audit.entries; --`
	login(t, anonymous(), name, "wrong", "User-Agent", agent)
	if seen := auditEntries(t, userID(t, alice), "session.sign_in_failed"); len(seen) != 1 || seen[0].UserAgent != agent {
		t.Errorf("the audit has %+v", seen)
	}
}

// TestMailTokensAreInternal requests tokens of mails from outside.
func TestMailTokensAreInternal(t *testing.T) {
	t.Parallel()
	const id = "0192f0c1-2d3e-7abc-8def-0123456789ab"
	refused(t, "at the gateway", do(t, admin(t), "POST /api/v1/mail-tokens/"+id, nil), "no_such_route", 404)
	users := client.Client{Base: running.Address("users")}
	refused(t, "at the service", do(t, users, "POST /mail-tokens/"+id, nil), "sidecar_token", 401)
}

// TestErasedAccounts erases an account and then tries to use it.
func TestErasedAccounts(t *testing.T) {
	t.Parallel()
	alice, name := newUser(t)
	id := userID(t, alice)
	if res := do(t, alice, "DELETE /api/v1/users/me", nil); res.Status != 204 {
		t.Fatalf("%d %s", res.Status, res.Body)
	}
	platform.Eventually(t, 5*time.Second, func() error {
		if res := do(t, alice, "GET /api/v1/orders", nil); res.Status != 401 {
			return fmt.Errorf("the token still works: %d", res.Status)
		}
		return nil
	})
	refused(t, "sign in", login(t, anonymous(), name, password), "wrong_credentials", 401)
	res := do(t, admin(t), "GET /api/v1/users/"+id, nil)
	if res.Status != 200 || strings.Contains(string(res.Body), name) {
		t.Errorf("an admin sees %d %s", res.Status, res.Body)
	}
	if len(auditEntries(t, id, "account.erased")) != 1 {
		t.Error("the audit has no entry")
	}
	refused(t, "the last admin", do(t, admin(t), "DELETE /api/v1/users/me", nil), "last_admin", 409)
}

// TestAuditChain verifies the hash chain of the audit entries of all tests.
func TestAuditChain(t *testing.T) {
	admin(t)
	out, err := running.Command(t.Context(), "audit-verify").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the chain is intact") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestExportOfEveryService: the export of a user has data of other services, and only their own.
func TestExportOfEveryService(t *testing.T) {
	t.Parallel()
	alice, _ := newUser(t)
	bob, _ := newUser(t)
	order := placeOrder(t, alice)
	res := do(t, alice, "GET /api/v1/users/me/export", nil)
	for _, text := range []string{order.ID, "123 Main St", `"products":{"notify_me":[]}`} {
		if res.Status != 200 || !strings.Contains(string(res.Body), text) {
			t.Errorf("no %s: %d %.500s", text, res.Status, res.Body)
		}
	}
	if res := do(t, bob, "GET /api/v1/users/me/export", nil); res.Status != 200 || strings.Contains(string(res.Body), order.ID) {
		t.Errorf("bob's: %d %.500s", res.Status, res.Body)
	}
}
