package fulfilment

import (
	"context"
	"testing"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/payment/simulated"
	"sidecart/kit/shop"
)

// unavailableProvider is a provider whose lookups fail.
type unavailableProvider struct{ *simulated.Provider }

func (unavailableProvider) Find(context.Context, shop.OrderID, string) (payment.Receipt, error) {
	return payment.Receipt{}, payment.ErrProvider
}

// TestOverdue: after its deadline an unpaid order is not charged, and a charge that the provider made before counts,
// also if its webhook was lost.
func TestOverdue(t *testing.T) {
	unpaid := activityResult{Rejected: shop.Cause{Code: shop.Unpaid}, Declined: true}
	declined := activityResult{Declined: true, Rejected: shop.Cause{
		Code: shop.PaymentDeclined, Words: shop.PaymentDeclined.Text(),
	}}
	noFunds := activityResult{Rejected: shop.Cause{Words: "no funds"}, Declined: true}
	for name, c := range map[string]struct {
		token    string
		charged  bool   // before the deadline
		provider string // what happens at the provider, or the type of its webhook
		want     activityResult
		total    string
	}{
		"never charged":              {"", false, "", unpaid, "0.00"},
		"no response":                {"tok_timeout", true, "", unpaid, "0.00"},
		"approved by webhook":        {"tok_timeout", true, "charge.approved", activityResult{}, "0.00"}, // the ledger follows
		"declined by webhook":        {"tok_timeout", true, "charge.declined", noFunds, "0.00"},
		"approved without a webhook": {"tok_timeout", true, "approve", activityResult{}, "20.00"},
		"declined without a webhook": {"tok_timeout", true, "decline", declined, "0.00"},
		"provider unavailable":       {"tok_timeout", true, "unavailable", unpaid, "0.00"},
		"charged, products was down": {"", true, "", activityResult{}, "20.00"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			o, err := s.orders.Place(t.Context(), alice.ID, newOrder(c.token))
			if err != nil {
				t.Fatal(err)
			}
			if c.charged {
				s.productsDown.Store(true)
				_, _ = s.pay(t.Context(), payInput{OrderID: o.ID})
				s.productsDown.Store(false)
			}
			switch c.provider {
			case "":
			case "approve":
				s.exec(t, `update simulated_ledger set state = 'approved', settled_at = now()`)
			case "decline":
				s.exec(t, `update simulated_ledger set state = 'declined', settled_at = now()`)
			case "unavailable":
				s.payments = s.newPayments(s.orders, unavailableProvider{s.provider})
			default:
				s.sendWebhook(t, simulated.WebhookMessage{Type: c.provider, OrderID: o.ID, Reason: "no funds"})
			}
			for range 2 {
				if got, err := s.pay(t.Context(), payInput{o.ID, true}); err != nil || got != c.want {
					t.Errorf("%+v, %v", got, err)
				}
			}
			if got := s.totalCharged(t); got != c.total {
				t.Errorf("charged %s, want %s", got, c.total)
			}
		})
	}
}

// TestApprovedAfterCancellation: a charge that is approved after the order was cancelled is refunded.
func TestApprovedAfterCancellation(t *testing.T) {
	s := open(t)
	o, err := s.orders.Place(t.Context(), alice.ID, newOrder("tok_timeout"))
	if err == nil {
		_, err = s.pay(t.Context(), payInput{OrderID: o.ID})
	}
	if err == nil {
		err = s.orders.CancelUnpaid(t.Context(), o.ID, shop.Cause{Code: shop.Unpaid}, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.exec(t, `update simulated_ledger set state = 'approved', settled_at = now()`)
	s.sendWebhook(t, simulated.WebhookMessage{Type: "charge.approved", OrderID: o.ID})
	if err := s.cancelUnpaid(t.Context(), cancelInput{o.ID, shop.Cause{Code: shop.Unpaid}, true}); err != nil {
		t.Fatal(err)
	}
	s.settleRefunds(t, o.ID)
	got, err := s.orders.Get(t.Context(), alice, o.ID)
	if err != nil || got.Status != order.Cancelled || got.History[1].Reason != shop.Unpaid.Text() ||
		s.totalCharged(t) != "0.00" {
		t.Errorf("%+v, %v, charged %s", got, err, s.totalCharged(t))
	}
}
