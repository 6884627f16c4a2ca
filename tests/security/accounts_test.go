package security_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// login tries a password as it is.
func login(t *testing.T, c client.Client, name, password string, headers ...string) client.Answer {
	t.Helper()
	return do(t, c, "POST /api/v1/auth/login", client.Form{"username": {name}, "password": {password}}, headers...)
}

// idOf is who somebody is.
func idOf(t *testing.T, c client.Client) string {
	t.Helper()
	var me struct{ ID string }
	must(t, c.Call(t.Context(), "GET /api/v1/users/me", nil, 200, &me))
	return me.ID
}

// audited is what the audit has about somebody, newest first.
func audited(t *testing.T, user, action string) (entries []struct{ Address, UserAgent string }) {
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

// TestProtectedFieldsCannotBeAssigned sends fields that are the platform's to set, wherever an account is written.
func TestProtectedFieldsCannotBeAssigned(t *testing.T) {
	t.Parallel()
	alice, name := person(t)
	before := do(t, alice, "GET /api/v1/users/me", nil)
	for field, value := range map[string]string{
		"role": `"admin"`, "id": `"0192f0c1-2d3e-7abc-8def-0123456789ab"`, "email_verified": `true`, "active": `true`, "created_at": `"2000-01-01T00:00:00Z"`,
		"password_hash": `"x"`, "Role": `"admin"`, "is_admin": `true`, "__proto__": `{"role":"admin"}`,
	} {
		body := fmt.Sprintf(`{"username":"new-%s","email":"new-%s@example.com","password":%q,%q:%s}`, name, name, password, field, value)
		refused(t, "register with "+field, do(t, stranger(), "POST /api/v1/auth/register", client.Raw(body)), "invalid", 422)
		refused(t, "profile with "+field, do(t, alice, "PATCH /api/v1/users/me", client.Raw(fmt.Sprintf(`{"full_name":"x",%q:%s}`, field, value))), "invalid", 422)
		refused(t, "password with "+field, do(t, alice, "PUT /api/v1/users/me/password",
			client.Raw(fmt.Sprintf(`{"current_password":%q,"new_password":"another one of many words",%q:%s}`, password, field, value))), "invalid", 422)
		refused(t, "login with "+field, do(t, stranger(), "POST /api/v1/auth/login", client.Raw(fmt.Sprintf(`{"username":%q,"password":%q,%q:%s}`, name, password, field, value))), "invalid", 422)
	}
	if after := do(t, alice, "GET /api/v1/users/me", nil); string(after.Body) != string(before.Body) {
		t.Errorf("before %s\nafter  %s", before.Body, after.Body)
	}
}

// TestAccountsAreTheirOwnersAlone has bob try everything on alice's account.
func TestAccountsAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	alice, name := person(t)
	bob, _ := person(t)
	id := idOf(t, alice)
	for _, call := range []string{"GET /api/v1/users/" + id, "POST /api/v1/users/" + id + "/unlock", "GET /api/v1/users?q=" + name, "GET /api/v1/audit?user_id=" + id} {
		refused(t, call, do(t, bob, call, nil), "forbidden", 403)
	}
	refused(t, "change", do(t, bob, "PATCH /api/v1/users/"+id, client.Raw(`{"active":false}`)), "forbidden", 403)
	refused(t, "erase", do(t, bob, "DELETE /api/v1/users/"+id, nil), "method_not_allowed", 405)
	for _, call := range []string{"GET /api/v1/users/me?id=" + id, "GET /api/v1/users/me?user_id=" + id, "GET /api/v1/users/me/export?user_id=" + id} {
		if a := do(t, bob, call, nil, "X-User-Id", id, "X-Forwarded-User", id); a.Status != 200 || strings.Contains(string(a.Body), id) || strings.Contains(string(a.Body), name) {
			t.Errorf("%s: %d %.300s", call, a.Status, a.Body)
		}
	}
	must(t, alice.Call(t.Context(), "GET /api/v1/users/me", nil, 200, nil))
}

var traceID = regexp.MustCompile(`"trace_id":"[0-9a-f]*"`)

// said is all of an answer that could tell somebody from nobody.
func said(a client.Answer) string {
	retry, _ := strconv.Atoi(a.Header.Get("Retry-After"))
	return fmt.Sprintf("%d %s %s %s retry:%v", a.Status, traceID.ReplaceAllString(string(a.Body), ""), a.Header.Get("Cache-Control"), a.Header.Get("Content-Type"), retry > 0)
}

// TestAnswersDoNotTellWhoExists compares what is said of somebody and of nobody, up to a lock and beyond.
func TestAnswersDoNotTellWhoExists(t *testing.T) {
	t.Parallel()
	_, name := person(t)
	for _, pair := range [][2]string{{name, "nobody-" + name}, {name + "@example.com", "nobody-" + name + "@example.com"}} {
		for n := range 7 { // five are free
			one, other := login(t, stranger(), pair[0], "wrong"), login(t, stranger(), pair[1], "wrong")
			if said(one) != said(other) {
				t.Errorf("try %d at %s: %s\nat nobody: %s", n, pair[0], said(one), said(other))
			}
		}
	}
	for _, route := range []string{"POST /api/v1/auth/password/forgot", "POST /api/v1/auth/verify-email/resend"} {
		one := do(t, stranger(), route, map[string]string{"email": name + "@example.com"})
		other := do(t, stranger(), route, map[string]string{"email": "nobody-" + name + "@example.com"})
		if said(one) != said(other) || one.Status != 202 {
			t.Errorf("%s: %s, for nobody %s", route, said(one), said(other))
		}
	}
}

