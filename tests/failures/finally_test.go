// Package failures_test stops, kills and freezes the platform's parts and shows that nothing is lost.
package failures_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

func healthy(t *testing.T) {
	state, err := running.State()
	must(t, err)
	for _, p := range state.Processes {
		text, err := os.ReadFile(p.Log)
		must(t, err)
		if at := strings.Index(string(text), "WARNING: DATA RACE"); at >= 0 {
			t.Errorf("%s:\n%.3000s", p.Name, text[at:])
		}
	}
	platform.Eventually(t, 30*time.Second, func() error {
		return anonymous.Call(t.Context(), "GET /health/services", nil, 200, nil)
	})
}

// ordersOfBuyer are the buyer's own orders: the buyer is an admin, whose list has all orders.
func ordersOfBuyer(t *testing.T) (all []purchase) {
	t.Helper()
	var me struct{ ID string }
	must(t, buyer.Call(t.Context(), "GET /api/v1/users/me", nil, 200, &me))
	for cursor := ""; ; {
		var page struct {
			Items      []purchase
			NextCursor *string `json:"next_cursor"`
		}
		must(t, buyer.Call(t.Context(), "GET /api/v1/orders?limit=100&user_id="+me.ID+cursor, nil, 200, &page))
		all = append(all, page.Items...)
		if page.NextCursor == nil {
			return all
		}
		cursor = "&cursor=" + *page.NextCursor
	}
}

type purchase struct {
	Status string
	Items  []struct{ Quantity int }
}

// addsUp: the quantities sold are those that left the stock. Reservations of crashed requests are released when they
// expire, and count as reserved until then.
func addsUp(t *testing.T) {
	sold := 0
	for _, order := range ordersOfBuyer(t) {
		if order.Status != "paid" {
			t.Errorf("an order is %s", order.Status)
		}
		sold += order.Items[0].Quantity
	}
	var level client.Level
	must(t, buyer.Call(t.Context(), "GET /api/v1/products/1/inventory", nil, 200, &level))
	if level.OnHand != 50+restocked-sold || level.Available != level.OnHand-level.Reserved {
		t.Errorf("%d sold of %d, and the stock is %+v", sold, 50+restocked, level)
	}
}
