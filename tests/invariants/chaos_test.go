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

// chaosOrders is what CHAOS_ORDERS says (make chaos: 3,000). It takes minutes, so `make test` goes without.
func chaosOrders(t *testing.T) int {
	t.Helper()
	text := os.Getenv("CHAOS_ORDERS")
	if text == "" {
		t.Skip("make chaos")
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// chaos: people buy while anything dies at random, with kill -9, every second or two. Whoever got a 201 has an order; within two
// minutes after the last death everything adds up.
func chaos(t *testing.T) {
	running.LogsOnFailure(t, "orders", "orders-2", "orders-dapr", "orders-2-dapr", "scheduler")
	all := chaosOrders(t)
	var products []int64
	for n := range chaosProducts {
		products = append(products, product(t, fmt.Sprintf("CHAOS-%02d", n), 2000))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Duration(all)*200*time.Millisecond)
	defer cancel()
	quiet, calm := context.WithCancel(ctx)
	deaths := make(chan []string)
	go func() { deaths <- kill(quiet) }()

	began := time.Now()
	ids, failed := rush(ctx, t, products, all)
	took := time.Since(began)
	calm()
	died := <-deaths
	if names := tally(died); len(died) == 0 {
		t.Error("nobody died")
	} else if all >= 2000 { // long enough for everybody
		state, err := running.State()
		must(t, err)
		for _, p := range state.Processes {
			if names[p.Name] == 0 {
				t.Errorf("%s never died", p.Name)
			}
		}
	}
	if len(failed) > 0 {
		t.Errorf("%d buyers had no answer: %v", len(failed), errors.Join(failed[:min(3, len(failed))]...))
	}
	last := time.Now()
	findings := holds(t, 2*time.Minute)
	t.Logf("%d orders placed in %.0fs (%.0f/s) while %d processes died (%v); %.0fs later everything added up", len(ids), took.Seconds(),
		float64(len(ids))/took.Seconds(), len(died), tally(died), time.Since(last).Seconds())
	for _, f := range findings {
		t.Logf("  %-75s %d looked at", f.Rule, f.Checked)
	}
	everyAnswerIsAnOrder(t, ids)
}

// rush places orders for one to three products each, one of which may be in the basket twice. Of ten earlier orders one is cancelled,
// one sent and one given back, as far as it has come.
func rush(ctx context.Context, t *testing.T, products []int64, all int) (ids []string, failed []error) {
	t.Helper()
	orders := make(chan client.Raw)
	var mu sync.Mutex
	var buyers sync.WaitGroup
	for range chaosBuyers {
		who := buyer(t)
		buyers.Go(func() {
			var mine []string
			for body := range orders {
				id, err := buy(ctx, who, body)
				if err == nil && id == "" {
					err = errors.New("out of stock")
				}
				if err == nil {
					mine = append(mine, id)
				}
				if len(mine) > 20 {
					err = errors.Join(err, meddle(ctx, who, mine[len(mine)-20]))
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

// meddle does what people do to an order some time later, or mostly nothing. It may be too late for that, or too early.
func meddle(ctx context.Context, buyer client.Client, order string) error {
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

// kill ends a process at random, again and again, until ctx ends: nobody for the second time before everybody was it. It returns the
// names of the dead.
func kill(ctx context.Context) (died []string) {
	var next []string
	for {
		select {
		case <-ctx.Done():
			return died
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
			died = append(died, next[0])
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

// everyAnswerIsAnOrder: no 201 was a lie, and no try made a second order.
func everyAnswerIsAnOrder(t *testing.T, ids []string) {
	t.Helper()
	d, err := invariants.Open(t.Context(), running.Secret)
	must(t, err)
	defer d.Close() //nolint:errcheck // only read
	var found int
	must(t, d.Of("orders").QueryRow(t.Context(), `
		select count(distinct o.id) from orders o, jsonb_array_elements(o.items) i where i->>'sku' like 'CHAOS-%'`).Scan(&found))
	slices.Sort(ids)
	if distinct := len(slices.Compact(slices.Clone(ids))); distinct != len(ids) || found != len(ids) {
		t.Errorf("%d answers, %d different orders in them, %d orders in the database", len(ids), distinct, found)
	}
}
