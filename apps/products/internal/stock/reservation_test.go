package stock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sidecart/apps/products/internal/product"
	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestMixedCurrencies(t *testing.T) {
	db, s := open(t, time.Hour, 5, 5)
	price, order := shop.MustMoney("2.00"), newOrder()
	_, err := product.NewService(event.NewOutbox(db), "en", "USD").Create(t.Context(), product.NewProduct{
		Name: "Thing abroad", SKU: "T-3", Price: &price, Currency: "EUR", CategoryID: 1, InitialQuantity: 5})
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]stock.Item{items(1, 1, 3, 1), items(3, 1, 1, 1)} {
		if _, err := s.Reserve(t.Context(), order, list); !errors.Is(err, stock.ErrMixedCurrencies) {
			t.Errorf("%v", err)
		}
	}
	expect(t, s, 1, 5, 0)
	expect(t, s, 3, 5, 0)
	for _, list := range [][]stock.Item{items(3, 1), items(1, 1, 2, 1)} {
		if _, err := s.Reserve(t.Context(), newOrder(), list); err != nil {
			t.Error(err)
		}
	}
}

func TestRestockInParts(t *testing.T) {
	db, s := open(t, time.Hour, 10, 5)
	order := newOrder()
	if _, err := s.Reserve(t.Context(), order, items(1, 4, 2, 2)); err != nil {
		t.Fatal(err)
	}
	if err := s.Restock(t.Context(), order, items(1, 1)); !errors.Is(err, stock.ErrReleased) {
		t.Errorf("restock before the sale: %v", err)
	}
	if err := s.Commit(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	for _, back := range [][]stock.Item{items(1, 1), items(1, 1), items(1, 3, 2, 1), items(1, 2)} { // totals over all restocks
		if err := s.Restock(t.Context(), order, back); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, s, 1, 9, 0)
	expect(t, s, 2, 4, 0)
	if err := s.Restock(t.Context(), order, items(1, 400)); err != nil {
		t.Fatal(err)
	}
	expect(t, s, 1, 10, 0)
	for range 2 {
		if err := s.Release(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, s, 2, 5, 0)
	ledgerAddsUp(t, db)
}

func TestReleaseHeldKeepsSales(t *testing.T) {
	db, s := open(t, time.Hour, 10, 5)
	held, sold := newOrder(), newOrder()
	for _, order := range []shop.OrderID{held, sold} {
		if _, err := s.Reserve(t.Context(), order, items(1, 3)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(t.Context(), sold); err != nil {
		t.Fatal(err)
	}
	for _, order := range []shop.OrderID{held, sold, newOrder(), held} {
		if err := s.ReleaseHeld(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, s, 1, 7, 0)
	if err := s.Commit(t.Context(), held); !errors.Is(err, stock.ErrReleased) {
		t.Errorf("a released reservation is committed: %v", err)
	}
	ledgerAddsUp(t, db)
}

func TestReservationStates(t *testing.T) {
	db, s := open(t, time.Hour, 10, 5)
	order := newOrder()
	for range 3 { // repeated calls return the same
		r, err := s.Reserve(t.Context(), order, items(2, 1, 1, 4))
		if err != nil || len(r.Lines) != 2 || r.Lines[0].UnitPrice.String() != "1.00" || r.State != stock.StateHeld {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	expect(t, s, 1, 10, 4)
	for range 3 {
		if err := s.Commit(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, s, 1, 6, 0)
	expect(t, s, 2, 4, 0)
	for range 3 {
		if err := s.Release(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, s, 1, 10, 0)
	if err := s.Commit(t.Context(), order); !errors.Is(err, stock.ErrReleased) {
		t.Errorf("a returned reservation is committed again: %v", err)
	}
	ledgerAddsUp(t, db)
}

func TestAllLinesOrNone(t *testing.T) {
	db, s := open(t, time.Hour, 10, 1)
	order := newOrder()
	_, err := s.Reserve(t.Context(), order, items(1, 2, 2, 2))
	if !errors.Is(err, stock.ErrOutOfStock) {
		t.Fatal(err)
	}
	expect(t, s, 1, 10, 0)
	if _, err := s.Reserve(t.Context(), newOrder(), items(1, 1, 99, 1)); !errors.Is(err, stock.ErrUnknownProduct) {
		t.Error(err)
	}
	if _, err := s.Reserve(t.Context(), order, items(1, 2)); err != nil {
		t.Errorf("an order that was refused tries again: %v", err)
	}
	ledgerAddsUp(t, db)
}

func TestReleaseRefusesALateReservation(t *testing.T) {
	_, s := open(t, time.Hour, 10)
	order := newOrder()
	if err := s.Release(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reserve(t.Context(), order, items(1, 1)); !errors.Is(err, stock.ErrReleased) {
		t.Error(err)
	}
	expect(t, s, 1, 10, 0)
}

func TestExpiry(t *testing.T) {
	db, s := open(t, time.Millisecond, 10)
	expired, sold := newOrder(), newOrder()
	for _, order := range []shop.OrderID{expired, sold} {
		if _, err := s.Reserve(t.Context(), order, items(1, 3)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Commit(t.Context(), sold); err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, 5*time.Second, func() error {
		if err := s.ReleaseExpired(t.Context()); err != nil {
			return err
		}
		if l, err := s.Level(t.Context(), 1); err != nil || l.Reserved != 0 {
			return fmt.Errorf("%d are reserved, %w", l.Reserved, err)
		}
		return nil
	})
	expect(t, s, 1, 7, 0)
	if err := s.Commit(t.Context(), expired); !errors.Is(err, stock.ErrReleased) {
		t.Error(err)
	}
	ledgerAddsUp(t, db)
}

// TestAFailingReservationBlocksNoOther: a reservation that cannot be released is reported and retried later, and the
// others are released.
func TestAFailingReservationBlocksNoOther(t *testing.T) {
	db, s := open(t, time.Millisecond, 10, 10)
	bad, valid := newOrder(), newOrder()
	for id, order := range map[int64]shop.OrderID{1: bad, 2: valid} {
		if _, err := s.Reserve(t.Context(), order, items(int(id), 3)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(t.Context(), `
		create function fails() returns trigger language plpgsql as $$ begin raise 'a bad row'; end $$;
		create trigger fails before update of reserved on stock for each row when (new.product_id = 1) execute function fails();
		update reservations set expires_at = now() - interval '1 minute'`); err != nil {
		t.Fatal(err)
	}
	if err := s.ReleaseExpired(t.Context()); err == nil || !strings.Contains(err.Error(), bad.String()) {
		t.Error(err)
	}
	expect(t, s, 2, 10, 0)
	var held bool
	if err := db.QueryRow(t.Context(), `select expires_at > now() from reservations where order_id = $1`, bad).Scan(&held); err != nil || held {
		t.Errorf("the expiry of the bad one has changed: %v, %v", held, err)
	}
	if err := s.ReleaseExpired(t.Context()); err != nil {
		t.Errorf("the bad one is retried immediately: %v", err)
	}
	if _, err := db.Exec(t.Context(), `drop trigger fails on stock; update reservations set due_at = now() where settled_at is null`); err != nil {
		t.Fatal(err)
	}
	if err := s.ReleaseExpired(t.Context()); err != nil {
		t.Error(err)
	}
	expect(t, s, 1, 10, 0)
	ledgerAddsUp(t, db)
}

// TestNothingIsOversold has 200 concurrent orders for 50 units of three products, in random order; some are released.
func TestNothingIsOversold(t *testing.T) {
	const units = 50
	db, s := open(t, time.Hour, units, units, units)
	var sold atomic.Int64
	var orders sync.WaitGroup
	slots := make(chan struct{}, 32)
	for i := range 200 {
		orders.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			order, picks := newOrder(), rand.Perm(3)
			wanted := items(picks[0]+1, 1, picks[1]+1, 1, picks[2]+1, 1)
			_, err := s.Reserve(context.Background(), order, wanted)
			switch {
			case errors.Is(err, stock.ErrOutOfStock):
				return
			case err != nil:
				t.Errorf("reserve: %v", err)
				return
			}
			if i%4 == 0 {
				err = s.Release(context.Background(), order)
			} else {
				sold.Add(1)
				err = s.Commit(context.Background(), order)
			}
			if err != nil {
				t.Errorf("commit or release: %v", err)
			}
		})
	}
	orders.Wait()
	for id := range int64(3) {
		expect(t, s, id+1, units-int(sold.Load()), 0)
	}
	if sold.Load() > units {
		t.Errorf("%d of %d sold", sold.Load(), units)
	}
	ledgerAddsUp(t, db)
}

// TestConcurrentCommitAndRelease runs commit and release of the same order concurrently.
func TestConcurrentCommitAndRelease(t *testing.T) {
	db, s := open(t, time.Hour, 1000)
	for range 20 {
		order := newOrder()
		if _, err := s.Reserve(t.Context(), order, items(1, 2)); err != nil {
			t.Fatal(err)
		}
		var race sync.WaitGroup
		for range 3 {
			race.Go(func() {
				if err := s.Commit(context.Background(), order); err != nil && !errors.Is(err, stock.ErrReleased) {
					t.Errorf("commit: %v", err)
				}
			})
			race.Go(func() {
				if err := s.Release(context.Background(), order); err != nil {
					t.Errorf("release: %v", err)
				}
			})
		}
		race.Wait()
	}
	expect(t, s, 1, 1000, 0)
	ledgerAddsUp(t, db)
}
