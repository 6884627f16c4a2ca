package invariants_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sidecart/tests/client"
)

// flashSale: 500 buyers concurrently order one of 50 items; every fifth has it in the order twice. All 50 are sold,
// none more, and buyers without an item are not charged. Two replicas of products and of orders serve them.
func flashSale(t *testing.T) {
	const buyers, stock = 500, 50
	id := product(t, "FLASH", stock)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var mu sync.Mutex
	var rush sync.WaitGroup
	sold, refused, failed := 0, 0, []error{}
	one := func(user client.Client, body client.Raw, quantity int) {
		order, err := buy(ctx, user, body)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			failed = append(failed, err)
		case order == "":
			refused++
		default:
			sold += quantity
		}
	}
	began := time.Now()
	for n := range buyers {
		user, body, quantity := buyer(t), items(id), 1
		if n%5 == 0 {
			body, quantity = items(id, id), 2
		}
		rush.Go(func() { one(user, body, quantity) })
	}
	rush.Wait()
	took := time.Since(began)
	one(buyer(t), items(id), 1) // one item may be left that only orders for two wanted
	t.Logf("%d buyers in %.1fs (%.0f responses/s): %d items sold, %d orders refused",
		buyers, took.Seconds(), buyers/took.Seconds(), sold, refused)
	if sold != stock || len(failed) > 0 {
		t.Errorf("%d of %d items were sold; %d buyers have no response: %v", sold, stock, len(failed),
			errors.Join(failed[:min(3, len(failed))]...))
	}
	holds(t, 2*time.Minute)
	var level client.Level
	must(t, admin.Call(t.Context(), fmt.Sprintf("GET /api/v1/products/%d/inventory", id), nil, 200, &level))
	if level != (client.Level{}) {
		t.Errorf("remaining stock: %+v", level)
	}
	for _, replica := range []string{"products", "products-2", "orders", "orders-2"} {
		res, err := client.Client{Base: running.Address(replica)}.Do(t.Context(), "GET /metrics", nil)
		must(t, err)
		route := `http_route="/orders"`
		if strings.HasPrefix(replica, "products") {
			route = `http_route="/reservations/:order_id"`
		}
		if !strings.Contains(string(res.Body), route) {
			t.Errorf("%s served no request", replica)
		}
	}
}
