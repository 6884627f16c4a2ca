package notice

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func checkContact(t *testing.T, db *pgxpool.Pool, user shop.UserID, email string, role shop.Role) {
	t.Helper()
	if got, err := contact.Get(t.Context(), db, user); err != nil || got.Email != email || got.Role != role {
		t.Errorf("%q %q %v, want %q %q", got.Email, got.Role, err, email, role)
	}
}

// TestNewestContactWins: the later of two changes wins, in whatever order they are consumed and replayed. Each previous
// address is notified once.
func TestNewestContactWins(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User).ID
	profile := func(from, to string) shop.ProfileChanged {
		return shop.ProfileChanged{UserID: alice, Username: "alice", Email: to, PreviousEmail: from}
	}
	ids := make([]uuid.UUID, 7)
	for i := range ids {
		ids[i] = shop.NewID()
	}
	consume := func(id uuid.UUID, e shop.Event) {
		t.Helper()
		if verdict := kittest.Deliver(t, app, id, e); verdict != "SUCCESS" {
			t.Fatalf("%s: %s", e.Topic(), verdict)
		}
	}
	consume(ids[2], profile("b@example.com", "c@example.com"))
	consume(ids[4], shop.RoleChanged{UserID: alice, Role: shop.User})
	checkContact(t, db, alice, "c@example.com", shop.User)
	consume(ids[1], profile("a@example.com", "b@example.com"))
	consume(ids[3], shop.RoleChanged{UserID: alice, Role: shop.Admin})
	consume(ids[0], shop.UserRegistered{UserID: alice, Username: "alice", Email: "a@example.com"})
	checkContact(t, db, alice, "c@example.com", shop.User)
	for range 2 { // delivered again
		consume(ids[1], profile("a@example.com", "b@example.com"))
		consume(ids[3], shop.RoleChanged{UserID: alice, Role: shop.Admin})
	}
	checkContact(t, db, alice, "c@example.com", shop.User)
	consume(ids[5], shop.RoleChanged{UserID: alice, Role: shop.Admin})
	checkContact(t, db, alice, "c@example.com", shop.Admin)
	consume(ids[6], profile("c@example.com", "d@example.com"))
	checkContact(t, db, alice, "d@example.com", shop.Admin)

	rows, err := db.Query(t.Context(), `select address from deliveries where kind = 'users.profile_changed' order by address`)
	var notified []string
	if err == nil {
		notified, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if want := []string{"a@example.com", "b@example.com", "c@example.com"}; err != nil || !slices.Equal(notified, want) {
		t.Errorf("notified %v, want %v; %v", notified, want, err)
	}
}

// TestVerifiedAddresses: the address that was verified last counts, in whatever order the events are consumed.
func TestVerifiedAddresses(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User).ID
	ids := []uuid.UUID{shop.NewID(), shop.NewID(), shop.NewID(), shop.NewID()}
	for _, c := range []struct {
		id   uuid.UUID
		e    shop.Event
		want string
	}{
		{ids[1], shop.UserVerified{UserID: alice, Email: "b@example.com"}, "b@example.com"}, // before the registration
		{ids[0], shop.UserVerified{UserID: alice, Email: "a@example.com"}, "b@example.com"},
		{shop.NewID(), shop.UserRegistered{UserID: alice, Username: "alice", Email: "a@example.com"}, "b@example.com"},
		{ids[2], shop.UserVerified{UserID: alice}, "b@example.com"}, // of an earlier release
		{ids[3], shop.UserVerified{UserID: alice, Email: "d@example.com"}, "d@example.com"},
		{shop.NewID(), shop.UserErased{UserID: alice}, ""},
		{shop.NewID(), shop.UserVerified{UserID: alice, Email: "e@example.com"}, ""},
	} {
		if verdict := kittest.Deliver(t, app, c.id, c.e); verdict != "SUCCESS" {
			t.Fatalf("%s: %s", c.e.Topic(), verdict)
		}
		if got, err := contact.Get(t.Context(), db, alice); err != nil || got.Verified != c.want {
			t.Errorf("after %+v: %q, want %q, %v", c.e, got.Verified, c.want, err)
		}
	}
}

