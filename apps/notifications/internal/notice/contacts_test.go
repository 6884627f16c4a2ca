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

func isKnown(t *testing.T, db *pgxpool.Pool, user shop.UserID, email string, role shop.Role) {
	t.Helper()
	if got, err := contact.Get(t.Context(), db, user); err != nil || got.Email != email || got.Role != role {
		t.Errorf("%q %q %v, want %q %q", got.Email, got.Role, err, email, role)
	}
}

// TestTheNewestIsKnown: of two changes the later one holds, whichever is heard first, and whatever is replayed later. Each address
// that is no longer used is told of it, once.
func TestTheNewestIsKnown(t *testing.T) {
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
	hear := func(id uuid.UUID, e shop.Event) {
		t.Helper()
		if verdict := kittest.Deliver(t, app, id, e); verdict != "SUCCESS" {
			t.Fatalf("%s: %s", e.Topic(), verdict)
		}
	}
	hear(ids[2], profile("b@example.com", "c@example.com"))
	hear(ids[4], shop.RoleChanged{UserID: alice, Role: shop.User})
	isKnown(t, db, alice, "c@example.com", shop.User)
	hear(ids[1], profile("a@example.com", "b@example.com"))
	hear(ids[3], shop.RoleChanged{UserID: alice, Role: shop.Admin})
	hear(ids[0], shop.UserRegistered{UserID: alice, Username: "alice", Email: "a@example.com"})
	isKnown(t, db, alice, "c@example.com", shop.User)
	for range 2 { // delivered again
		hear(ids[1], profile("a@example.com", "b@example.com"))
		hear(ids[3], shop.RoleChanged{UserID: alice, Role: shop.Admin})
	}
	isKnown(t, db, alice, "c@example.com", shop.User)
	hear(ids[5], shop.RoleChanged{UserID: alice, Role: shop.Admin})
	isKnown(t, db, alice, "c@example.com", shop.Admin)
	hear(ids[6], profile("c@example.com", "d@example.com"))
	isKnown(t, db, alice, "d@example.com", shop.Admin)

	rows, err := db.Query(t.Context(), `select address from deliveries where kind = 'users.profile_changed' order by address`)
	var told []string
	if err == nil {
		told, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if want := []string{"a@example.com", "b@example.com", "c@example.com"}; err != nil || !slices.Equal(told, want) {
		t.Errorf("told %v, want %v; %v", told, want, err)
	}
}

// TestALetterFromBefore: a change that became a dead letter and is replayed days later says nothing against what came after it.
func TestALetterFromBefore(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice, old, later := kittest.NewCaller(shop.User).ID, shop.NewID(), shop.NewID()
	kittest.Run(t, app, nil, []kittest.Call{{Name: "dies", Do: "POST /events/dead", Want: 200, Body: fmt.Sprintf(
		`{"id":%q,"type":"users.profile_changed","data":{"user_id":%q,"username":"alice","email":"old@example.com","previous_email":"older@example.com"}}`, old, alice)}})
	kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: alice, Username: "alice", Email: "older@example.com"})
	kittest.Deliver(t, app, later, shop.ProfileChanged{UserID: alice, Username: "alice", Email: "new@example.com"})
	kittest.Run(t, app, nil, []kittest.Call{{Name: "replayed", Do: "POST /dead-letters/" + old.String() + "/replay", Want: 204}})
	isKnown(t, db, alice, "new@example.com", shop.User)
}

// TestContactsOfBefore: of whom was known before events were noted, the next change holds, and a late registration does not.
func TestContactsOfBefore(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User).ID
	if _, err := db.Exec(t.Context(), `insert into contacts (user_id, email, username) values ($1, 'old@example.com', 'alice')`, alice); err != nil {
		t.Fatal(err)
	}
	kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: alice, Username: "alice", Email: "older@example.com"})
	isKnown(t, db, alice, "old@example.com", shop.User)
	kittest.Deliver(t, app, shop.NewID(), shop.ProfileChanged{UserID: alice, Username: "alice", Email: "new@example.com"})
	kittest.Deliver(t, app, shop.NewID(), shop.RoleChanged{UserID: alice, Role: shop.Admin})
	isKnown(t, db, alice, "new@example.com", shop.Admin)
}

// TestLettersOfTheErased: what died before somebody was erased goes with them, and what dies later brings nobody back.
func TestLettersOfTheErased(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	die := func(id uuid.UUID, who shop.Caller) {
		t.Helper()
		kittest.Run(t, app, nil, []kittest.Call{{Name: "dies", Do: "POST /events/dead", Want: 200, Body: fmt.Sprintf(
			`{"id":%q,"type":"users.registered","data":{"user_id":%q,"username":"somebody","email":"s@example.com","full_name":"S"}}`, id, who.ID)}})
	}
	before, later, his := shop.NewID(), shop.NewID(), shop.NewID()
	die(before, alice)
	die(his, bob)
	if verdict := kittest.Deliver(t, app, shop.NewID(), shop.UserErased{UserID: alice.ID}); verdict != "SUCCESS" {
		t.Fatal(verdict)
	}
	die(later, alice)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "gone with her", Do: "POST /dead-letters/" + before.String() + "/replay", Want: 404},
		{Name: "another's is heard", Do: "POST /dead-letters/" + his.String() + "/replay", Want: 204},
		{Name: "late, and nobody comes back", Do: "POST /dead-letters/" + later.String() + "/replay", Want: 204},
	})
	isKnown(t, db, bob.ID, "s@example.com", shop.User)
	if got, err := contact.Get(t.Context(), db, alice.ID); err != nil || got != (contact.Contact{UserID: alice.ID, Role: shop.User, Erased: true}) {
		t.Errorf("%+v %v", got, err)
	}
	if in := readInbox(t, app, alice, ""); len(in.Items) != 0 {
		t.Errorf("the inbox has %v", kinds(in))
	}
}
