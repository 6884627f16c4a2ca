package fulfilment

import (
	"fmt"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestCancelledWhileItWaits: the workflow completes, and starting it again does nothing.
func TestCancelledWhileItWaits(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour, Ship: time.Hour})
	id := s.startedOrder(t, "")
	s.await(t, id, order.Paid)
	if _, err := s.orders.Cancel(t.Context(), alice, id, ""); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.onCancelled(t.Context(), shop.OrderCancelled{OrderID: id}); err != nil {
			t.Fatal(err)
		}
	}
	s.awaitWorkflow(t, id, true)
	s.awaitRefund(t, id, func(r order.Refund) bool { return r.SettledAt != nil })
	if got := s.totalCharged(t); got != "0.00" {
		t.Errorf("charged %s", got)
	}
}

func (s *fixture) awaitRefund(t *testing.T, id shop.OrderID, is func(order.Refund) bool) (last order.Refund) {
	t.Helper()
	kittest.Eventually(t, 40*time.Second, func() error {
		o, err := s.orders.Get(t.Context(), alice, id)
		if err == nil {
			if last = o.Refunds[len(o.Refunds)-1]; !is(last) {
				err = fmt.Errorf("%+v", last)
			}
		}
		return err
	})
	return last
}

// TestRefundWorkflow: a refund is retried until products is available, also if its event is lost. One that the provider
// refuses fails, and an admin's retry starts it again.
func TestRefundWorkflow(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	id := s.paidOrderWith(t, "tok_refund_refused")
	refund := func() {
		t.Helper()
		if _, err := s.orders.Refund(t.Context(), admin, id, oneItem); err != nil {
			t.Fatal(err)
		}
	}
	refund()
	for range 2 {
		kittest.Eventually(t, 20*time.Second, func() error {
			return s.onRefunded(t.Context(), shop.OrderRefunded{OrderID: id})
		})
	}
	failed := s.awaitRefund(t, id, func(r order.Refund) bool { return r.FailedAt != nil })
	kittest.Eventually(t, 20*time.Second, func() error {
		known, err := s.engine.state(t.Context(), failed.ID)
		if err == nil && (known == nil || !workflow.WorkflowMetadataIsComplete(known)) {
			err = fmt.Errorf("the refund's workflow is %v", known)
		}
		return err
	})
	s.exec(t, `update simulated_ledger set refuses = false`)
	if _, err := s.orders.RetryRefund(t.Context(), admin, id, failed.ID); err != nil {
		t.Fatal(err)
	}
	s.awaitRefund(t, id, func(r order.Refund) bool { return r.SettledAt != nil })
	s.productsDown.Store(true)
	refund() // its event is lost
	if err := s.Recover(t.Context(), time.Now().Add(lateAfter+time.Second)); err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, 20*time.Second, func() error {
		if got := s.totalCharged(t); got != "0.00" {
			return fmt.Errorf("charged %s", got)
		}
		return nil
	})
	s.productsDown.Store(false)
	s.awaitRefund(t, id, func(r order.Refund) bool { return r.SettledAt != nil })
}
