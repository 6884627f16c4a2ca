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
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/session"
	"sidecart/kit/auth"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// newService is a service without a web around it, with three accounts that are signed in once each.
func newService(t *testing.T, lives session.Lifetimes) (*session.Service, *pgxpool.Pool, *auth.Signer, []shop.UserID) {
	t.Helper()
	db := kittest.DB(t, migrations...)
	signer := newSigner(t)
	accounts := newAccounts(db, false)
	s := session.NewService(event.NewOutbox(db), accounts, signer, lives)
	if err := s.LoadKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all []shop.UserID
	for _, name := range []string{"alice", "bob", "carol"} {
		a, err := accounts.Register(t.Context(), account.Registration{Username: name, Email: name + "@example.com", Password: password}, audit.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.SignIn(t.Context(), session.Credentials{Username: name, Password: password}, session.Device{}); err != nil {
			t.Fatal(err)
		}
		all = append(all, a.ID)
	}
	return s, db, signer, all
}

var short = session.Lifetimes{Access: time.Minute, Refresh: time.Hour}

func sessionOf(t *testing.T, db *pgxpool.Pool, user shop.UserID) (id uuid.UUID) {
	t.Helper()
	if err := db.QueryRow(t.Context(), `select id from sessions where account_id = $1`, user).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func ask(t *testing.T, s *session.Service, cursor string) (told auth.Update, took time.Duration) {
	t.Helper()
	began := time.Now()
	told, err := s.Revocations(t.Context(), cursor)
	if err != nil {
		t.Fatal(err)
	}
	return told, time.Since(began)
}

// Transactions do not commit in the order in which they began. Whoever follows hears of each all the same.
func TestNoEndIsMissed(t *testing.T) {
	s, db, _, users := newService(t, short)
	start, _ := ask(t, s, "")
	if len(start.Ended) != 0 || len(start.Keys) != 1 || start.TTLSeconds < 60 {
		t.Fatalf("%+v", start)
	}
	slow := insert(t, db, users[0])
	if err := insert(t, db, users[1])(); err != nil {
		t.Fatal(err)
	}
	first, _ := ask(t, s, start.Cursor)
	if !slices.Equal(first.Ended, []uuid.UUID{sessionOf(t, db, users[1])}) {
		t.Fatalf("%v", first.Ended)
	}
	if again, took := ask(t, s, first.Cursor); took < time.Second/2 {
		t.Errorf("there is nothing new, and it answers after %s: %v", took, again.Ended)
	}
	if err := slow(); err != nil {
		t.Fatal(err)
	}
	second, _ := ask(t, s, first.Cursor)
	if !slices.Contains(second.Ended, sessionOf(t, db, users[0])) {
		t.Errorf("the slow one was missed: %v", second.Ended)
	}
	if all, _ := ask(t, s, ""); len(all.Ended) != 2 {
		t.Errorf("whoever starts now learns %v", all.Ended)
	}
	for _, cursor := range []string{"x", "-1.x.y", "999999999999.x.y", "9e9"} {
		if all, _ := ask(t, s, cursor); len(all.Ended) != 2 {
			t.Errorf("with the cursor %q, which is none of ours: %v", cursor, all.Ended)
		}
	}
}

func TestWhoWaitsIsToldAtOnce(t *testing.T) {
	s, db, _, users := newService(t, short)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = s.Watch(ctx) }) // until stop
	t.Cleanup(func() { stop(); watching.Wait() })
	at, _ := ask(t, s, "")
	for range 2 { // the first news is that it listens, or the second question would not be waited for
		at, _ = ask(t, s, at.Cursor)
	}
	waiting := make(chan auth.Update, 1)
	go func() {
		told, err := s.Revocations(context.Background(), at.Cursor)
		if err != nil {
			t.Error(err)
		}
		waiting <- told
	}()
	if err := insert(t, db, users[2])(); err != nil {
		t.Fatal(err)
	}
	select {
	case told := <-waiting:
		if !slices.Equal(told.Ended, []uuid.UUID{sessionOf(t, db, users[2])}) {
			t.Errorf("%v", told.Ended)
		}
	case <-time.After(5 * time.Second):
		t.Error("nothing was told")
	}
}