// TestReplayedDeadLetter: a change that is replayed days later does not overwrite later changes.
func TestReplayedDeadLetter(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice, old, later := kittest.NewCaller(shop.User).ID, shop.NewID(), shop.NewID()
	kittest.Run(t, app, nil, []kittest.Call{{Name: "dead letter", Do: "POST /events/dead", Want: 200, Body: fmt.Sprintf(
		`{"id":%q,"type":"users.profile_changed","data":{"user_id":%q,"username":"alice","email":"old@example.com","previous_email":"older@example.com"}}`, old, alice)}})
	kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: alice, Username: "alice", Email: "older@example.com"})
	kittest.Deliver(t, app, later, shop.ProfileChanged{UserID: alice, Username: "alice", Email: "new@example.com"})
	kittest.Run(t, app, nil, []kittest.Call{{Name: "replayed", Do: "POST /dead-letters/" + old.String() + "/replay", Want: 204}})
	checkContact(t, db, alice, "new@example.com", shop.User)
}

// TestContactWithoutEventIDs: a contact from before event ids were stored is updated by the next change, but not by a
// late registration.
func TestContactWithoutEventIDs(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User).ID
	if _, err := db.Exec(t.Context(), `insert into contacts (user_id, email, username) values ($1, 'old@example.com', 'alice')`, alice); err != nil {
		t.Fatal(err)
	}
	kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: alice, Username: "alice", Email: "older@example.com"})
	checkContact(t, db, alice, "old@example.com", shop.User)
	kittest.Deliver(t, app, shop.NewID(), shop.ProfileChanged{UserID: alice, Username: "alice", Email: "new@example.com"})
	kittest.Deliver(t, app, shop.NewID(), shop.RoleChanged{UserID: alice, Role: shop.Admin})
	checkContact(t, db, alice, "new@example.com", shop.Admin)
}

// TestDeadLettersOfErasedUsers: the erasure removes a user's dead letters, and later ones do not restore the contact.
func TestDeadLettersOfErasedUsers(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	addDeadLetter := func(id uuid.UUID, user shop.Caller) {
		t.Helper()
		kittest.Run(t, app, nil, []kittest.Call{{Name: "dead letter", Do: "POST /events/dead", Want: 200, Body: fmt.Sprintf(
			`{"id":%q,"type":"users.registered","data":{"user_id":%q,"username":"user","email":"s@example.com","full_name":"S"}}`, id, user.ID)}})
	}
	before, later, his := shop.NewID(), shop.NewID(), shop.NewID()
	addDeadLetter(before, alice)
	addDeadLetter(his, bob)
	if verdict := kittest.Deliver(t, app, shop.NewID(), shop.UserErased{UserID: alice.ID}); verdict != "SUCCESS" {
		t.Fatal(verdict)
	}
	addDeadLetter(later, alice)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "removed by the erasure", Do: "POST /dead-letters/" + before.String() + "/replay", Want: 404},
		{Name: "another user's is consumed", Do: "POST /dead-letters/" + his.String() + "/replay", Want: 204},
		{Name: "a late one restores nothing", Do: "POST /dead-letters/" + later.String() + "/replay", Want: 204},
	})
	checkContact(t, db, bob.ID, "s@example.com", shop.User)
	if got, err := contact.Get(t.Context(), db, alice.ID); err != nil || got != (contact.Contact{UserID: alice.ID, Role: shop.User, Erased: true}) {
		t.Errorf("%+v %v", got, err)
	}
	if in := readInbox(t, app, alice, ""); len(in.Items) != 0 {
		t.Errorf("the inbox has %v", kinds(in))
	}
}
