package security_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// tokenPair is the response of signing in.
type tokenPair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func signIn(t *testing.T, name, word string) (p tokenPair) {
	t.Helper()
	must(t, anonymous().Call(t.Context(), "POST /api/v1/auth/login", client.Form{"username": {name}, "password": {word}}, 200, &p))
	return p
}

func refresh(t *testing.T, token string) (client.Response, tokenPair) {
	t.Helper()
	res := do(t, anonymous(), "POST /api/v1/auth/refresh", map[string]string{"refresh_token": token})
	var p tokenPair
	_ = json.Unmarshal(res.Body, &p) // empty if it was refused
	return res, p
}

// atEveryProcess sends a token to all processes that check tokens: both gateways, and services, through the gateway's
// sidecar or directly.
func atEveryProcess(t *testing.T, token string) map[string]client.Response {
	t.Helper()
	bearer := []string{"Authorization", "Bearer " + token}
	direct := func(process, path string) client.Response {
		_, own := tokens(t, process)
		c := client.Client{Base: running.Address(process)}
		return do(t, c, "GET "+path, nil, append(bearer, "dapr-api-token", own)...)
	}
	gateway, second := client.Client{Base: running.URL()}, client.Client{Base: running.Address("gateway-2")}
	return map[string]client.Response{
		"gateway":                do(t, gateway, "GET /api/v1/orders", nil, bearer...),
		"second gateway":         do(t, second, "GET /api/v1/users/me/sessions", nil, bearer...),
		"orders, by its sidecar": as(t, "gateway", "GET /orders", nil, append(bearer, "dapr-app-id", "orders")...),
		"notifications":          direct("notifications", "/notifications"),
		"users":                  direct("users", "/users/me/sessions"),
		"second users":           direct("users-2", "/users/me/sessions"),
	}
}

func acceptedEverywhere(t *testing.T, what, token string) {
	t.Helper()
	for process, res := range atEveryProcess(t, token) {
		if res.Status != 200 {
			t.Fatalf("%s at %s: %d %.300s", what, process, res.Status, res.Body)
		}
	}
}

func refusedEverywhere(t *testing.T, what, token string) {
	t.Helper()
	for process, a := range atEveryProcess(t, token) {
		refused(t, what+" at "+process, a, "", 401)
	}
}

// endedWithinASecond: every process refuses the token of an ended session within a second.
func endedWithinASecond(t *testing.T, what, token string) {
	t.Helper()
	platform.Eventually(t, time.Second, func() error {
		for process, res := range atEveryProcess(t, token) {
			if res.Status != 401 {
				return fmt.Errorf("%s at %s: %d %.200s", what, process, res.Status, res.Body)
			}
		}
		return nil
	})
	for process, res := range atEveryProcess(t, token) {
		refused(t, what+" at "+process, res, "session_ended", 401)
	}
}

// TestSignOutEndsTokens: gateways and services refuse a token after the sign-out.
func TestSignOutEndsTokens(t *testing.T) {
	t.Parallel()
	_, name := newUser(t)
	this, other := signIn(t, name, password), signIn(t, name, password)
	acceptedEverywhere(t, "a valid token", this.Access)
	must(t, client.Client{Base: running.URL(), Token: this.Access}.Call(t.Context(), "POST /api/v1/auth/logout", nil, 204, nil))
	endedWithinASecond(t, "after signing out", this.Access)
	a, _ := refresh(t, this.Refresh)
	refused(t, "its refresh token", a, "refresh_invalid", 401)
	acceptedEverywhere(t, "the user's other session", other.Access)
}

// TestSignOutOfOtherDevices ends sessions from another device: one, then all others.
func TestSignOutOfOtherDevices(t *testing.T) {
	t.Parallel()
	mallory, _ := newUser(t)
	_, name := newUser(t)
	first, second, this := signIn(t, name, password), signIn(t, name, password), signIn(t, name, password)
	owner := client.Client{Base: running.URL(), Token: this.Access}
	var own client.Page[struct {
		ID      string
		Current bool
		Address string
	}]
	must(t, owner.Call(t.Context(), "GET /api/v1/users/me/sessions", nil, 200, &own))
	if len(own.Items) != 4 || !own.Items[0].Current || own.Items[1].Current || !strings.HasPrefix(own.Items[0].Address, "127.77.") {
		t.Fatalf("%+v", own.Items)
	}
	refused(t, "the session of another user", do(t, mallory, "DELETE /api/v1/users/me/sessions/"+own.Items[2].ID, nil), "session_not_found", 404)
	must(t, owner.Call(t.Context(), "DELETE /api/v1/users/me/sessions/"+own.Items[2].ID, nil, 204, nil))
	endedWithinASecond(t, "signed out from another device", first.Access)
	acceptedEverywhere(t, "the other session", second.Access)
	must(t, owner.Call(t.Context(), "DELETE /api/v1/users/me/sessions?keep=current", nil, 204, nil))
	endedWithinASecond(t, "signed out with all others", second.Access)
	acceptedEverywhere(t, "the current session", this.Access)
	must(t, mallory.Call(t.Context(), "GET /api/v1/users/me", nil, 200, nil))
}

