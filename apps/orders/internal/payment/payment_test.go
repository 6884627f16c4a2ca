package payment_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func charge(token string) payment.Charge {
	return payment.Charge{Key: shop.OrderID{UUID: shop.NewID()}, Amount: shop.MustMoney("599.98"), Currency: "USD", Token: token}
}

func TestSimulatedTokens(t *testing.T) {
	p := payment.NewSimulated(kittest.DB(t, payment.Migrations))
	for token, attempts := range map[string][]error{
		"":                       {nil, nil},
		"tok_visa":               {nil, nil},
		"tok_declined":           {payment.ErrDeclined, payment.ErrDeclined},
		"tok_insufficient_funds": {payment.ErrDeclined},
		"tok_timeout":            {payment.ErrNoAnswer, nil, nil},
		"tok_error":              {payment.ErrProvider, payment.ErrProvider, nil, nil},
	} {
		c := charge(token)
		for n, want := range attempts {
			receipt, err := p.Charge(t.Context(), c)
			if !errors.Is(err, want) || (err == nil && receipt.Reference == "") {
				t.Errorf("%s, attempt %d: %+v, %v", token, n+1, receipt, err)
			}
		}
	}
}

func TestCallingOffForestallsALateCharge(t *testing.T) {
	p := payment.NewSimulated(kittest.DB(t, payment.Migrations))
	charged, late := charge(""), charge("")
	if _, err := p.Charge(t.Context(), charged); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, c := range []payment.Charge{charged, late} {
			if err := p.CallOff(t.Context(), c.Key); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Charge(t.Context(), c); !errors.Is(err, payment.ErrDeclined) {
				t.Errorf("charged after it was called off: %v", err)
			}
		}
	}
}

func TestChargedOnceHoweverOften(t *testing.T) {
	db := kittest.DB(t, payment.Migrations)
	p, c := payment.NewSimulated(db), charge("")
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, err := p.Charge(context.Background(), c); err != nil {
				t.Errorf("charge: %v", err)
			}
		})
	}
	all.Wait()
	var charges int
	var amount shop.Money
	if err := db.QueryRow(t.Context(), `select count(*), sum(amount) from simulated_ledger where state = 'approved'`).Scan(&charges, &amount); err != nil {
		t.Fatal(err)
	}
	if charges != 1 || amount.String() != "599.98" {
		t.Errorf("%d charges of %s", charges, amount)
	}
}

func TestPartialRefunds(t *testing.T) {
	db := kittest.DB(t, payment.Migrations)
	p, c := payment.NewSimulated(db), charge("")
	if _, err := p.Charge(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	back := func(amount string) payment.Refund {
		return payment.Refund{ID: shop.NewID(), Key: c.Key, Amount: shop.MustMoney(amount), Currency: "USD"}
	}
	first := back("100.00")
	var all sync.WaitGroup
	for range 8 { // one refund, however often it is asked for
		all.Go(func() {
			if err := p.Refund(context.Background(), first); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := p.Refund(t.Context(), back("499.99")); !errors.Is(err, payment.ErrNothingLeft) {
		t.Errorf("more than was charged: %v", err)
	}
	for range 2 {
		if err := p.CallOff(t.Context(), c.Key); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Refund(t.Context(), back("0.01")); !errors.Is(err, payment.ErrNothingLeft) {
		t.Errorf("a cent more than was charged: %v", err)
	}
	var refunded, entries shop.Money
	err := db.QueryRow(t.Context(), `
		select l.refunded, (select sum(amount) from simulated_refunds r where r.key = l.key) from simulated_ledger l`).Scan(&refunded, &entries)
	if err != nil || refunded.String() != "599.98" || entries.String() != "599.98" {
		t.Errorf("%s and %s went back of 599.98, %v", refunded, entries, err)
	}
}
