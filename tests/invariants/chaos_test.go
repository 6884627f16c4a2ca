package invariants_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/invariants"
)

const (
	chaosProducts = 40
	chaosBuyers   = 24
)

// chaosOrders is CHAOS_ORDERS (make chaos: 3,000). It takes minutes, so `make test` skips it.
func chaosOrders(t *testing.T) int {
	t.Helper()
	text := os.Getenv("CHAOS_ORDERS")
	if text == "" {
		t.Skip("CHAOS_ORDERS is not set: it takes minutes, and `make chaos` runs it")
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// chaos places orders while a random process is killed every second or two. Every 201 is an order, and within two
// minutes after the last kill all invariants hold.
func chaos(t *testing.T) {
	running.LogsOnFailure(t, "orders", "orders-2", "orders-dapr", "orders-2-dapr", "scheduler")
	all := chaosOrders(t)
	var products []int64
	for n := range chaosProducts {
		products = append(products, product(t, fmt.Sprintf("CHAOS-%02d", n), 2000))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Duration(all)*200*time.Millisecond)
	defer cancel()
	killing, stop := context.WithCancel(ctx)
	kills := make(chan []string)
	go func() { kills <- kill(killing) }()

	began := time.Now()
	ids, failed := placeOrders(ctx, t, products, all)
	took := time.Since(began)
	stop()
	killed := <-kills
	if names := tally(killed); len(killed) == 0 {
		t.Error("no process was killed")
	} else if all >= 2000 { // long enough for every process
		state, err := running.State()
		must(t, err)
		for _, p := range state.Processes {
			if names[p.Name] == 0 {
				t.Errorf("%s was never killed", p.Name)
			}
		}
	}
	if len(failed) > 0 {
		t.Errorf("%d buyers had no response: %v", len(failed), errors.Join(failed[:min(3, len(failed))]...))
	}
	last := time.Now()
	results := holds(t, 2*time.Minute)
	t.Logf("%d orders placed in %.0fs (%.0f/s) while %d processes were killed (%v); %.0fs later all invariants held",
		len(ids), took.Seconds(), float64(len(ids))/took.Seconds(), len(killed), tally(killed), time.Since(last).Seconds())
	for _, f := range results {
		t.Logf("  %-75s %d checked", f.Rule, f.Checked)
	}
	everyResponseIsAnOrder(t, ids)
}

// placeOrders places orders for one to three products, which may be the same. Some earlier orders are cancelled,
// shipped or refunded.
func placeOrders(ctx context.Context, t *testing.T, products []int64, all int) (ids []string, failed []error) {
	t.Helper()
	orders := make(chan client.Raw)
	var mu sync.Mutex
	var buyers sync.WaitGroup
	for range chaosBuyers {
		user := buyer(t)
		buyers.Go(func() {
			var placed []string
			for body := range orders {
				id, err := buy(ctx, user, body)
				if err == nil && id == "" {
					err = errors.New("out of stock")
				}
				if err == nil {
					placed = append(placed, id)
				}
				if len(placed) > 20 {
					err = errors.Join(err, changeOrder(ctx, user, placed[len(placed)-20]))
				}
				mu.Lock()
				if id != "" {
					ids = append(ids, id)
				}
				if err != nil {
					failed = append(failed, fmt.Errorf("order %q: %w", id, err))
				}
				mu.Unlock()
			}
		})
	}
	for range all {
		basket := []int64{products[rand.N(len(products))], products[rand.N(len(products))], products[rand.N(len(products))]}
		body := items(basket[:1+rand.N(3)]...)
		if rand.N(10) == 0 {
			body = withToken(body, []string{"tok_declined", "tok_error", "tok_timeout"}[rand.N(3)])
		}
		orders <- body
	}
	close(orders)
	buyers.Wait()
	return ids, failed
}

// changeOrder mostly does nothing, or cancels, ships or refunds an order, which may be too early or too late.
func changeOrder(ctx context.Context, buyer client.Client, order string) error {
	path := "POST /api/v1/orders/" + order
	switch rand.N(10) {
	case 0:
		return insist(ctx, buyer, path+"/cancel", nil)
	case 1:
		return insist(ctx, admin, path+"/ship", map[string]string{"carrier": "UPS", "tracking_number": "1Z999"})
	case 2:
		return insist(ctx, admin, path+"/refund", map[string]any{})
	}
	return nil
}

// kill kills random processes until ctx ends: each once before any a second time. It returns their names.
func kill(ctx context.Context) (killed []string) {
	var next []string
	for {
		select {
		case <-ctx.Done():
			return killed
		case <-time.After(time.Second + rand.N(time.Second)):
		}
		state, err := running.State()
		if err != nil {
			continue
		}
		if len(next) == 0 {
			for _, n := range rand.Perm(len(state.Processes)) {
				next = append(next, state.Processes[n].Name)
			}
		}
		if pid := running.Process(next[0]).PID; pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed = append(killed, next[0])
			next = next[1:]
		}
	}
}

func tally(names []string) map[string]int {
	times := map[string]int{}
	for _, n := range names {
		times[n]++
	}
	return times
}

// everyResponseIsAnOrder: each 201 is an order, and no retry created a second one.
func everyResponseIsAnOrder(t *testing.T, ids []string) {
	t.Helper()
	d, err := invariants.Open(t.Context(), running.Secret)
	must(t, err)
	defer d.Close() //nolint:errcheck // only read
	var found int
	must(t, d.Of("orders").QueryRow(t.Context(), `
		select count(distinct o.id) from orders o, jsonb_array_elements(o.items) i where i->>'sku' like 'CHAOS-%'`).Scan(&found))
	slices.Sort(ids)
	if distinct := len(slices.Compact(slices.Clone(ids))); distinct != len(ids) || found != len(ids) {
		t.Errorf("%d responses, %d different orders in them, %d orders in the database", len(ids), distinct, found)
	}
}
