package notice

import (
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestARegistrationHeardLate lets go what was heard before it, of that person alone.
func TestARegistrationHeardLate(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	for _, who := range []shop.Caller{alice, bob} {
		kittest.Deliver(t, app, shop.NewID(), orderPlaced(who))
	}
	change(t, db, `update deliveries set due_at = now() + interval '5 minutes'`)
	kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: alice.ID, Username: "alice", Email: "alice@example.com"})
	for _, c := range []struct {
		who  shop.Caller
		held bool
	}{{alice, false}, {bob, true}} {
		if got := plannedDeliveries(t, db, c.who); len(got) != 1 || got[0].Held != c.held {
			t.Errorf("planned %v, held should be %t", got, c.held)
		}
	}
}
