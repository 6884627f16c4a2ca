package invariants_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/e2e"
	"sidecart/tests/platform"
)

// freeItems: orders of items that cost nothing are paid, refunded and cancelled like all others.
func freeItems(t *testing.T) {
	paid, free := product(t, "FREE-A", 10), product(t, "FREE-B", 10)
	must(t, admin.Call(t.Context(), fmt.Sprintf("PATCH /api/v1/products/%d", free), client.Raw(`{"price":0}`), 200, nil))
	user := buyer(t)
	place := func(products ...int64) string {
		id, err := buy(t.Context(), user, items(products...))
		must(t, err)
		e2e.AwaitStatus(t, user, id, "paid")
		return "/api/v1/orders/" + id
	}
	mixed, gift, regretted := place(paid, free), place(free), place(free)
	for _, id := range []int64{paid, free} {
		body := client.Raw(fmt.Sprintf(`{"items":[{"product_id":%d,"quantity":1}]}`, id))
		must(t, admin.Call(t.Context(), "POST "+mixed+"/refund", body, 200, nil))
	}
	must(t, admin.Call(t.Context(), "POST "+gift+"/refund", client.Raw(`{"reason":"it was a gift"}`), 200, nil))
	must(t, user.Call(t.Context(), "POST "+regretted+"/cancel", nil, 200, nil))
	for path, want := range map[string]string{mixed: "refunded 19.99 2", gift: "refunded 0.00 1", regretted: "cancelled 0.00 1"} {
		platform.Eventually(t, 60*time.Second, func() error {
			var o struct {
				Status   string
				Refunded json.Number
				Refunds  []struct {
					SettledAt *string `json:"settled_at"`
				}
			}
			must(t, user.Call(t.Context(), "GET "+path, nil, 200, &o))
			settled := 0
			for _, r := range o.Refunds {
				if r.SettledAt != nil {
					settled++
				}
			}
			if got := fmt.Sprint(o.Status, " ", o.Refunded, " ", settled); got != want {
				return fmt.Errorf("%s: %s, want %s", path, got, want)
			}
			return nil
		})
	}
	holds(t, time.Minute)
}
