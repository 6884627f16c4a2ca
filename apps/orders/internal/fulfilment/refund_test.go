package fulfilment

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/payment/simulated"
	"sidecart/kit/shop"
)

// sendRefundFailed handles a webhook about a refund that failed after the provider had accepted it.
func (s *fixture) sendRefundFailed(t *testing.T, id shop.OrderID, refund uuid.UUID) {
	t.Helper()
	s.sendWebhook(t, simulated.WebhookMessage{Type: "refund.failed", OrderID: id, RefundID: refund, Reason: "account closed"})
}

// sendWebhook handles a webhook of the provider.
func (s *fixture) sendWebhook(t *testing.T, m simulated.WebhookMessage) {
	t.Helper()
	m.ID = shop.NewID().String()
	body, err := json.Marshal(m)
	if err == nil {
		err = s.payments.HandleWebhook(t.Context(), "simulated", body, simulated.Sign("key", body, time.Now()))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *fixture) refundOf(t *testing.T, id shop.OrderID) (order.Refund, []order.StatusChange) {
	t.Helper()
	o, err := s.orders.Get(t.Context(), alice, id)
	if err != nil || len(o.Refunds) != 1 {
		t.Fatalf("%+v, %v", o.Refunds, err)
	}
	return o.Refunds[0], o.History
}

// TestRefundFailsLater: a refund that fails after the provider accepted it ends like one that was refused, at any time
// of the webhook and for repeated webhooks.
func TestRefundFailsLater(t *testing.T) {
	for name, refund := range map[string]func(s *fixture, id shop.OrderID) error{
		"partial": func(s *fixture, id shop.OrderID) error {
			_, err := s.orders.Refund(t.Context(), admin, id, oneItem)
			return err
		},
		"cancelled": func(s *fixture, id shop.OrderID) error {
			_, err := s.orders.Cancel(t.Context(), alice, id, "")
			return err
		},
	} {
		for _, early := range []bool{false, true} { // the webhook comes before the refund is settled
			t.Run(name, func(t *testing.T) {
				s := open(t)
				id := s.paidOrder(t)
				if err := refund(s, id); err != nil {
					t.Fatal(err)
				}
				first, _ := s.refundOf(t, id)
				if !early {
					s.settleRefunds(t, id)
				}
				for range 2 {
					s.sendRefundFailed(t, id, first.ProviderRefundID())
					s.sendRefundFailed(t, id, shop.NewID()) // of an unknown refund
				}
				if err := s.orders.SettleRefund(t.Context(), first); err != nil { // concurrently
					t.Fatal(err)
				}
				failed, history := s.refundOf(t, id)
				if failed.FailedAt == nil || failed.SettledAt != nil || failed.Failure != "account closed" ||
					s.discrepancies(t)[id].Kind != payment.RefundRefused {
					t.Fatalf("%+v, discrepancies %+v", failed, s.discrepancies(t))
				}
				if _, err := s.orders.RetryRefund(t.Context(), admin, id, failed.ID); err != nil {
					t.Fatal(err)
				}
				s.sendRefundFailed(t, id, first.ProviderRefundID()) // repeated, about the first attempt
				s.settleRefunds(t, id)
				again, after := s.refundOf(t, id)
				if again.SettledAt == nil || again.FailedAt != nil || len(after) != len(history)+1 {
					t.Errorf("%+v, history %+v", again, after)
				}
				s.reconcile(t, 1)
				if s.discrepancies(t)[id].ResolvedAt == nil {
					t.Errorf("the discrepancy is not resolved: %+v", s.discrepancies(t))
				}
			})
		}
	}
}

// TestReconcileFindsMissingRefunds: a settled refund that the provider's records do not have is reported.
func TestReconcileFindsMissingRefunds(t *testing.T) {
	s := open(t)
	var ids []shop.OrderID
	for range 3 {
		id := s.paidOrder(t)
		if _, err := s.orders.Refund(t.Context(), admin, id, oneItem); err != nil {
			t.Fatal(err)
		}
		s.settleRefunds(t, id)
		ids = append(ids, id)
	}
	fresh, missing, full := ids[1], ids[2], s.paidOrder(t)
	if _, err := s.orders.Refund(t.Context(), admin, full, order.NewRefund{}); err != nil {
		t.Fatal(err)
	}
	s.settleRefunds(t, full)
	s.exec(t, `update refunds set settled_at = settled_at - interval '2 hours' where order_id <> $1`, fresh)
	s.exec(t, `update simulated_ledger set refunded = 0, state = 'approved' where key in ($1, $2, $3)`, fresh, missing, full)
	s.reconcile(t, 2)
	found := s.discrepancies(t)
	if d := found[full]; d.Kind != payment.RefundMissing || d.ResolvedAt != nil {
		t.Errorf("%+v", found)
	}
	if d := found[missing]; len(found) != 2 || d.Kind != payment.RefundMissing || d.Amount.String() != "10.00" ||
		d.ResolvedAt != nil {
		t.Errorf("%+v", found)
	}
	s.exec(t, `update simulated_ledger set refunded = case when key = $1 then amount else 10 end,
		state = case when key = $1 then 'refunded' else state end`, full)
	s.reconcile(t, 1)
	if found := s.discrepancies(t); found[missing].ResolvedAt == nil || found[full].ResolvedAt == nil {
		t.Error("not resolved after the refund was made")
	}
}

// voidRecorder is a provider that records the refund ids of Void.
type voidRecorder struct {
	*simulated.Provider
	refunds []uuid.UUID
}

func (v *voidRecorder) Void(ctx context.Context, id shop.OrderID, reference string, refund uuid.UUID) error {
	v.refunds = append(v.refunds, refund)
	return v.Provider.Void(ctx, id, reference, refund)
}

// TestRetryHasAnotherRefundID: a retry, and only a retry, has another id at the provider, which may repeat its response
// to a known id.
func TestRetryHasAnotherRefundID(t *testing.T) {
	s := open(t)
	provider := &voidRecorder{Provider: s.provider}
	s.payments = s.newPayments(s.orders, provider)
	id := s.paidOrderWith(t, "tok_refund_refused")
	if _, err := s.orders.Cancel(t.Context(), alice, id, ""); err != nil {
		t.Fatal(err)
	}
	s.settleRefunds(t, id)
	refund, _ := s.refundOf(t, id)
	if err := s.cancelUnpaid(t.Context(), cancelInput{OrderID: id}); err != nil { // the workflow, late
		t.Fatal(err)
	}
	if _, err := s.orders.RetryRefund(t.Context(), admin, id, refund.ID); err != nil {
		t.Fatal(err)
	}
	s.settleRefunds(t, id)
	again, _ := s.refundOf(t, id)
	retried := again.ProviderRefundID()
	if !slices.Equal(provider.refunds, []uuid.UUID{refund.ID, refund.ID, retried}) || retried == refund.ID {
		t.Errorf("the provider got %v, want %s twice and then %s", provider.refunds, refund.ID, retried)
	}
}
