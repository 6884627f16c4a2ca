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

var buyerNames = strings.Fields("Ada Bruno Chidi Dalia Emre Freya Goran Hana Ines Jonas Kira Leon Mina Noor Otto Paula Quinn Rosa Sven Tilda")

const buyerPassword = "Seed-Buyer-2026!" //nolint:gosec // of demo accounts

// signUpBuyers registers or signs in the buyers.
func (s *shop) signUpBuyers(ctx context.Context) error {
	for i, name := range buyerNames {
		buyer, err := account(ctx, s.anonymous, "seed-"+strings.ToLower(name), buyerPassword, name+" Example")
		if err != nil {
			return err
		}
		s.buyers = append(s.buyers, buyer)
		fmt.Printf("\r%-12s %d of %d   ", "buyers", i+1, len(buyerNames))
	}
	fmt.Println()
	return nil
}

// purchase is an order of the API.
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

// placeOrders places the missing orders one after the other; backdate moves them into the past. An order for a product
// that is sold out meanwhile is left out.
func (s *shop) placeOrders(ctx context.Context) error {
	existing, err := s.placed(ctx)
	if err != nil {
		return err
	}
	var products []product
	many := plentiful()
	for _, p := range s.products {
		if many[p.SKU] {
			products = append(products, p)
		}
	}
	dice, all := rand.New(rand.NewPCG(2026, 2)), plans(s.orderCount) //nolint:gosec // the same in each run
	baskets := make([]map[string]any, len(all))
	for i, f := range all {
		baskets[i] = f.basket(i, products, dice)
	}
	return each(ctx, "orders", len(all), 1, func(ctx context.Context, i int) error {
		if _, ok := existing[street(i)]; ok {
			return nil
		}
		buyer, key := s.buyers[i%len(s.buyers)], fmt.Sprint("seed order ", i)
		res, err := retry(ctx, buyer, "POST /api/v1/orders", baskets[i], "Idempotency-Key", key)
		if err != nil || res.Status == 409 {
			return err
		}
		return res.Into(201, nil)
	})
}

// placed are the existing orders of this program, by street.
func (s *shop) placed(ctx context.Context) (map[string]purchase, error) {
	found := map[string]purchase{}
	for next := ""; ; {
		var page client.Page[purchase]
		res, err := retry(ctx, s.admin, "GET /api/v1/orders?limit=100"+next, nil)
		if err == nil {
			err = res.Into(200, &page)
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

// errStuck means that an order does not reach its next status. The order stays as it is.
var errStuck = errors.New("it does not change")

// advanceOrders takes each order through the steps of its plan.
func (s *shop) advanceOrders(ctx context.Context) error {
	existing, err := s.placed(ctx)
	if err != nil {
		return err
	}
	all := plans(s.orderCount)
	return each(ctx, "statuses", len(all), 4, func(ctx context.Context, i int) error {
		p, ok := existing[street(i)]
		if !ok {
			return nil
		}
		for _, step := range all[i].steps {
			err := s.advance(ctx, p, s.buyers[i%len(s.buyers)], step.status)
			if errors.Is(err, errStuck) {
				fmt.Printf("\r%-12s order %s is not %s: %v\n", "statuses", p.ID, step.status, err)
				return nil
			}
			if err != nil {
				return fmt.Errorf("order %s, %s: %w", p.ID, step.status, err)
			}
		}
		return nil
	})
}

// advance takes an order to a status, unless it had that status before.
func (s *shop) advance(ctx context.Context, p purchase, buyer client.Client, status string) error {
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
	var res client.Response
	switch {
	case status == "shipped":
		parcel := map[string]string{"carrier": "UPS", "tracking_number": "1Z" + strings.ToUpper(p.ID[24:])}
		res, err = retry(ctx, s.admin, path+"/ship", parcel)
	case status == "delivered":
		res, err = retry(ctx, s.admin, path+"/deliver", nil)
	case status == "refunded":
		res, err = retry(ctx, s.admin, path+"/refund", map[string]any{"reason": "changed my mind", "restock": true})
	case status == "partially_refunded":
		one := []map[string]any{{"product_id": p.Items[0].ProductID, "quantity": 1}}
		res, err = retry(ctx, s.admin, path+"/refund", map[string]any{"items": one, "reason": "one arrived broken"})
	case status == "cancelled" && p.Status == "paid":
		res, err = retry(ctx, buyer, path+"/cancel", nil)
	default: // the workflow does it
		return s.await(ctx, p.ID, status)
	}
	if err == nil && res.Status == http.StatusConflict {
		err = fmt.Errorf("%w: %.200s", errStuck, res.Body)
	}
	if err != nil {
		return err
	}
	return res.Into(200, nil)
}

func (s *shop) order(ctx context.Context, id string) (p purchase, err error) {
	res, err := retry(ctx, s.admin, "GET /api/v1/orders/"+id, nil)
	if err == nil {
		err = res.Into(200, &p)
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
