package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/session"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestSessions(t *testing.T) {
	app, db := newApp(t, true)
	register(t, app, "alice", "mallory")
	phone, laptop := signInFrom(t, app, "alice", "phone", "203.0.113.7"), signInFrom(t, app, "alice", "laptop", "203.0.113.8")
	third, mallory := signInFrom(t, app, "alice", "third", "203.0.113.9"), signInFrom(t, app, "mallory", "m", "198.51.100.1")
	sessions := sessionsOf(t, app, laptop.AccessToken)
	if len(sessions) != 3 || sessions[0].Current || sessions[2].Current {
		t.Fatalf("%+v", sessions)
	}
	current := sessions[1]
	if current.Device != "laptop" || current.Address != "203.0.113.8" || !current.Current ||
		current.BegunAt.IsZero() || current.LastSeen.IsZero() {
		t.Fatalf("%+v", current)
	}
	kittest.Emitted(t, db)
	as := func(p session.TokenPair) map[string]string { return bearer(p.AccessToken) }
	revoked := []string{"sessions.revoked"}
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "without a token", Do: "GET /users/me/sessions", Want: 401},
		{Name: "another's session", Do: "DELETE /users/me/sessions/" + sessions[2].ID.String(), Header: as(mallory), Want: 404, Has: []string{`"session_not_found"`}},
		{Name: "an unknown session", Do: "DELETE /users/me/sessions/" + uuid.NewString(), Header: as(laptop), Want: 404},
		{Name: "one device", Do: "DELETE /users/me/sessions/" + sessions[2].ID.String(), Header: as(laptop), Want: 204, Emits: revoked},
		{Name: "its access token", Do: "GET /users/me", Header: as(phone), Want: 401, Has: []string{`"session_ended"`}},
		{Name: "its refresh token", Do: "POST /auth/refresh", Body: fmt.Sprintf(`{"refresh_token":%q}`, phone.RefreshToken), Want: 401},
		{Name: "end it again", Do: "DELETE /users/me/sessions/" + sessions[2].ID.String(), Header: as(laptop), Want: 404},
		{Name: "an unknown keep", Do: "DELETE /users/me/sessions?keep=phone", Header: as(laptop), Want: 422},
		{Name: "all others", Do: "DELETE /users/me/sessions?keep=current", Header: as(laptop), Want: 204, Emits: revoked},
		{Name: "another session", Do: "GET /users/me", Header: as(third), Want: 401},
		{Name: "the current session", Do: "GET /users/me", Header: as(laptop), Want: 200},
		{Name: "no other sessions", Do: "DELETE /users/me/sessions?keep=current", Header: as(laptop), Want: 204},
		{Name: "sign out", Do: "POST /auth/logout", Header: as(laptop), Want: 204, Emits: revoked},
		{Name: "sign out again", Do: "POST /auth/logout", Header: as(laptop), Want: 401, Has: []string{`"session_ended"`}},
		{Name: "refresh after signing out", Do: "POST /auth/refresh", Body: fmt.Sprintf(`{"refresh_token":%q}`, laptop.RefreshToken), Want: 401},
		{Name: "another user", Do: "GET /users/me", Header: as(mallory), Want: 200},
		{Name: "all sessions", Do: "DELETE /users/me/sessions", Header: as(mallory), Want: 204, Emits: revoked},
		{Name: "the current session is one of them", Do: "GET /users/me", Header: as(mallory), Want: 401},
	})
	want := []string{"session.ended", "session.ended", "session.ended", "session.signed_out", "session.ended"}
	if actions := audited(t, db); !slices.Equal(actions, want) {
		t.Errorf("audited %v", actions)
	}
}

// TestEveryReplicaRefusesAnEndedSession: the other replica within a second, one that starts later from its first
// response on.
func TestEveryReplicaRefusesAnEndedSession(t *testing.T) {
	app, db, signer := newAppAndSigner(t, true)
	other := newReplica(t, db, signer, true)
	register(t, app, "alice")
	pair := signInFrom(t, app, "alice", "phone", "203.0.113.7")
	if status, _ := kittest.Do(t, other, kittest.Call{Do: "GET /users/me", Header: bearer(pair.AccessToken)}); status != 200 {
		t.Fatalf("a valid token at the other replica: %d", status)
	}
	if status, body := kittest.Do(t, app, kittest.Call{Do: "POST /auth/logout", Header: bearer(pair.AccessToken)}); status != 204 {
		t.Fatalf("%d %s", status, body)
	}
	wantRefused(t, other, pair.AccessToken)
	later := newReplica(t, db, signer, true)
	if status, _ := kittest.Do(t, later, kittest.Call{Do: "GET /users/me", Header: bearer(pair.AccessToken)}); status != 401 {
		t.Errorf("a replica that started later: %d", status)
	}
}

