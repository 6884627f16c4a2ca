package notice

import (
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestOrderNotifications lists those about an order, which the orders service shows admins.
func TestOrderNotifications(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: alice.ID, Username: "alice", Email: "alice@example.com"})
	first, other := orderPlaced(alice), orderPlaced(alice)
	kittest.Deliver(t, app, shop.NewID(), first)
	kittest.Deliver(t, app, shop.NewID(), other)
	path := "GET /order-notifications/" + alice.ID.String() + "/" + first.OrderID.String()
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "inbox and e-mail", Do: path, Want: 200, HasNot: []string{other.OrderID.String(), "alice@example.com"}, Has: []string{
			`"kind":"orders.placed","channel":"email","state":"waiting","attempts":0`, `"kind":"orders.placed","channel":"in_app","state":"sent"`}},
		{Name: "another user's order", Do: "GET /order-notifications/" + bob.ID.String() + "/" + first.OrderID.String(), Want: 200, Has: []string{`{"items":[]}`}},
	})
	for _, sql := range []string{`update deliveries set state = 'sent', variables = '{}', attempts = 1, finished_at = now()`, `update notifications set read_at = now()`} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "sent and read", Do: path, Want: 200, Has: []string{`"channel":"email","state":"sent","attempts":1`, `"channel":"in_app","state":"read"`}},
	})
}
