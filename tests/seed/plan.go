package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	orderCount = 240
	span       = 182 * 24 * time.Hour // of all orders
)

// plan is the history of an order.
type plan struct {
	ago   time.Duration // since the order was placed
	token string        // for the payment
	steps []step        // in their order
}

// step is a status, and the time from placing the order to it.
type step struct {
	status string
	after  time.Duration
}

// plans are the same in each run, relative to now: most orders are delivered, some are on their way, cancelled,
// declined or refunded.
func plans(orders int) []plan {
	dice := rand.New(rand.NewPCG(2026, 3)) //nolint:gosec // the same in each run
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(dice.Int64N(int64(to-from))) }
	one := func(in int) bool { return dice.IntN(in) == 0 }
	all := make([]plan, orders)
	for i := range all {
		slot := span / time.Duration(orders)
		p := plan{ago: time.Duration(orders-i)*slot - between(0, slot)}
		paid := between(time.Second, 4*time.Second)
		shipped := between(4*time.Hour, 40*time.Hour)
		delivered := shipped + between(20*time.Hour, 90*time.Hour)
		back := delivered + between(24*time.Hour, 240*time.Hour)
		p.steps = []step{{"paid", paid}, {"shipped", shipped}, {"delivered", delivered}}
		switch {
		case one(25):
			p.token, p.steps = "tok_declined", []step{{"cancelled", paid}}
		case one(15):
			p.steps = []step{{"paid", paid}, {"cancelled", between(time.Minute, 4*time.Hour)}}
		case one(14):
			p.steps = append(p.steps, step{"refunded", back})
		case one(14):
			p.steps = append(p.steps, step{"partially_refunded", back})
		}
		for n := len(p.steps); n > 0 && p.steps[n-1].after >= p.ago && n > 1; n-- {
			p.steps = p.steps[:n-1] // not reached yet; the first step needs no call
		}
		all[i] = p
	}
	return all
}

// basket is the body of an order. The street identifies the plan.
func (p plan) basket(i int, products []product, dice *rand.Rand) map[string]any {
	var items []map[string]any
	for _, at := range dice.Perm(len(products))[:1+dice.IntN(4)] {
		items = append(items, map[string]any{"product_id": products[at].ID, "quantity": 1 + dice.IntN(2)})
	}
	if p.ends("partially_refunded") {
		items[0]["quantity"] = 2 // one of them is refunded
	}
	basket := map[string]any{"items": items, "payment_method": "credit_card", "shipping_address": map[string]string{
		"street": street(i), "city": city, "state": "NY", "postal_code": fmt.Sprint(10000 + dice.IntN(89999)), "country": "USA"}}
	if p.token != "" {
		basket["payment_token"] = p.token
	}
	return basket
}

func (p plan) ends(status string) bool { return p.steps[len(p.steps)-1].status == status }

const city = "Port Example"

func street(i int) string { return fmt.Sprint(i+1, " Harbour Road") }
