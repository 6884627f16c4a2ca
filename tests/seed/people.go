package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"sidecart/tests/client"
)

var names = strings.Fields("Ada Bruno Chidi Dalia Emre Freya Goran Hana Ines Jonas Kira Leon Mina Noor Otto Paula Quinn Rosa Sven Tilda")

const buyerPassword = "Seed-Buyer-2026!" //nolint:gosec // of accounts that anybody may have

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

// purchase is an order as it is read back.
type purchase struct {
	ID       string
	Status   string
	PlacedAt time.Time `json:"placed_at"`
	Items    []struct {
		ProductID int64 `json:"product_id"`
	}
	Address struct{ Street, City string } `json:"shipping_address"`
	History []struct {
		Status string
		At     time.Time
	}
}

// orders are placed now, one after the other, as the API has it; see past. What people have bought out meanwhile is left out.
func (s *shop) orders(ctx context.Context) error {
	there, err := s.placed(ctx)
	if err != nil {
		return err
	}
	var goods []product
	for many, i := plentiful(), 0; i < len(s.products); i++ {
		if many[s.products[i].SKU] {
			goods = append(goods, s.products[i])
		}
	}
	dice, all := rand.New(rand.NewPCG(2026, 2)), fates(s.howMany) //nolint:gosec // the same each time, on purpose
	baskets := make([]map[string]any, len(all))
	for i, f := range all {
		baskets[i] = f.basket(i, goods, dice)
	}
	return each(ctx, "orders", len(all), 1, func(ctx context.Context, i int) error {
		if _, ok := there[street(i)]; ok {
			return nil
		}
		a, err := patiently(ctx, s.buyers[i%len(s.buyers)], "POST /api/v1/orders", baskets[i], "Idempotency-Key", fmt.Sprint("seed order ", i))
		if err != nil || a.Status == 409 {
			return err
		}
		return a.Into(201, nil)
	})
}

// placed are the orders of this program that are there, by their streets.
func (s *shop) placed(ctx context.Context) (map[string]purchase, error) {
	found := map[string]purchase{}
	for next := ""; ; {
		var page client.Page[purchase]
		a, err := patiently(ctx, s.admin, "GET /api/v1/orders?limit=100"+next, nil)
		if err == nil {
			err = a.Into(200, &page)
		}
		if err != nil {
			return nil, err
		}
		for _, p := range page.Items {
			if p.Address.City == city {
				found[p.Address.Street] = p
			}
		}
		if page.NextCursor == nil {
			return found, nil
		}
		next = "&cursor=" + *page.NextCursor
	}
}

// errStuck says that an order does not take the step that is next. It stays as it is, and the others go on.
var errStuck = errors.New("it does not go on")

// lives takes each order as far as its fate has it.
func (s *shop) lives(ctx context.Context) error {
	there, err := s.placed(ctx)
	if err != nil {
		return err
	}
	all := fates(s.howMany)
	return each(ctx, "lives", len(all), 4, func(ctx context.Context, i int) error {
		p, ok := there[street(i)]
		if !ok {
			return nil
		}
		for _, step := range all[i].steps {
			err := s.take(ctx, p, s.buyers[i%len(s.buyers)], step.status)
			if errors.Is(err, errStuck) {
				fmt.Printf("\r%-12s order %s is not %s: %v\n", "lives", p.ID, step.status, err)
				return nil
			}
			if err != nil {
				return fmt.Errorf("order %s, %s: %w", p.ID, step.status, err)
			}
		}
		return nil
	})
}

// take takes an order a step further, unless it has gone that one before.
func (s *shop) take(ctx context.Context, p purchase, buyer client.Client, status string) error {
	p, err := s.order(ctx, p.ID)
	if err != nil {
		return err
	}
	for _, before := range p.History {
		if before.Status == status {
			return nil
		}
	}
	path := "POST /api/v1/orders/" + p.ID
	var a client.Answer
	switch {
	case status == "shipped":
		a, err = patiently(ctx, s.admin, path+"/ship", map[string]string{"carrier": "UPS", "tracking_number": "1Z" + strings.ToUpper(p.ID[24:])})
	case status == "delivered":
		a, err = patiently(ctx, s.admin, path+"/deliver", nil)
	case status == "refunded":
		a, err = patiently(ctx, s.admin, path+"/refund", map[string]any{"reason": "it did not please", "restock": true})
	case status == "partially_refunded":
		one := []map[string]any{{"product_id": p.Items[0].ProductID, "quantity": 1}}
		a, err = patiently(ctx, s.admin, path+"/refund", map[string]any{"items": one, "reason": "one arrived broken"})
	case status == "cancelled" && p.Status == "paid":
		a, err = patiently(ctx, buyer, path+"/cancel", nil)
	default: // what follows by itself
		return s.await(ctx, p.ID, status)
	}
	if err == nil && a.Status == http.StatusConflict {
		err = fmt.Errorf("%w: %.200s", errStuck, a.Body)
	}
	if err != nil {
		return err
	}
	return a.Into(200, nil)
}

func (s *shop) order(ctx context.Context, id string) (p purchase, err error) {
	a, err := patiently(ctx, s.admin, "GET /api/v1/orders/"+id, nil)
	if err == nil {
		err = a.Into(200, &p)
	}
	return p, err
}

func (s *shop) await(ctx context.Context, id, status string) error {
	for begin := time.Now(); time.Since(begin) < 2*time.Minute; time.Sleep(300 * time.Millisecond) {
		p, err := s.order(ctx, id)
		if err != nil || p.Status == status {
			return err
		}
		if p.Status != "pending" {
			return fmt.Errorf("%w: it is %s", errStuck, p.Status)
		}
	}
	return errStuck
}