// longer is how likely a call of one sort takes longer than one of the other (0.5: nobody could tell them apart).
func longer(one, other []time.Duration) float64 {
	wins := 0.0
	for _, a := range one {
		for _, b := range other {
			switch {
			case a > b:
				wins++
			case a == b:
				wins += 0.5
			}
		}
	}
	return wins / float64(len(one)*len(other))
}

// TestTimesDoNotTellWhoExists makes many calls about somebody and about nobody in a random order and compares their ranks.
// With so many the likelihood strays from a half by chance by about 0.08; a password that is not looked at gives 1.
func TestTimesDoNotTellWhoExists(t *testing.T) {
	const people, each = 7, 4 // five failures lock a name
	names := make([]string, people)
	for i := range names {
		_, names[i] = person(t)
	}
	times := func(call func(c client.Client, name string)) (somebody, nobody []time.Duration) {
		var turns []string
		for range each {
			for _, name := range names {
				turns = append(turns, name, "nobody-"+name)
			}
		}
		rand.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
		for _, name := range turns {
			c := stranger()
			do(t, c, "GET /health", nil) // the connection is there
			start := time.Now()
			call(c, name)
			took := time.Since(start)
			if strings.HasPrefix(name, "nobody-") {
				nobody = append(nobody, took)
			} else {
				somebody = append(somebody, took)
			}
		}
		return somebody, nobody
	}
	for what, call := range map[string]func(client.Client, string){
		"login": func(c client.Client, name string) {
			if a := login(t, c, name, "wrong"); a.Status != 401 {
				t.Fatalf("login: %d %s", a.Status, a.Body)
			}
		},
		"forgot": func(c client.Client, name string) {
			must(t, c.Call(t.Context(), "POST /api/v1/auth/password/forgot", map[string]string{"email": name + "@example.com"}, 202, nil))
		},
	} {
		somebody, nobody := times(call)
		slices.Sort(somebody)
		slices.Sort(nobody)
		t.Logf("%s: somebody %s, nobody %s in the middle", what, somebody[len(somebody)/2], nobody[len(nobody)/2])
		if p := longer(somebody, nobody); p < 0.2 || p > 0.8 {
			t.Errorf("%s: a call about somebody takes longer than one about nobody with a likelihood of %.2f", what, p)
		}
	}
}

// TestGuessingLocks guesses from changing addresses that the guesser claims to have, and does not lock the owner out.
func TestGuessingLocks(t *testing.T) {
	t.Parallel()
	alice, name := person(t)
	id, thief := idOf(t, alice), stranger()
	guess := func(password string) client.Answer {
		forged := fmt.Sprintf("203.0.113.%d", rand.IntN(250)+1)
		return login(t, thief, name, password, "X-Forwarded-For", forged, "X-Real-Ip", forged, "Forwarded", "for="+forged, "X-Client-Ip", forged, "True-Client-Ip", forged)
	}
	for range 5 {
		refused(t, "a guess", guess("wrong"), "wrong_credentials", 401)
	}
	locked := guess(password)
	refused(t, "the right one, too late", locked, "sign_in_locked", 423)
	if after, err := strconv.Atoi(locked.Header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
		t.Errorf("Retry-After: %q", locked.Header.Get("Retry-After"))
	}
	refused(t, "from elsewhere", login(t, stranger(), name, password), "sign_in_locked", 423)
	refused(t, "in capitals", login(t, stranger(), strings.ToUpper(name), password), "sign_in_locked", 423)
	if a := login(t, client.Client{Base: alice.Base, From: alice.From}, name, password); a.Status != 200 {
		t.Errorf("the owner, at home: %d %s", a.Status, a.Body)
	}
	failures, locks := audited(t, id, "session.sign_in_failed"), audited(t, id, "account.locked")
	if len(failures) != 5 || len(locks) != 1 || failures[0].Address != thief.From || locks[0].Address != thief.From {
		t.Errorf("the audit has %v and %v, want 5 and 1 from %s", failures, locks, thief.From)
	}
	must(t, admin(t).Call(t.Context(), "POST /api/v1/users/"+id+"/unlock", nil, 204, nil))
	if a := guess(password); a.Status != 200 {
		t.Errorf("unlocked: %d %s", a.Status, a.Body)
	}
}

// hostile are texts that become something else where they are not treated as text.
var hostile = []string{
	`'; drop table accounts; --`, `' or '1'='1`, `"; select pg_sleep(10); --`, `admin'--`, `$(reboot)`, "`reboot`", `{{.Password}}`, `${jndi:ldap://x/a}`, `%s%n%x`,
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `../../../../etc/passwd`, "\u202egnirts", `{"$ne":null}`, `\u0000`, `=1+1`,
}

