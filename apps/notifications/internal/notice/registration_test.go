package notice

import (
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestLateRegistration makes the waiting deliveries of that user due, and of no other.
func TestLateRegistration(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	for _, user := range []shop.Caller{alice, bob} {
		kittest.Deliver(t, app, shop.NewID(), orderPlaced(user))
	}
	change(t, db, `update deliveries set due_at = now() + interval '5 minutes'`)
	kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: alice.ID, Username: "alice", Email: "alice@example.com"})
	for _, c := range []struct {
		caller  shop.Caller
		waiting bool
	}{{alice, false}, {bob, true}} {
		if got := plannedDeliveries(t, db, c.caller); len(got) != 1 || got[0].Waiting != c.waiting {
			t.Errorf("planned %v, want waiting: %t", got, c.waiting)
		}
	}
}
