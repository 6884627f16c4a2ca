package session_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/session"
	"sidecart/kit/auth"
	"sidecart/kit/kittest"
)

func read(t *testing.T, s *session.Service, cursor string) (update auth.Update, took time.Duration) {
	t.Helper()
	began := time.Now()
	update, err := s.Revocations(t.Context(), cursor)
	if err != nil {
		t.Fatal(err)
	}
	return update, time.Since(began)
}

// TestNoEndIsMissed: transactions do not commit in the order of their start.
func TestNoEndIsMissed(t *testing.T) {
	s, db, _, users := newService(t)
	start, _ := read(t, s, "")
	if len(start.EndedSessions) != 0 || len(start.Keys) != 1 || start.TTLSeconds < 60 {
		t.Fatalf("%+v", start)
	}
	slow := openEnd(t, db, users[0])
	if err := openEnd(t, db, users[1])(); err != nil {
		t.Fatal(err)
	}
	first, _ := read(t, s, start.Cursor)
	if !slices.Equal(first.EndedSessions, []uuid.UUID{sessionOf(t, db, users[1])}) {
		t.Fatalf("%v", first.EndedSessions)
	}
	if again, took := read(t, s, first.Cursor); took < time.Second/2 {
		t.Errorf("without a change it responds after %s: %v", took, again.EndedSessions)
	}
	if err := slow(); err != nil {
		t.Fatal(err)
	}
	second, _ := read(t, s, first.Cursor)
	if !slices.Contains(second.EndedSessions, sessionOf(t, db, users[0])) {
		t.Errorf("the slow transaction is missing: %v", second.EndedSessions)
	}
	if all, _ := read(t, s, ""); len(all.EndedSessions) != 2 {
		t.Errorf("without a cursor: %v", all.EndedSessions)
	}
	for _, cursor := range []string{"x", "-1.x.y", "999999999999.x.y", "9e9"} {
		if all, _ := read(t, s, cursor); len(all.EndedSessions) != 2 {
			t.Errorf("with the invalid cursor %q: %v", cursor, all.EndedSessions)
		}
	}
}

func TestAWaitingRequestReturnsAtAChange(t *testing.T) {
	s, db, _, users := newService(t)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = s.Watch(ctx) }) // until stop
	t.Cleanup(func() { stop(); watching.Wait() })
	at, _ := read(t, s, "")
	for range 2 { // the first broadcast comes when it starts to listen
		at, _ = read(t, s, at.Cursor)
	}
	waiting := make(chan auth.Update, 1)
	go func() {
		update, err := s.Revocations(context.Background(), at.Cursor)
		if err != nil {
			t.Error(err)
		}
		waiting <- update
	}()
	if err := openEnd(t, db, users[2])(); err != nil {
		t.Fatal(err)
	}
	select {
	case update := <-waiting:
		if !slices.Equal(update.EndedSessions, []uuid.UUID{sessionOf(t, db, users[2])}) {
			t.Errorf("%v", update.EndedSessions)
		}
	case <-time.After(5 * time.Second):
		t.Error("no response")
	}
}

func TestExpiredEndsAreLeftOut(t *testing.T) {
	s, db, _, users := newService(t)
	if err := openEnd(t, db, users[0])(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `update sessions set ended_at = ended_at - interval '3 minutes' where ended_at is not null`); err != nil {
		t.Fatal(err)
	}
	if update, _ := read(t, s, ""); len(update.EndedSessions) != 0 {
		t.Errorf("all tokens of it have expired: %v", update.EndedSessions)
	}
}

func keyIDs(set auth.JWKS) (ids []string) {
	for _, k := range set.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}

