package stock_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sidecart/apps/products/internal/stock"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// model is the simplest implementation of stock.
type model struct {
	onHand [3]int
	orders map[shop.OrderID]*modelOrder
	events map[string]int
}

type modelOrder struct {
	state stock.State
	lines map[int]int // product, from 0, to quantity
}

func (m *model) available(product int) int {
	n := m.onHand[product]
	for _, o := range m.orders {
		if o.state == stock.StateHeld {
			n -= o.lines[product]
		}
	}
	return n
}

// change counts the events of a change of the model. The thresholds are 2.
func (m *model) change(apply func()) {
	var before [3]int
	for p := range before {
		before[p] = m.available(p)
	}
	apply()
	for p, was := range before {
		switch is := m.available(p); {
		case was > 0 && is == 0:
			m.events["stock.out"]++
		case was == 0 && is > 0:
			m.events["stock.back"]++
		case was > 2 && is <= 2 && is > 0:
			m.events["stock.low"]++
		}
	}
}

// TestStockMatchesModel runs random operations, repeated ones too, and compares the stock and its events with the
// model.
func TestStockMatchesModel(t *testing.T) {
	db, s := open(t, time.Hour, 1, 1, 1)
	for id := range int64(3) {
		if _, err := s.SetThreshold(t.Context(), id+1, 2); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		kittest.Emitted(t, db)
		m := model{orders: map[shop.OrderID]*modelOrder{}, events: map[string]int{}}
		ids := []shop.OrderID{newOrder(), newOrder(), newOrder(), newOrder()}
		for p := range m.onHand { // each round starts with the stock that the last one left
			l, err := s.Level(t.Context(), int64(p+1))
			if err != nil || l.Reserved != 0 {
				r.Fatalf("%+v, %v", l, err)
			}
			m.onHand[p] = l.OnHand
		}
		r.Repeat(map[string]func(*rapid.T){
			"reserve": func(r *rapid.T) { m.reserve(r, s, rapid.SampledFrom(ids).Draw(r, "order")) },
			"commit":  func(r *rapid.T) { m.commit(r, s, rapid.SampledFrom(ids).Draw(r, "order")) },
			"release": func(r *rapid.T) { m.release(r, s, rapid.SampledFrom(ids).Draw(r, "order")) },
			"adjust":  func(r *rapid.T) { m.adjust(r, s) },
			"": func(r *rapid.T) {
				for p := range m.onHand {
					l, err := s.Level(t.Context(), int64(p+1))
					if err != nil || l.OnHand != m.onHand[p] || l.Available != m.available(p) {
						r.Fatalf("product %d is %+v, want %d on hand and %d available (%v)", p+1, l, m.onHand[p], m.available(p), err)
					}
				}
			},
		})
		for _, id := range ids {
			m.release(r, s, id)
		}
		counts, _ := emitted(t, db)
		for _, topic := range []string{"stock.low", "stock.out", "stock.back"} {
			if counts[topic] != m.events[topic] {
				r.Fatalf("emitted %v, want %v", counts, m.events)
			}
		}
	})
	ledgerAddsUp(t, db)
}

func (m *model) reserve(r *rapid.T, s *stock.Service, id shop.OrderID) {
	lines := rapid.MapOfN(rapid.IntRange(0, 2), rapid.IntRange(1, 3), 1, 3).Draw(r, "lines")
	var items []stock.Item
	for p, q := range lines {
		items = append(items, stock.Item{ProductID: int64(p + 1), Quantity: q})
	}
	var want error
	o := m.orders[id]
	switch {
	case o != nil && (o.state == stock.StateReleased || o.state == stock.StateReturned):
		want = stock.ErrReleased
	case o == nil:
		for p, q := range lines {
			if m.available(p) < q {
				want = stock.ErrOutOfStock
			}
		}
	}
	got, err := s.Reserve(r.Context(), id, items)
	if !errors.Is(err, want) || want == nil && err != nil {
		r.Fatalf("reserve: %v, want %v", err, want)
	}
	if want != nil {
		return
	}
	if o == nil {
		o = &modelOrder{state: stock.StateHeld, lines: lines}
		m.change(func() { m.orders[id] = o })
	}
	if got.State != o.state || len(got.Lines) != len(o.lines) {
		r.Fatalf("reserved %+v, want %+v", got, o)
	}
	for _, l := range got.Lines {
		if o.lines[int(l.ProductID-1)] != l.Quantity {
			r.Fatalf("reserved %+v, want %+v", got, o)
		}
	}
}

func (m *model) commit(r *rapid.T, s *stock.Service, id shop.OrderID) {
	o := m.orders[id]
	err := s.Commit(r.Context(), id)
	if possible := o != nil && (o.state == stock.StateHeld || o.state == stock.StateCommitted); possible != (err == nil) || err != nil && !errors.Is(err, stock.ErrReleased) {
		r.Fatalf("commit: %v of %+v", err, o)
	}
	if err == nil && o.state == stock.StateHeld {
		m.change(func() {
			o.state = stock.StateCommitted
			for p, q := range o.lines {
				m.onHand[p] -= q
			}
		})
	}
}

func (m *model) release(r *rapid.T, s *stock.Service, id shop.OrderID) {
	if err := s.Release(r.Context(), id); err != nil {
		r.Fatal(err)
	}
	o := m.orders[id]
	if o == nil {
		m.orders[id] = &modelOrder{state: stock.StateReleased}
		return
	}
	m.change(func() {
		switch o.state {
		case stock.StateHeld:
			o.state = stock.StateReleased
		case stock.StateCommitted:
			o.state = stock.StateReturned
			for p, q := range o.lines {
				m.onHand[p] += q
			}
		}
	})
}

func (m *model) adjust(r *rapid.T, s *stock.Service) {
	p := rapid.IntRange(0, 2).Draw(r, "product")
	delta := rapid.IntRange(-4, 4).Filter(func(n int) bool { return n != 0 }).Draw(r, "delta")
	_, err := s.Adjust(r.Context(), shop.UserID{}, int64(p+1), stock.StockAdjustment{Delta: delta, Reason: "model"})
	if possible := m.available(p)+delta >= 0; possible != (err == nil) || err != nil && !errors.Is(err, stock.ErrReserved) {
		r.Fatalf("adjust by %d: %v with %d available", delta, err, m.available(p))
	}
	if err == nil {
		m.change(func() { m.onHand[p] += delta })
	}
}