// TestHostileTextStaysText sends such texts in every text of an account. Each is refused, or comes back as it was and as JSON alone.
func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	alice, name := person(t)
	for _, text := range hostile {
		var me struct {
			FullName string `json:"full_name"`
		}
		a := do(t, alice, "PATCH /api/v1/users/me", map[string]string{"full_name": text})
		must(t, a.Into(200, &me))
		if me.FullName != text || strings.ContainsAny(string(a.Body), "<>") || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
			t.Errorf("full_name %q came back as %s", text, a.Body)
		}
		refused(t, "username "+text, do(t, alice, "PATCH /api/v1/users/me", map[string]string{"username": text}), "invalid", 422)
		refused(t, "email "+text, do(t, alice, "PATCH /api/v1/users/me", map[string]string{"email": text}), "invalid", 422)
		refused(t, "as a token", do(t, stranger(), "POST /api/v1/auth/verify-email", map[string]string{"token": text}), "mail_token_invalid", 422)
		refused(t, "as a name of hers", login(t, stranger(), name+text, password), "wrong_credentials", 401)
		var page client.Page[json.RawMessage]
		must(t, admin(t).Call(t.Context(), "GET /api/v1/audit?action="+url.QueryEscape(text), nil, 200, &page))
		if len(page.Items) > 0 {
			t.Errorf("action %q finds %s", text, page.Items)
		}
		for _, query := range []string{"q=" + url.QueryEscape("nobody"+text), "q=" + url.QueryEscape(name+text)} {
			must(t, admin(t).Call(t.Context(), "GET /api/v1/users?"+query, nil, 200, &page))
			if len(page.Items) > 0 {
				t.Errorf("%s finds %s", query, page.Items)
			}
		}
		refused(t, "as a role", do(t, admin(t), "GET /api/v1/users?role="+url.QueryEscape(text), nil), "invalid", 422)
	}
	agent := `<script>alert("x")</script>'; drop table audit.entries; --`
	login(t, stranger(), name, "wrong", "User-Agent", agent)
	if seen := audited(t, idOf(t, alice), "session.sign_in_failed"); len(seen) != 1 || seen[0].UserAgent != agent {
		t.Errorf("the audit has %+v", seen)
	}
}

// TestMailTokensStayInside looks for the tokens of mails where anybody could ask.
func TestMailTokensStayInside(t *testing.T) {
	t.Parallel()
	const id = "0192f0c1-2d3e-7abc-8def-0123456789ab"
	refused(t, "at the gateway", do(t, admin(t), "POST /api/v1/mail-tokens/"+id, nil), "no_such_route", 404)
	refused(t, "at the service", do(t, client.Client{Base: running.Address("users")}, "POST /mail-tokens/"+id, nil), "sidecar_token", 401)
}

// TestTheErasedAreGone leaves, and then tries to come back.
func TestTheErasedAreGone(t *testing.T) {
	t.Parallel()
	alice, name := person(t)
	id := idOf(t, alice)
	if a := do(t, alice, "DELETE /api/v1/users/me", nil); a.Status != 204 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	platform.Eventually(t, 5*time.Second, func() error {
		if a := do(t, alice, "GET /api/v1/orders", nil); a.Status != 401 {
			return fmt.Errorf("her token still works: %d", a.Status)
		}
		return nil
	})
	refused(t, "sign in", login(t, stranger(), name, password), "wrong_credentials", 401)
	a := do(t, admin(t), "GET /api/v1/users/"+id, nil)
	if a.Status != 200 || strings.Contains(string(a.Body), name) {
		t.Errorf("an admin sees %d %s", a.Status, a.Body)
	}
	if len(audited(t, id, "account.erased")) != 1 {
		t.Error("the audit does not have it")
	}
	refused(t, "the last admin", do(t, admin(t), "DELETE /api/v1/users/me", nil), "last_admin", 409)
}

// TestTheAuditIsWhole walks the chain of all that the other tests did.
func TestTheAuditIsWhole(t *testing.T) {
	admin(t)
	out, err := running.Command(t.Context(), "audit-verify").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the chain is intact") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestExportHasWhatOthersHold finds an order in the export of whoever bought, and in nobody else's.
func TestExportHasWhatOthersHold(t *testing.T) {
	t.Parallel()
	alice, _ := person(t)
	bob, _ := person(t)
	order := buy(t, alice)
	hers, his := do(t, alice, "GET /api/v1/users/me/export", nil), do(t, bob, "GET /api/v1/users/me/export", nil)
	if hers.Status != 200 || !strings.Contains(string(hers.Body), order.ID) || !strings.Contains(string(hers.Body), "123 Main St") ||
		!strings.Contains(string(hers.Body), `"products":{"notify_me":[]}`) {
		t.Errorf("%d %.500s", hers.Status, hers.Body)
	}
	if his.Status != 200 || strings.Contains(string(his.Body), order.ID) {
		t.Errorf("bob's: %d %.500s", his.Status, his.Body)
	}
}