// TestRotation: a new key is published before it signs, sessions continue, and the old key is removed after its tokens
// have expired.
func TestRotation(t *testing.T) {
	app, db, signer := newAppAndSigner(t, true)
	second := newSigner(t)
	other := newReplica(t, db, second, true)
	register(t, app, "alice")
	pair := signInFrom(t, app, "alice", "phone", "203.0.113.7")
	first := signer.InitialKey().ID
	var r session.KeyRotation
	for range 2 { // the second request returns the same key
		status, body := kittest.Do(t, app, kittest.Call{Do: "POST /keys/rotate"})
		if kid := kittest.Field[string](t, body, "kid"); status != 200 || kid == first || r.KeyID != "" && kid != r.KeyID {
			t.Fatalf("%d %s", status, body)
		}
		r.KeyID = kittest.Field[string](t, body, "kid")
	}
	kittest.Eventually(t, time.Second, func() error {
		for _, s := range []*auth.Signer{signer, second} {
			if ids := keyIDs(s.JWKS()); !slices.Equal(ids, []string{first, r.KeyID}) {
				return fmt.Errorf("published keys: %v", ids)
			}
		}
		return nil
	})
	_, soon := refresh(t, other, pair.RefreshToken)
	if !signedBy(soon.AccessToken, first) {
		t.Error("the new key signs too early")
	}
	shift := func(by string) {
		t.Helper()
		if _, err := db.Exec(t.Context(), `update signing_keys set signs_from = signs_from - $1::interval`, by); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), `notify revocations`); err != nil {
			t.Fatal(err)
		}
	}
	shift("20 seconds")
	kittest.Eventually(t, time.Second, func() error {
		_, repeated := refresh(t, app, pair.RefreshToken) // a double submit after the rotation
		if repeated.RefreshToken != soon.RefreshToken || !signedBy(repeated.AccessToken, r.KeyID) {
			return fmt.Errorf("signed by another key, or another refresh token")
		}
		return nil
	})
	_, next := refresh(t, other, soon.RefreshToken)
	for name, token := range map[string]string{"of the old key": pair.AccessToken, "of the new key": next.AccessToken} {
		kittest.Eventually(t, time.Second, func() error { // when the feed has the new key
			status, body := kittest.Do(t, other, kittest.Call{Do: "GET /users/me", Header: bearer(token)})
			if status != 200 {
				return fmt.Errorf("a token %s: %d %s", name, status, body)
			}
			return nil
		})
	}
	shift("10 minutes")
	kittest.Eventually(t, time.Second, func() error {
		if ids := keyIDs(second.JWKS()); !slices.Equal(ids, []string{r.KeyID}) {
			return fmt.Errorf("published keys: %v", ids)
		}
		if status, _ := kittest.Do(t, other, kittest.Call{Do: "GET /users/me", Header: bearer(pair.AccessToken)}); status != 401 {
			return fmt.Errorf("a token of a removed key: %d", status)
		}
		return nil
	})
}

func signedBy(token, kid string) bool {
	header, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	return err == nil && strings.Contains(string(text), `"`+kid+`"`)
}

func TestOpenIDConfiguration(t *testing.T) {
	app, _ := newApp(t, true)
	kittest.Run(t, app, nil, []kittest.Call{{Name: "discovery", Do: "GET /.well-known/openid-configuration", Want: 200,
		Has: []string{`"issuer":"https://shop.example.com"`, `"jwks_uri":"https://shop.example.com/.well-known/jwks.json"`, `"EdDSA"`}}})
}

func TestPrune(t *testing.T) {
	s, db, _, users := newService(t)
	if _, err := s.SignIn(t.Context(), session.Credentials{Username: "alice", Password: password}, audit.Origin{UserAgent: "another"}); err != nil {
		t.Fatal(err)
	}
	if err := openEnd(t, db, users[1])(); err != nil {
		t.Fatal(err)
	}
	count := func() (tokens, sessions, devices int) {
		t.Helper()
		if err := s.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := db.QueryRow(t.Context(), `
			select (select count(*) from refresh_tokens), (select count(*) from sessions), (select count(*) from devices)`).Scan(&tokens, &sessions, &devices)
		if err != nil {
			t.Fatal(err)
		}
		return tokens, sessions, devices
	}
	if tokens, sessions, devices := count(); tokens != 4 || sessions != 4 || devices != 4 {
		t.Errorf("nothing has expired: %d tokens, %d sessions, %d devices", tokens, sessions, devices)
	}
	for _, sql := range []string{
		`update refresh_tokens set expires_at = now() - interval '1 second' where session_id in (select id from sessions where ended_at is not null or user_agent = 'another')`,
		`update sessions set seen_at = now() - interval '1 hour' where user_agent = 'another'`,
		`update devices set seen_at = now() - interval '400 days' where account_id = (select id from accounts where username = 'carol')`,
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if tokens, sessions, devices := count(); tokens != 2 || sessions != 3 || devices != 3 {
		t.Errorf("%d tokens, %d sessions (with one that has just ended), %d devices", tokens, sessions, devices)
	}
}
