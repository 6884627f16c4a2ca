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

// flashSale: 500 buyers want one of 50 pieces at once; every fifth has it in the cart twice. All 50 are sold, none more, and
// whoever got nothing pays nothing. Two replicas of products and of orders serve them.
func flashSale(t *testing.T) {
	const buyers, pieces = 500, 50
	id := product(t, "FLASH", pieces)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var mu sync.Mutex
	var rush sync.WaitGroup
	sold, refused, failed := 0, 0, []error{}
	one := func(who client.Client, body client.Raw, quantity int) {
		order, err := buy(ctx, who, body)
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
		who, body, quantity := buyer(t), items(id), 1
		if n%5 == 0 {
			body, quantity = items(id, id), 2
		}
		rush.Go(func() { one(who, body, quantity) })
	}
	rush.Wait()
	took := time.Since(began)
	one(buyer(t), items(id), 1) // the last piece may be one that only people who want two were left to ask for
	t.Logf("%d buyers in %.1fs (%.0f answers/s): %d pieces sold, %d buyers refused", buyers, took.Seconds(), buyers/took.Seconds(), sold, refused)
	if sold != pieces || len(failed) > 0 {
		t.Errorf("%d of %d pieces were sold; %d buyers have no answer: %v", sold, pieces, len(failed), errors.Join(failed[:min(3, len(failed))]...))
	}
	holds(t, 2*time.Minute)
	var level client.Level
	must(t, admin.Call(t.Context(), fmt.Sprintf("GET /api/v1/products/%d/inventory", id), nil, 200, &level))
	if level != (client.Level{}) {
		t.Errorf("left: %+v", level)
	}
	for _, replica := range []string{"products", "products-2", "orders", "orders-2"} {
		a, err := client.Client{Base: running.Address(replica)}.Do(t.Context(), "GET /metrics", nil)
		must(t, err)
		route := map[bool]string{true: `http_route="/reservations/:order_id"`, false: `http_route="/orders"`}[strings.HasPrefix(replica, "products")]
		if !strings.Contains(string(a.Body), route) {
			t.Errorf("%s had no part in it", replica)
		}
	}
}
