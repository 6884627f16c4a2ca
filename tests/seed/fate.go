package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	howMany = 240
	span    = 182 * 24 * time.Hour // over which they are spread
)

// fate is what becomes of an order.
type fate struct {
	ago   time.Duration // since it was placed
	token string        // that it is paid with
	steps []step        // after it was placed, in their order
}

// step is a status and how long after the order was placed it is reached.
type step struct {
	status string
	after  time.Duration
}

// fates are the same each time, counted back from now: most orders arrive, some are on their way, cancelled, refused or given back.
func fates(orders int) []fate {
	dice := rand.New(rand.NewPCG(2026, 3)) //nolint:gosec // the same each time, on purpose
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(dice.Int64N(int64(to-from))) }
	one := func(in int) bool { return dice.IntN(in) == 0 }
	all := make([]fate, orders)
	for i := range all {
		slot := span / time.Duration(orders)
		f := fate{ago: time.Duration(orders-i)*slot - between(0, slot)}
		paid := between(time.Second, 4*time.Second)
		shipped := between(4*time.Hour, 40*time.Hour)
		delivered := shipped + between(20*time.Hour, 90*time.Hour)
		back := delivered + between(24*time.Hour, 240*time.Hour)
		f.steps = []step{{"paid", paid}, {"shipped", shipped}, {"delivered", delivered}}
		switch {
		case one(25):
			f.token, f.steps = "tok_declined", []step{{"cancelled", paid}}
		case one(15):
			f.steps = []step{{"paid", paid}, {"cancelled", between(time.Minute, 4*time.Hour)}}
		case one(14):
			f.steps = append(f.steps, step{"refunded", back})
		case one(14):
			f.steps = append(f.steps, step{"partially_refunded", back})
		}
		for n := len(f.steps); n > 0 && f.steps[n-1].after >= f.ago && n > 1; n-- {
			f.steps = f.steps[:n-1] // not yet; the first follows by itself
		}
		all[i] = f
	}
	return all
}

// basket is what is ordered in an order's life: its address says which order of these it is.
func (f fate) basket(i int, products []product, dice *rand.Rand) map[string]any {
	var items []map[string]any
	for _, at := range dice.Perm(len(products))[:1+dice.IntN(4)] {
		items = append(items, map[string]any{"product_id": products[at].ID, "quantity": 1 + dice.IntN(2)})
	}
	if f.ends("partially_refunded") {
		items[0]["quantity"] = 2 // one of which goes back
	}
	basket := map[string]any{"items": items, "payment_method": "credit_card", "shipping_address": map[string]string{
		"street": street(i), "city": city, "state": "NY", "postal_code": fmt.Sprint(10000 + dice.IntN(89999)), "country": "USA"}}
	if f.token != "" {
		basket["payment_token"] = f.token
	}
	return basket
}

func (f fate) ends(status string) bool { return f.steps[len(f.steps)-1].status == status }

const city = "Port Example"

func street(i int) string { return fmt.Sprint(i+1, " Harbour Road") }
