package mail_test

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"sidecart/tests/platform"
)

var link = regexp.MustCompile(`href="(https?://[^"]+\?token=[^"]+)"`)

// tokenIn is the token of the link in an e-mail. It checks that the link leads to a page.
func tokenIn(t *testing.T, m mail, page string) string {
	t.Helper()
	found := link.FindStringSubmatch(m.HTML)
	if found == nil {
		t.Fatalf("no link in %s", m.HTML)
	}
	u, err := url.Parse(html.UnescapeString(found[1]))
	must(t, err)
	if u.Path != page {
		t.Errorf("the link leads to %s, want %s", u.Path, page)
	}
	res, err := anonymous.Do(t.Context(), "GET "+u.RequestURI(), nil)
	must(t, err)
	if res.Status != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%s: %d %s", page, res.Status, res.Header.Get("Content-Type"))
	}
	return u.Query().Get("token")
}

// accounts checks that the links in e-mails work once.
func accounts(t *testing.T) {
	vera := newBuyer(t, "vera", "Vera")
	token := tokenIn(t, awaitMail(t, "vera@example.com", "confirm your e-mail address"), "/verify-email")
	post := func(path string, body map[string]string) int {
		res, err := anonymous.Do(t.Context(), "POST /api/v1/auth/"+path, body)
		must(t, err)
		return res.Status
	}
	if status := post("verify-email", map[string]string{"token": token}); status > 299 {
		t.Errorf("the link does not work: %d", status)
	}
	if status := post("verify-email", map[string]string{"token": token}); status < 400 || status > 499 {
		t.Errorf("the link works twice: %d", status)
	}
	if status := post("password/forgot", map[string]string{"email": "vera@example.com"}); status != 202 {
		t.Errorf("forgot: %d", status)
	}
	reset := map[string]string{"token": tokenIn(t, awaitMail(t, "vera@example.com", "new password"), "/reset-password"), "new_password": "AnotherPassword456!"}
	if status := post("password/reset", reset); status > 299 {
		t.Errorf("the link does not work: %d", status)
	}
	if status := post("password/reset", reset); status < 400 || status > 499 {
		t.Errorf("the link works twice: %d", status)
	}
	awaitMail(t, "vera@example.com", "password was changed")
	_, err := anonymous.SignIn(t.Context(), "vera", "AnotherPassword456!")
	must(t, err)
	platform.Eventually(t, time.Minute, func() error { // the reset ends the session
		return vera.Call(t.Context(), "GET /api/v1/users/me", nil, 401, nil)
	})
}
