package stock_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/products/internal/stock"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestLedgerConstraints changes the tables directly, as a bug or an administrator could.
func TestLedgerConstraints(t *testing.T) {
	db, _ := open(t, time.Hour, 10)
	for name, sql := range map[string]string{
		"a change without a reason":     `update stock set on_hand = on_hand + 1`,
		"a reason of an earlier change": `update stock set on_hand = on_hand + 1, reason = null`,
		"an entry without a change":     `insert into movements (product_id, delta, balance, reason) values (1, 5, 15, 'x')`,
		"a changed entry":               `update movements set delta = 3`,
		"a deleted entry":               `delete from movements`,
		"a truncated ledger":            `truncate movements`,
		"deleted stock":                 `delete from stock`,
		"more reserved than on hand":    `update stock set reserved = 11`,
		"negative stock":                `update stock set on_hand = -1, reason = 'x'`,
		"truncated stock":               `truncate stock`,
	} {
		if _, err := db.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	ledgerAddsUp(t, db)
	if _, err := db.Exec(t.Context(), `update stock set on_hand = on_hand - 3, reason = 'direct'`); err != nil {
		t.Fatal(err)
	}
	ledgerAddsUp(t, db) // a direct change writes the ledger too
	var balance int
	if err := db.QueryRow(t.Context(), `select balance from movements where reason = 'direct'`).Scan(&balance); err != nil || balance != 7 {
		t.Errorf("balance %d, %v", balance, err)
	}
}

// emitted counts the events by topic, and lists the users of stock.back.
func emitted(t testing.TB, db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}) (counts map[string]int, users []string) {
	t.Helper()
	rows, err := db.Query(t.Context(), `select topic, data from outbox order by seq`)
	if err != nil {
		t.Fatal(err)
	}
	counts = map[string]int{}
	var topic string
	var data []byte
	_, err = pgx.ForEachRow(rows, []any{&topic, &data}, func() error {
		counts[topic]++
		if topic != "stock.back" {
			return nil
		}
		var e shop.StockBack
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		if len(e.UserIDs) > 100 {
			t.Errorf("%d users in one event", len(e.UserIDs))
		}
		for _, u := range e.UserIDs {
			users = append(users, u.String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts, users
}

// TestEachCrossingIsEmittedOnce has 60 concurrent orders for the last 40 units, and then releases all of them.
func TestEachCrossingIsEmittedOnce(t *testing.T) {
	db, s := open(t, time.Hour, 40)
	if _, err := s.SetThreshold(t.Context(), 1, 10); err != nil {
		t.Fatal(err)
	}
	kittest.Emitted(t, db)
	orders := make([]shop.OrderID, 60)
	var race sync.WaitGroup
	for i := range orders {
		orders[i] = newOrder()
		race.Go(func() { _, _ = s.Reserve(context.Background(), orders[i], items(1, 1)) }) // 20 are refused
	}
	race.Wait()
	expect(t, s, 1, 40, 40)
	counts, _ := emitted(t, db)
	if counts["stock.low"] != 1 || counts["stock.out"] != 1 || counts["stock.back"] != 0 {
		t.Errorf("emitted %v", counts)
	}
	for _, order := range orders {
		race.Go(func() {
			if err := s.Release(context.Background(), order); err != nil {
				t.Error(err)
			}
		})
	}
	race.Wait()
	counts, _ = emitted(t, db)
	if counts["stock.low"] != 1 || counts["stock.out"] != 1 || counts["stock.back"] != 1 {
		t.Errorf("emitted %v", counts)
	}
}

// TestEachRequestIsNotifiedOnce requests notifications while products sell out and are restocked: each accepted request
// is in one event, and events have a bounded size.
func TestEachRequestIsNotifiedOnce(t *testing.T) {
	db, s := open(t, time.Hour, 0)
	kittest.Emitted(t, db)
	var mu sync.Mutex
	var accepted []string
	request := func(n int) {
		var race sync.WaitGroup
		for range n {
			race.Go(func() {
				user := shop.UserID{UUID: shop.NewID()}
				if err := s.NotifyWhenInStock(context.Background(), user, 1); err == nil {
					mu.Lock()
					accepted = append(accepted, user.String())
					mu.Unlock()
				}
			})
		}
		race.Wait()
	}
	request(250)
	var race sync.WaitGroup
	race.Go(func() { request(200) })
	race.Go(func() {
		for range 5 {
			for _, delta := range []int{1, -1} {
				if _, err := s.Adjust(context.Background(), shop.UserID{}, 1, stock.StockAdjustment{Delta: delta, Reason: "counted"}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	race.Wait()
	if _, err := s.Adjust(t.Context(), shop.UserID{}, 1, stock.StockAdjustment{Delta: 1, Reason: "counted"}); err != nil {
		t.Fatal(err)
	}
	_, users := emitted(t, db)
	slices.Sort(accepted)
	slices.Sort(users)
	if len(accepted) < 250 || !slices.Equal(accepted, users) {
		t.Errorf("%d requests were accepted and %d notified", len(accepted), len(users))
	}
}

// TestConcurrentAdjustAndReserve: adjustments and reservations together never exceed the stock.
func TestConcurrentAdjustAndReserve(t *testing.T) {
	db, s := open(t, time.Hour, 30, 30)
	var race sync.WaitGroup
	for range 40 {
		race.Go(func() { _, _ = s.Reserve(context.Background(), newOrder(), items(1, 1+rand.IntN(2), 2, 1)) })
		race.Go(func() {
			_, _ = s.Adjust(context.Background(), shop.UserID{}, 1+rand.Int64N(2), stock.StockAdjustment{Delta: rand.IntN(3) - 2, Reason: "counted"})
		})
	}
	race.Wait()
	ledgerAddsUp(t, db)
	for id := range int64(2) {
		if l, err := s.Level(t.Context(), id+1); err != nil || l.Available < 0 {
			t.Errorf("%+v, %v", l, err)
		}
	}
}

// BenchmarkFlashSale measures reservations of one product by 16 concurrent callers.
func BenchmarkFlashSale(b *testing.B) {
	_, s := open(b, time.Hour, 900_000_000)
	b.SetParallelism(8) // times two cores
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Reserve(context.Background(), newOrder(), items(1, 1)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reservations/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkReservations measures reservations of 100 products.
func BenchmarkReservations(b *testing.B) {
	quantities := make([]int, 100)
	for i := range quantities {
		quantities[i] = 1_000_000
	}
	_, s := open(b, time.Hour, quantities...)
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Reserve(context.Background(), newOrder(), items(1+rand.IntN(100), 1)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reservations/s")
	b.ReportMetric(0, "ns/op")
}
