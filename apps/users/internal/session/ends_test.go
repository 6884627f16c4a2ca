package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/users/internal/session"
	"sidecart/kit/auth"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

const password = "SecurePassword123!"

// from is a sign-in with a user agent and an address.
func from(t *testing.T, app *web.App, name, agent, address string) session.TokenPair {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{Do: "POST /auth/login", Body: fmt.Sprintf(`{"username":%q,"password":%q}`, name, password),
		Header: map[string]string{"User-Agent": agent, "X-Forwarded-For": address}})
	if status != 200 {
		t.Fatalf("login: %d %s", status, body)
	}
	return session.TokenPair{AccessToken: kittest.Field[string](t, body, "access_token"), RefreshToken: kittest.Field[string](t, body, "refresh_token")}
}

func register(t *testing.T, app *web.App, names ...string) {
	t.Helper()
	for _, name := range names {
		body := strings.NewReplacer("testuser", name, "test@", name+"@").Replace(testuser)
		if status, answer := kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: body}); status != 201 {
			t.Fatalf("register: %d %s", status, answer)
		}
	}
}

func sessionsOf(t *testing.T, app *web.App, token string) []session.Session {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{Do: "GET /users/me/sessions", Header: bearer(token)})
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	return kittest.Field[[]session.Session](t, body, "items")
}

// soonRefused waits for the second that the news of an end may take.
func soonRefused(t *testing.T, app *web.App, token string) {
	t.Helper()
	kittest.Eventually(t, time.Second, func() error {
		status, body := kittest.Do(t, app, kittest.Call{Do: "GET /users/me", Header: bearer(token)})
		if status != http.StatusUnauthorized || !strings.Contains(string(body), `"session_ended"`) {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
}

func TestSessionsAreSeenAndEnded(t *testing.T) {
	app, db := newApp(t, true)
	register(t, app, "alice", "mallory")
	phone, laptop := from(t, app, "alice", "phone", "203.0.113.7"), from(t, app, "alice", "laptop", "203.0.113.8")
	third, mallory := from(t, app, "alice", "third", "203.0.113.9"), from(t, app, "mallory", "m", "198.51.100.1")
	seen := sessionsOf(t, app, laptop.AccessToken)
	if len(seen) != 3 || seen[1].Device != "laptop" || seen[1].Address != "203.0.113.8" || !seen[1].Current || seen[0].Current || seen[2].Current || seen[1].BegunAt.IsZero() || seen[1].LastSeen.IsZero() {
		t.Fatalf("%+v", seen)
	}
	kittest.Emitted(t, db)
	as := func(p session.TokenPair) map[string]string { return bearer(p.AccessToken) }
	revoked := []string{"sessions.revoked"}
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "without a token", Do: "GET /users/me/sessions", Want: 401},
		{Name: "another's session", Do: "DELETE /users/me/sessions/" + seen[2].ID.String(), Header: as(mallory), Want: 404, Has: []string{`"session_not_found"`}},
		{Name: "no session", Do: "DELETE /users/me/sessions/" + uuid.NewString(), Header: as(laptop), Want: 404},
		{Name: "one device", Do: "DELETE /users/me/sessions/" + seen[2].ID.String(), Header: as(laptop), Want: 204, Emits: revoked},
		{Name: "it is refused at once", Do: "GET /users/me", Header: as(phone), Want: 401, Has: []string{`"session_ended"`}},
		{Name: "and cannot refresh", Do: "POST /auth/refresh", Body: fmt.Sprintf(`{"refresh_token":%q}`, phone.RefreshToken), Want: 401},
		{Name: "the same again", Do: "DELETE /users/me/sessions/" + seen[2].ID.String(), Header: as(laptop), Want: 404},
		{Name: "keep what", Do: "DELETE /users/me/sessions?keep=phone", Header: as(laptop), Want: 422},
		{Name: "all others", Do: "DELETE /users/me/sessions?keep=current", Header: as(laptop), Want: 204, Emits: revoked},
		{Name: "the third is one", Do: "GET /users/me", Header: as(third), Want: 401},
		{Name: "this one is not", Do: "GET /users/me", Header: as(laptop), Want: 200},
		{Name: "there are no others", Do: "DELETE /users/me/sessions?keep=current", Header: as(laptop), Want: 204},
		{Name: "sign out", Do: "POST /auth/logout", Header: as(laptop), Want: 204, Emits: revoked},
		{Name: "and out", Do: "POST /auth/logout", Header: as(laptop), Want: 401, Has: []string{`"session_ended"`}},
		{Name: "no refresh after that", Do: "POST /auth/refresh", Body: fmt.Sprintf(`{"refresh_token":%q}`, laptop.RefreshToken), Want: 401},
		{Name: "nobody else was signed out", Do: "GET /users/me", Header: as(mallory), Want: 200},
		{Name: "everywhere", Do: "DELETE /users/me/sessions", Header: as(mallory), Want: 204, Emits: revoked},
		{Name: "that is here, too", Do: "GET /users/me", Header: as(mallory), Want: 401},
	})
	if done := audited(t, db); !slices.Equal(done, []string{"session.ended", "session.ended", "session.ended", "session.signed_out", "session.ended"}) {
		t.Errorf("the audit has %v", done)
	}
}

