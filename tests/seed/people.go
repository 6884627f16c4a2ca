package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
)

var names = strings.Fields("Ada Bruno Chidi Dalia Emre Freya Goran Hana Ines Jonas Kira Leon Mina Noor Otto Paula Quinn Rosa Sven Tilda")

const (
	orders        = 120
	buyerPassword = "Seed-Buyer-2026!" //nolint:gosec // of accounts that anybody may have
)

// people are buyers with an account each. Passwords are slow to hash, on purpose, so this takes a while.
func (s *shop) people(ctx context.Context) error {
	for i, name := range names {
		buyer, err := account(ctx, s.nobody, "seed-"+strings.ToLower(name), buyerPassword, name+" Example")
		if err != nil {
			return err
		}
		s.buyers = append(s.buyers, buyer)
		fmt.Printf("\r%-12s %d of %d   ", "buyers", i+1, len(names))
	}
	fmt.Println()
	return nil
}

// orders are placed today, as the API has it: nobody can order in the past. What has run out meanwhile is left out.
func (s *shop) orders(ctx context.Context) error {
	dice := rand.New(rand.NewPCG(2026, 2)) //nolint:gosec // the same each time, on purpose
	baskets := make([]map[string]any, orders)
	for i := range baskets {
		var items []map[string]any
		for _, at := range dice.Perm(len(s.products))[:1+dice.IntN(4)] {
			items = append(items, map[string]any{"product_id": s.products[at].ID, "quantity": 1 + dice.IntN(2)})
		}
		baskets[i] = map[string]any{"items": items, "payment_method": "credit_card", "shipping_address": map[string]string{
			"street": fmt.Sprint(1+dice.IntN(200), " Harbour Road"), "city": "Port Example", "state": "NY", "postal_code": fmt.Sprint(10000 + dice.IntN(89999)), "country": "USA"}}
	}
	return each(ctx, "orders", orders, func(ctx context.Context, i int) error {
		a, err := patiently(ctx, s.buyers[i%len(s.buyers)], "POST /api/v1/orders", baskets[i], "Idempotency-Key", fmt.Sprint("seed order ", i))
		if err != nil || a.Status == 409 {
			return err
		}
		return a.Into(201, nil)
	})
}