// TestStolenRefreshToken uses a refresh token again after its owner has used it: the session ends, with all its tokens.
func TestStolenRefreshToken(t *testing.T) {
	t.Parallel()
	_, name := newUser(t)
	stolen := signIn(t, name, password)
	res, owner := refresh(t, stolen.Refresh)
	if res.Status != 200 {
		t.Fatalf("%d %s", res.Status, res.Body)
	}
	res, repeated := refresh(t, stolen.Refresh)
	if res.Status != 200 || repeated.Refresh != owner.Refresh {
		t.Errorf("a repetition within ten seconds is not theft: %d", res.Status)
	}
	platform.Eventually(t, 20*time.Second, func() error { // after ten seconds it is theft
		if res, _ = refresh(t, stolen.Refresh); res.Status == 401 {
			return nil
		}
		return fmt.Errorf("%d", res.Status)
	})
	refused(t, "the ended refresh token", res, "refresh_invalid", 401)
	endedWithinASecond(t, "the owner's token", owner.Access)
	res, _ = refresh(t, owner.Refresh)
	refused(t, "the owner's refresh token", res, "refresh_invalid", 401)
}

// TestEndedTokensStayEndedAfterRestarts: a restarted process accepts no token before it knows the ended sessions.
func TestEndedTokensStayEndedAfterRestarts(t *testing.T) {
	_, name := newUser(t)
	ended := signIn(t, name, password)
	must(t, client.Client{Base: running.URL(), Token: ended.Access}.Call(t.Context(), "POST /api/v1/auth/logout", nil, 204, nil))
	for _, process := range []string{"gateway-2", "notifications", "users-2"} {
		running.Kill(t, process)
	}
	for _, process := range []string{"gateway-2", "notifications", "users-2"} {
		_, own := tokens(t, process)
		path := map[string]string{"gateway-2": "/api/v1/orders", "notifications": "/notifications", "users-2": "/users/me"}[process]
		platform.Eventually(t, 30*time.Second, func() error {
			c := client.Client{Base: running.Address(process), Token: ended.Access}
			res, err := c.Do(t.Context(), "GET "+path, nil, "dapr-api-token", own)
			switch {
			case err != nil:
				return err // not restarted yet
			case res.Status == 200:
				t.Fatalf("%s accepts a token of a session that ended before it started", process)
			case res.Status != 401:
				return fmt.Errorf("%s: %d", process, res.Status)
			}
			return nil
		})
	}
	platform.Eventually(t, 60*time.Second, func() error {
		for _, process := range []string{"gateway-2", "notifications", "users-2"} {
			res, err := client.Client{Base: running.Address(process)}.Do(t.Context(), "GET /health/ready", nil)
			if err != nil || res.Status != 200 {
				return fmt.Errorf("%s: %d, %w", process, res.Status, err)
			}
		}
		return nil
	})
}

// TestChangesThatEndSessions: a new password ends the user's other sessions; a new role, deactivation and erasure end
// all. It is not parallel, because there are two admins for a moment.
func TestChangesThatEndSessions(t *testing.T) {
	root := admin(t)
	const better = "another password of sixteen words"
	for what, end := range map[string]func(t *testing.T, own client.Client, id string){
		"a new password": func(t *testing.T, own client.Client, _ string) {
			change := map[string]string{"current_password": password, "new_password": better}
			must(t, own.Call(t.Context(), "PUT /api/v1/users/me/password", change, 204, nil))
		},
		"a new role": func(t *testing.T, _ client.Client, id string) {
			must(t, root.Call(t.Context(), "PATCH /api/v1/users/"+id, map[string]string{"role": "admin"}, 200, nil))
			t.Cleanup(func() { // t.Context() is done by then
				if err := root.Call(context.Background(), "PATCH /api/v1/users/"+id, map[string]string{"role": "user"}, 200, nil); err != nil {
					t.Error(err)
				}
			})
		},
		"a deactivated account": func(t *testing.T, _ client.Client, id string) {
			must(t, root.Call(t.Context(), "PATCH /api/v1/users/"+id, map[string]bool{"active": false}, 200, nil))
		},
		"an erased account": func(t *testing.T, own client.Client, _ string) {
			res := do(t, own, "DELETE /api/v1/users/me", nil)
			if res.Status != 204 {
				t.Fatalf("%d %s", res.Status, res.Body)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			own, name := newUser(t)
			other := signIn(t, name, password)
			acceptedEverywhere(t, "before", other.Access)
			var me struct{ ID string }
			must(t, own.Call(t.Context(), "GET /api/v1/users/me", nil, 200, &me))
			end(t, own, me.ID)
			endedWithinASecond(t, "after "+what, other.Access)
			res, _ := refresh(t, other.Refresh)
			refused(t, "its refresh token", res, "refresh_invalid", 401)
		})
	}
}