func TestOnlyEndsThatMatterAreTold(t *testing.T) {
	s, db, _, users := newService(t, short)
	if err := insert(t, db, users[0])(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `update sessions set ended_at = ended_at - interval '3 minutes' where ended_at is not null`); err != nil {
		t.Fatal(err)
	}
	if told, _ := ask(t, s, ""); len(told.Ended) != 0 {
		t.Errorf("no token of it can live: %v", told.Ended)
	}
}

func keyIDs(set auth.JWKS) (ids []string) {
	for _, k := range set.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}

// A new key is published before it signs, everywhere; sessions go on; and the old key is withdrawn once its tokens are dead.
func TestRotation(t *testing.T) {
	app, db, signer := newAppAndSigner(t, true)
	second := newSignerLike(t, signer)
	other := newReplica(t, db, second, true)
	register(t, app, "alice")
	pair := from(t, app, "alice", "phone", "203.0.113.7")
	first := signer.InitialKey().ID
	var r session.KeyRotation
	for range 2 { // asked again it is the same
		status, body := kittest.Do(t, app, kittest.Call{Do: "POST /keys/rotate"})
		if kid := kittest.Field[string](t, body, "kid"); status != 200 || kid == first || r.KeyID != "" && kid != r.KeyID {
			t.Fatalf("%d %s", status, body)
		}
		r.KeyID = kittest.Field[string](t, body, "kid")
	}
	kittest.Eventually(t, time.Second, func() error {
		for _, s := range []*auth.Signer{signer, second} {
			if ids := keyIDs(s.JWKS()); !slices.Equal(ids, []string{first, r.KeyID}) {
				return fmt.Errorf("published are %v", ids)
			}
		}
		return nil
	})
	_, soon := refresh(t, other, pair.RefreshToken)
	if !signedBy(soon.AccessToken, first) {
		t.Error("the new key signs before everybody can know it")
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
		_, twin := refresh(t, app, pair.RefreshToken) // a double submit, on the other side of the rotation
		if twin.RefreshToken != soon.RefreshToken || !signedBy(twin.AccessToken, r.KeyID) {
			return fmt.Errorf("signed by another key, or another successor")
		}
		return nil
	})
	_, next := refresh(t, other, soon.RefreshToken)
	for name, token := range map[string]string{"of the old key": pair.AccessToken, "of the new": next.AccessToken} {
		if status, body := kittest.Do(t, other, kittest.Call{Do: "GET /users/me", Header: bearer(token)}); status != 200 {
			t.Errorf("a token %s: %d %s", name, status, body)
		}
	}
	shift("10 minutes")
	kittest.Eventually(t, time.Second, func() error {
		if ids := keyIDs(second.JWKS()); !slices.Equal(ids, []string{r.KeyID}) {
			return fmt.Errorf("published are %v", ids)
		}
		if status, _ := kittest.Do(t, other, kittest.Call{Do: "GET /users/me", Header: bearer(pair.AccessToken)}); status != 401 {
			return fmt.Errorf("a token of a withdrawn key: %d", status)
		}
		return nil
	})
}

func signedBy(token, kid string) bool {
	header, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	return err == nil && strings.Contains(string(text), `"`+kid+`"`)
}

func TestDiscovery(t *testing.T) {
	app, _ := newApp(t, true)
	kittest.Run(t, app, nil, []kittest.Call{{Name: "discovery", Do: "GET /.well-known/openid-configuration", Want: 200,
		Has: []string{`"issuer":"https://shop.example.com"`, `"jwks_uri":"https://shop.example.com/.well-known/jwks.json"`, `"EdDSA"`}}})
}

func TestPrune(t *testing.T) {
	s, db, _, users := newService(t, short)
	if _, err := s.SignIn(t.Context(), session.Credentials{Username: "alice", Password: password}, session.Device{UserAgent: "another"}); err != nil {
		t.Fatal(err)
	}
	if err := insert(t, db, users[1])(); err != nil {
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
		t.Errorf("nothing is over: %d tokens, %d sessions, %d devices", tokens, sessions, devices)
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
		t.Errorf("%d tokens, %d sessions (one that ended just now is still to be refused), %d devices", tokens, sessions, devices)
	}
}
