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

// pair is what a client holds.
type pair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func signIn(t *testing.T, name, word string) (p pair) {
	t.Helper()
	must(t, stranger().Call(t.Context(), "POST /api/v1/auth/login", client.Form{"username": {name}, "password": {word}}, 200, &p))
	return p
}

func refreshed(t *testing.T, token string) (client.Answer, pair) {
	t.Helper()
	a := do(t, stranger(), "POST /api/v1/auth/refresh", map[string]string{"refresh_token": token})
	var p pair
	_ = json.Unmarshal(a.Body, &p) // empty where it was refused
	return a, p
}

// everywhere are the places that check a token: both gateways, and services past the gateways, through the gateway's sidecar
// and past all sidecars.
func everywhere(t *testing.T, token string) map[string]client.Answer {
	t.Helper()
	bearer := []string{"Authorization", "Bearer " + token}
	past := func(process, path string) client.Answer {
		_, own := tokens(t, process)
		return do(t, client.Client{Base: running.Address(process)}, "GET "+path, nil, append(bearer, "dapr-api-token", own)...)
	}
	return map[string]client.Answer{
		"gateway":                do(t, client.Client{Base: running.URL()}, "GET /api/v1/orders", nil, bearer...),
		"second gateway":         do(t, client.Client{Base: running.Address("gateway-2")}, "GET /api/v1/users/me/sessions", nil, bearer...),
		"orders, by its sidecar": as(t, "gateway", "GET /orders", nil, append(bearer, "dapr-app-id", "orders")...),
		"notifications":          past("notifications", "/notifications"),
		"users":                  past("users", "/users/me/sessions"),
		"second users":           past("users-2", "/users/me/sessions"),
	}
}

func goodEverywhere(t *testing.T, what, token string) {
	t.Helper()
	for where, a := range everywhere(t, token) {
		if a.Status != 200 {
			t.Fatalf("%s at %s: %d %.300s", what, where, a.Status, a.Body)
		}
	}
}

func badEverywhere(t *testing.T, what, token string) {
	t.Helper()
	for where, a := range everywhere(t, token) {
		refused(t, what+" at "+where, a, "", 401)
	}
}

// deadWithinASecond is how long the end of a session may take to be known to every replica.
func deadWithinASecond(t *testing.T, what, token string) {
	t.Helper()
	platform.Eventually(t, time.Second, func() error {
		for where, a := range everywhere(t, token) {
			if a.Status != 401 {
				return fmt.Errorf("%s at %s: %d %.200s", what, where, a.Status, a.Body)
			}
		}
		return nil
	})
	for where, a := range everywhere(t, token) {
		refused(t, what+" at "+where, a, "session_ended", 401)
	}
}

// signer signs what users would accept, as whoever had stolen the platform's secret could.
// TestForgedTokens tries what is known to have worked elsewhere. What the forgeries are made of is good, so each fails for what it
// changes alone.
// TestASignedOutTokenIsDead: at both gateways and straight at services.
func TestASignedOutTokenIsDead(t *testing.T) {
	t.Parallel()
	_, name := person(t)
	here, there := signIn(t, name, password), signIn(t, name, password)
	goodEverywhere(t, "a good token", here.Access)
	must(t, client.Client{Base: running.URL(), Token: here.Access}.Call(t.Context(), "POST /api/v1/auth/logout", nil, 204, nil))
	deadWithinASecond(t, "after signing out", here.Access)
	a, _ := refreshed(t, here.Refresh)
	refused(t, "its refresh token", a, "refresh_invalid", 401)
	goodEverywhere(t, "the same person elsewhere", there.Access)
}

// TestSignedOutElsewhere ends sessions from another device: one, then all others.
func TestSignedOutElsewhere(t *testing.T) {
	t.Parallel()
	mallory, _ := person(t)
	_, name := person(t)
	lost, old, here := signIn(t, name, password), signIn(t, name, password), signIn(t, name, password)
	owner := client.Client{Base: running.URL(), Token: here.Access}
	var mine client.Page[struct {
		ID      string
		Current bool
		Address string
	}]
	must(t, owner.Call(t.Context(), "GET /api/v1/users/me/sessions", nil, 200, &mine))
	if len(mine.Items) != 4 || !mine.Items[0].Current || mine.Items[1].Current || !strings.HasPrefix(mine.Items[0].Address, "127.77.") {
		t.Fatalf("%+v", mine.Items)
	}
	refused(t, "somebody else's session", do(t, mallory, "DELETE /api/v1/users/me/sessions/"+mine.Items[2].ID, nil), "session_not_found", 404)
	must(t, owner.Call(t.Context(), "DELETE /api/v1/users/me/sessions/"+mine.Items[2].ID, nil, 204, nil))
	deadWithinASecond(t, "signed out from elsewhere", lost.Access)
	goodEverywhere(t, "the other", old.Access)
	must(t, owner.Call(t.Context(), "DELETE /api/v1/users/me/sessions?keep=current", nil, 204, nil))
	deadWithinASecond(t, "signed out with all others", old.Access)
	goodEverywhere(t, "who signed them out", here.Access)
	must(t, mallory.Call(t.Context(), "GET /api/v1/users/me", nil, 200, nil))
}