// audited is what was done to sessions, in order.
func audited(t *testing.T, db *pgxpool.Pool) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), `
		select action from audit.entries where action in ('session.ended', 'session.signed_out', 'session.token_reused') order by seq`)
	if err != nil {
		t.Fatal(err)
	}
	done, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// Two replicas of users on one database: what ends at one is refused at the other within a second, and by one that starts later
// from its first answer on.
func TestEveryReplicaKnowsOfAnEnd(t *testing.T) {
	app, db, signer := newAppAndSigner(t, true)
	other := newReplica(t, db, signer, true)
	register(t, app, "alice")
	pair := from(t, app, "alice", "phone", "203.0.113.7")
	if status, _ := kittest.Do(t, other, kittest.Call{Do: "GET /users/me", Header: bearer(pair.AccessToken)}); status != 200 {
		t.Fatalf("a good token at the other replica: %d", status)
	}
	if status, body := kittest.Do(t, app, kittest.Call{Do: "POST /auth/logout", Header: bearer(pair.AccessToken)}); status != 204 {
		t.Fatalf("%d %s", status, body)
	}
	soonRefused(t, other, pair.AccessToken)
	later := newReplica(t, db, signer, true)
	if status, _ := kittest.Do(t, later, kittest.Call{Do: "GET /users/me", Header: bearer(pair.AccessToken)}); status != 401 {
		t.Errorf("a replica that started later: %d", status)
	}
}

func TestTheftEndsTheSession(t *testing.T) {
	app, db := newApp(t, true)
	register(t, app, "alice")
	stolen := from(t, app, "alice", "phone", "203.0.113.7")
	_, current := refresh(t, app, stolen.RefreshToken)
	if _, err := db.Exec(t.Context(), `update refresh_tokens set used_at = used_at - interval '11 seconds' where used_at is not null`); err != nil {
		t.Fatal(err)
	}
	kittest.Emitted(t, db)
	var thieves sync.WaitGroup
	for range 6 {
		thieves.Go(func() {
			if status, _ := refresh(t, app, stolen.RefreshToken); status != 401 {
				t.Errorf("a dead token: %d", status)
			}
		})
	}
	thieves.Wait()
	if told := kittest.Emitted(t, db); !slices.Equal(told, []string{"sessions.revoked"}) {
		t.Errorf("told %v", told)
	}
	if done := audited(t, db); !slices.Equal(done, []string{"session.token_reused"}) {
		t.Errorf("the audit has %v", done)
	}
	soonRefused(t, app, current.AccessToken)
	soonRefused(t, app, stolen.AccessToken)
}

func TestRefreshAtOnceAtTwoReplicas(t *testing.T) {
	app, db, signer := newAppAndSigner(t, true)
	replicas := []*web.App{app, newReplica(t, db, signer, true)}
	register(t, app, "alice")
	pair := from(t, app, "alice", "phone", "203.0.113.7")
	for range 3 {
		next := make(chan session.TokenPair, 8)
		var tabs sync.WaitGroup
		for i := range cap(next) {
			tabs.Go(func() {
				_, p := refresh(t, replicas[i%2], pair.RefreshToken)
				next <- p
			})
		}
		tabs.Wait()
		close(next)
		before := pair.RefreshToken
		pair = <-next
		for p := range next {
			if p.RefreshToken != pair.RefreshToken || p.RefreshToken == before || p.RefreshToken == "" {
				t.Fatal("the tabs hold different pairs")
			}
		}
	}
	var alive int
	if err := db.QueryRow(t.Context(), `select count(*) from refresh_tokens where used_at is null`).Scan(&alive); err != nil || alive != 1 {
		t.Errorf("%d tokens are alive, %v", alive, err)
	}
}

