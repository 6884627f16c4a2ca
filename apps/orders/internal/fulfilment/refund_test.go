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

// sendRefundFailed has the provider tell that a refund failed after it had taken it on.
func (s *fixture) sendRefundFailed(t *testing.T, id shop.OrderID, refund uuid.UUID) {
	t.Helper()
	s.sendWebhook(t, simulated.WebhookMessage{Type: "refund.failed", OrderID: id, RefundID: refund, Reason: "account closed"})
}

// sendWebhook has the provider send a message.
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

// TestARefundThatFailsLater ends like one that was refused at once, whenever and however often that is told, and for a
// part of an order as for one that was cancelled.
func TestARefundThatFailsLater(t *testing.T) {
	for name, give := range map[string]func(s *fixture, id shop.OrderID) error{
		"a part": func(s *fixture, id shop.OrderID) error {
			_, err := s.orders.Refund(t.Context(), admin, id, order.NewRefund{Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}})
			return err
		},
		"cancelled": func(s *fixture, id shop.OrderID) error {
			_, err := s.orders.Cancel(t.Context(), alice, id)
			return err
		},
	} {
		for _, early := range []bool{false, true} { // told before it is noted as settled
			t.Run(name, func(t *testing.T) {
				s := open(t)
				id := s.bought(t)
				if err := give(s, id); err != nil {
					t.Fatal(err)
				}
				first, _ := s.refundOf(t, id)
				if !early {
					s.settled(t, id)
				}
				for range 2 {
					s.sendRefundFailed(t, id, first.ProviderRefundID())
					s.sendRefundFailed(t, id, shop.NewID()) // of a refund that is not this order's
				}
				if err := s.recordResult(t.Context(), first, nil); err != nil { // by somebody who had it settled at the same time
					t.Fatal(err)
				}
				failed, history := s.refundOf(t, id)
				if failed.FailedAt == nil || failed.SettledAt != nil || failed.Failure != "account closed" || s.discrepancies(t)[id].Kind != payment.RefundRefused {
					t.Fatalf("%+v, findings %+v", failed, s.discrepancies(t))
				}
				if _, err := s.orders.RetryRefund(t.Context(), admin, id, failed.ID); err != nil {
					t.Fatal(err)
				}
				s.sendRefundFailed(t, id, first.ProviderRefundID()) // once more, of the try before
				s.settled(t, id)
				again, after := s.refundOf(t, id)
				if again.SettledAt == nil || again.FailedAt != nil || len(after) != len(history)+1 {
					t.Errorf("%+v, history %+v", again, after)
				}
				s.reconcile(t, 1)
				if s.discrepancies(t)[id].ResolvedAt == nil {
					t.Errorf("the finding is still open: %+v", s.discrepancies(t))
				}
			})
		}
	}
}

// TestReconcileMissesRefunds: what counts as given back and is not in the provider's books is found, whoever did not
// tell.
func TestReconcileMissesRefunds(t *testing.T) {
	s := open(t)
	var ids []shop.OrderID
	for range 3 {
		id := s.bought(t)
		if _, err := s.orders.Refund(t.Context(), admin, id, order.NewRefund{Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}}); err != nil {
			t.Fatal(err)
		}
		s.settled(t, id)
		ids = append(ids, id)
	}
	fresh, missing, whole := ids[1], ids[2], s.bought(t)
	if _, err := s.orders.Refund(t.Context(), admin, whole, order.NewRefund{}); err != nil {
		t.Fatal(err)
	}
	s.settled(t, whole)
	s.exec(t, `update refunds set settled_at = settled_at - interval '2 hours' where order_id <> $1`, fresh)
	s.exec(t, `update simulated_ledger set refunded = 0, state = 'approved' where key in ($1, $2, $3)`, fresh, missing, whole)
	s.reconcile(t, 2)
	found := s.discrepancies(t)
	if f := found[whole]; f.Kind != payment.RefundMissing || f.ResolvedAt != nil {
		t.Errorf("%+v", found)
	}
	if f := found[missing]; len(found) != 2 || f.Kind != payment.RefundMissing || f.Amount.String() != "10.00" || f.ResolvedAt != nil {
		t.Errorf("%+v", found)
	}
	s.exec(t, `update simulated_ledger set refunded = case when key = $1 then amount else 10 end, state = case when key = $1 then 'refunded' else state end`, whole)
	s.reconcile(t, 1)
	if found := s.discrepancies(t); found[missing].ResolvedAt == nil || found[whole].ResolvedAt == nil {
		t.Error("it is in order again, and still open")
	}
}

// voidRecorder is a provider that notes by what it is asked to call something off.
type voidRecorder struct {
	*simulated.Provider
	asked []uuid.UUID
}

func (n *voidRecorder) Void(ctx context.Context, key shop.OrderID, reference string, refund uuid.UUID) error {
	n.asked = append(n.asked, refund)
	return n.Provider.Void(ctx, key, reference, refund)
}

// TestTriedAgainIsAnotherRefund: a provider that remembers what it refused is asked for another one after a retry, and
// only then.
func TestTriedAgainIsAnotherRefund(t *testing.T) {
	s := open(t)
	provider := &voidRecorder{Provider: s.provider}
	s.payments = s.paidWith(s.orders, provider)
	id := s.boughtWith(t, "tok_refund_refused")
	if _, err := s.orders.Cancel(t.Context(), alice, id); err != nil {
		t.Fatal(err)
	}
	s.settled(t, id)
	refund, _ := s.refundOf(t, id)
	if err := s.cancelUnpaid(t.Context(), cancelInput{OrderID: id}); err != nil { // the workflow, late
		t.Fatal(err)
	}
	if _, err := s.orders.RetryRefund(t.Context(), admin, id, refund.ID); err != nil {
		t.Fatal(err)
	}
	s.settled(t, id)
	again, _ := s.refundOf(t, id)
	if asked := provider.asked; !slices.Equal(asked, []uuid.UUID{refund.ID, refund.ID, again.ProviderRefundID()}) || again.ProviderRefundID() == refund.ID {
		t.Errorf("asked for %v, the refund is %s and then %s", asked, refund.ID, again.ProviderRefundID())
	}
}