// TestAStolenRefreshToken is used after its owner has used it: both lose the session, also the access tokens.
func TestAStolenRefreshToken(t *testing.T) {
	t.Parallel()
	_, name := person(t)
	stolen := signIn(t, name, password)
	a, owner := refreshed(t, stolen.Refresh)
	if a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	a, twin := refreshed(t, stolen.Refresh)
	if a.Status != 200 || twin.Refresh != owner.Refresh {
		t.Errorf("a double click is not theft: %d", a.Status)
	}
	platform.Eventually(t, 20*time.Second, func() error { // ten seconds later it is
		if a, _ = refreshed(t, stolen.Refresh); a.Status == 401 {
			return nil
		}
		return fmt.Errorf("%d", a.Status)
	})
	refused(t, "a dead refresh token", a, "refresh_invalid", 401)
	deadWithinASecond(t, "the owner's token", owner.Access)
	a, _ = refreshed(t, owner.Refresh)
	refused(t, "the owner's refresh token", a, "refresh_invalid", 401)
}

// TestADeadTokenStaysDead restarts who refused it: what ended is learned before anything is vouched for.
func TestADeadTokenStaysDead(t *testing.T) {
	_, name := person(t)
	ended := signIn(t, name, password)
	must(t, client.Client{Base: running.URL(), Token: ended.Access}.Call(t.Context(), "POST /api/v1/auth/logout", nil, 204, nil))
	for _, process := range []string{"gateway-2", "notifications", "users-2"} {
		running.Kill(t, process)
	}
	for _, process := range []string{"gateway-2", "notifications", "users-2"} {
		_, own := tokens(t, process)
		path := map[string]string{"gateway-2": "/api/v1/orders", "notifications": "/notifications", "users-2": "/users/me"}[process]
		platform.Eventually(t, 30*time.Second, func() error {
			a, err := client.Client{Base: running.Address(process), Token: ended.Access}.Do(t.Context(), "GET "+path, nil, "dapr-api-token", own)
			switch {
			case err != nil:
				return err // it is not back yet
			case a.Status == 200:
				t.Fatalf("%s accepts a token of a session that ended before it started", process)
			case a.Status != 401:
				return fmt.Errorf("%s: %d", process, a.Status)
			}
			return nil
		})
	}
	platform.Eventually(t, 60*time.Second, func() error {
		for _, process := range []string{"gateway-2", "notifications", "users-2"} {
			a, err := client.Client{Base: running.Address(process)}.Do(t.Context(), "GET /health/ready", nil)
			if err != nil || a.Status != 200 {
				return fmt.Errorf("%s: %d, %w", process, a.Status, err)
			}
		}
		return nil
	})
}

// TestKeysRotateUnderLoad has people shop and refresh all the while; nobody is refused, and in the end the new key signs. It is
// not beside others, whose floods are another reason to be refused.
// TestWhatElseEndsSessions: a new password ends the others, a new role and a closed account all, and an erased account leaves
// nothing that could be signed in with. It is not beside others: for a moment there are two admins.
func TestWhatElseEndsSessions(t *testing.T) {
	root := admin(t)
	const better = "another password of sixteen words"
	for what, end := range map[string]func(t *testing.T, own client.Client, id string){
		"a new password": func(t *testing.T, own client.Client, _ string) {
			must(t, own.Call(t.Context(), "PUT /api/v1/users/me/password", map[string]string{"current_password": password, "new_password": better}, 204, nil))
		},
		"a new role": func(t *testing.T, _ client.Client, id string) {
			must(t, root.Call(t.Context(), "PATCH /api/v1/users/"+id, map[string]string{"role": "admin"}, 200, nil))
			t.Cleanup(func() { // the context of a test is over by then
				if err := root.Call(context.Background(), "PATCH /api/v1/users/"+id, map[string]string{"role": "user"}, 200, nil); err != nil {
					t.Error(err)
				}
			})
		},
		"a closed account": func(t *testing.T, _ client.Client, id string) {
			must(t, root.Call(t.Context(), "PATCH /api/v1/users/"+id, map[string]bool{"active": false}, 200, nil))
		},
		"an erased account": func(t *testing.T, own client.Client, _ string) {
			a := do(t, own, "DELETE /api/v1/users/me", nil)
			if a.Status != 204 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			own, name := person(t)
			other := signIn(t, name, password)
			goodEverywhere(t, "before", other.Access)
			var me struct{ ID string }
			must(t, own.Call(t.Context(), "GET /api/v1/users/me", nil, 200, &me))
			end(t, own, me.ID)
			deadWithinASecond(t, "after "+what, other.Access)
			a, _ := refreshed(t, other.Refresh)
			refused(t, "its refresh token", a, "refresh_invalid", 401)
		})
	}
}