func TestNewDevices(t *testing.T) {
	app, db := newApp(t, true)
	register(t, app, "alice", "bob")
	kittest.Emitted(t, db)
	for _, c := range []struct {
		name, user, agent, address string
		told                       bool
	}{
		{"the first of all", "alice", "phone", "203.0.113.7", false},
		{"the same", "alice", "phone", "203.0.113.7", false},
		{"the same network", "alice", "phone", "203.0.113.200", false},
		{"another network", "alice", "phone", "198.51.100.7", true},
		{"and again", "alice", "phone", "198.51.100.7", false},
		{"another device", "alice", "laptop", "203.0.113.7", true},
		{"somebody else's first", "bob", "laptop", "192.0.2.1", false},
		{"a network of the newer kind", "bob", "laptop", "2001:db8:1:2::3", true},
		{"the same household", "bob", "laptop", "2001:db8:1:ffff::4", false},
		{"not an address", "bob", "laptop", "unknown", true},
	} {
		from(t, app, c.user, c.agent, c.address)
		if told := kittest.Emitted(t, db); slices.Contains(told, "users.new_device") != c.told || len(told) > 1 {
			t.Errorf("%s: told %v", c.name, told)
		}
	}
}

// A password is checked, then all sessions are ended because it was stolen, then the session of the one who had it begins: it must
// not.
func TestNoSessionBeginsBehindAnEnd(t *testing.T) {
	app, db := newApp(t, true)
	register(t, app, "alice")
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `update accounts set updated_at = now() where username = 'alice'`); err != nil {
		t.Fatal(err)
	}
	answer := make(chan int, 1)
	go func() {
		status, _ := kittest.Do(t, app, kittest.Call{Do: "POST /auth/login", Body: fmt.Sprintf(`{"username":"alice","password":%q}`, password)})
		answer <- status
	}()
	waits := func() error {
		var n int
		err := db.QueryRow(t.Context(), `select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`).Scan(&n)
		if err == nil && n == 0 {
			err = errors.New("the sign-in does not wait for the change")
		}
		return err
	}
	kittest.Eventually(t, 5*time.Second, waits)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := <-answer; status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
	var begun int
	if err := db.QueryRow(t.Context(), `select count(*) from sessions`).Scan(&begun); err != nil || begun != 0 {
		t.Errorf("%d sessions began, %v", begun, err)
	}
	from(t, app, "alice", "phone", "203.0.113.7")
}

func TestErasedSessionsTellNothing(t *testing.T) {
	app, db := newApp(t, true)
	register(t, app, "alice")
	pair := from(t, app, "alice", "phone", "203.0.113.7")
	id := kittest.Field[string](t, func() []byte {
		_, body := kittest.Do(t, app, kittest.Call{Do: "GET /users/me", Header: bearer(pair.AccessToken)})
		return body
	}(), "id")
	user, err := shop.ParseUserID(id)
	if err != nil {
		t.Fatal(err)
	}
	err = event.NewOutbox(db).Tx(t.Context(), func(tx event.TX) error { return session.Erase(t.Context(), tx, user, "erased") })
	if err != nil {
		t.Fatal(err)
	}
	soonRefused(t, app, pair.AccessToken)
	var traces int
	err = db.QueryRow(t.Context(), `select (select count(*) from devices) + (select count(*) from sessions where user_agent <> '' or address <> '')`).Scan(&traces)
	if err != nil || traces != 0 {
		t.Errorf("%d traces are left, %v", traces, err)
	}
}

// newAppAndSigner is newApp with what a second replica needs.
func newAppAndSigner(t *testing.T, firstIsAdmin bool) (*web.App, *pgxpool.Pool, *auth.Signer) {
	t.Helper()
	db := kittest.DB(t, migrations...)
	signer := newSigner(t)
	return newReplica(t, db, signer, firstIsAdmin), db, signer
}

// insert opens a transaction that ends all sessions of a user, and returns what commits it.
func insert(t *testing.T, db *pgxpool.Pool, user shop.UserID) (commit func() error) {
	t.Helper()
	ended, commits, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- event.NewOutbox(db).Tx(context.Background(), func(tx event.TX) error {
			if err := session.End(context.Background(), tx, user, uuid.Nil, "test"); err != nil {
				return err
			}
			close(ended)
			<-commits
			return nil
		})
	}()
	finish := sync.OnceValue(func() error { close(commits); return <-over })
	t.Cleanup(func() { _ = finish() })
	select {
	case <-ended:
	case err := <-over:
		t.Fatal(err)
	}
	return finish
}