func TestNewDevices(t *testing.T) {
	app, db := newApp(t, true)
	register(t, app, "alice", "bob")
	kittest.Emitted(t, db)
	for _, c := range []struct {
		name, user, agent, address string
		emits                      bool
	}{
		{"the first device", "alice", "phone", "203.0.113.7", false},
		{"the same", "alice", "phone", "203.0.113.7", false},
		{"the same network", "alice", "phone", "203.0.113.200", false},
		{"another network", "alice", "phone", "198.51.100.7", true},
		{"that network again", "alice", "phone", "198.51.100.7", false},
		{"another device", "alice", "laptop", "203.0.113.7", true},
		{"the first of another user", "bob", "laptop", "192.0.2.1", false},
		{"an IPv6 network", "bob", "laptop", "2001:db8:1:2::3", true},
		{"the same household", "bob", "laptop", "2001:db8:1:ffff::4", false},
		{"not an address", "bob", "laptop", "unknown", true},
	} {
		signInFrom(t, app, c.user, c.agent, c.address)
		if events := kittest.Emitted(t, db); slices.Contains(events, "users.new_device") != c.emits || len(events) > 1 {
			t.Errorf("%s: published %v", c.name, events)
		}
	}
}

// TestNoSessionStartsAfterAConcurrentChange: the account changes between the check of its password and the session.
func TestNoSessionStartsAfterAConcurrentChange(t *testing.T) {
	app, db := newApp(t, true)
	register(t, app, "alice")
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `update accounts set updated_at = now() where username = 'alice'`); err != nil {
		t.Fatal(err)
	}
	response := make(chan int, 1)
	go func() {
		status, _ := kittest.Do(t, app, kittest.Call{Do: "POST /auth/login", Body: fmt.Sprintf(`{"username":"alice","password":%q}`, password)})
		response <- status
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
	if status := <-response; status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
	var begun int
	if err := db.QueryRow(t.Context(), `select count(*) from sessions`).Scan(&begun); err != nil || begun != 0 {
		t.Errorf("%d sessions started, %v", begun, err)
	}
	signInFrom(t, app, "alice", "phone", "203.0.113.7")
}

func TestEraseDeletesAddressesAndDevices(t *testing.T) {
	app, db := newApp(t, true)
	register(t, app, "alice")
	pair := signInFrom(t, app, "alice", "phone", "203.0.113.7")
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
	wantRefused(t, app, pair.AccessToken)
	var traces int
	err = db.QueryRow(t.Context(), `select (select count(*) from devices) + (select count(*) from sessions where user_agent <> '' or address <> '')`).Scan(&traces)
	if err != nil || traces != 0 {
		t.Errorf("%d rows with personal data, %v", traces, err)
	}
}

func TestEnd(t *testing.T) {
	app, db := newApp(t, true)
	kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: testuser})
	here, there := login(t, app, "testuser", "SecurePassword123!"), login(t, app, "testuser", "SecurePassword123!")
	kittest.Emitted(t, db)
	_, me := kittest.Do(t, app, kittest.Call{Do: "GET /users/me", Header: bearer(here.AccessToken)})
	user, err := shop.ParseUserID(kittest.Field[string](t, me, "id"))
	if err != nil {
		t.Fatal(err)
	}
	var first uuid.UUID
	if err := db.QueryRow(t.Context(), `select id from sessions order by id limit 1`).Scan(&first); err != nil {
		t.Fatal(err)
	}
	end := func(except uuid.UUID) []string {
		t.Helper()
		err := event.NewOutbox(db).Tx(t.Context(), func(tx event.TX) error { return session.End(t.Context(), tx, user, except, "test") })
		if err != nil {
			t.Fatal(err)
		}
		return kittest.Emitted(t, db)
	}
	if events := end(first); len(events) != 1 || events[0] != "sessions.revoked" {
		t.Errorf("published %v", events)
	}
	if status, _ := refresh(t, app, there.RefreshToken); status != 401 {
		t.Errorf("an ended session: %d", status)
	}
	if status, _ := refresh(t, app, here.RefreshToken); status != 200 {
		t.Errorf("the session to keep: %d", status)
	}
	if events := end(uuid.Nil); len(events) != 1 {
		t.Errorf("published %v", events)
	}
	if events := end(uuid.Nil); len(events) != 0 {
		t.Errorf("nothing ended, published %v", events)
	}
}

func TestExport(t *testing.T) {
	s, db, _, users := newService(t)
	if _, err := s.SignIn(t.Context(), session.Credentials{Username: "alice", Password: password}, audit.Origin{}); err != nil {
		t.Fatal(err)
	}
	if err := openEnd(t, db, users[0])(); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[shop.UserID]int{users[0]: 2, users[1]: 1, {}: 0} {
		data, err := session.Export(t.Context(), db, user)
		if err != nil {
			t.Fatal(err)
		}
		var sessions []struct {
			ID        uuid.UUID
			BegunAt   time.Time  `json:"begun_at"`
			EndedAt   *time.Time `json:"ended_at"`
			EndReason *string    `json:"end_reason"`
		}
		if err := json.Unmarshal(data, &sessions); err != nil || len(sessions) != want {
			t.Errorf("%v: %s", err, data)
		}
		for _, x := range sessions {
			ended := x.EndedAt != nil && *x.EndReason == "test"
			if x.ID == uuid.Nil || x.BegunAt.IsZero() || ended != (user == users[0]) {
				t.Errorf("%s", data)
			}
		}
	}
}
