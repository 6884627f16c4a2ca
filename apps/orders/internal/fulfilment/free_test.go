package fulfilment

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/payment/simulated"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// freeProduct is the product of the fixture that costs nothing.
const freeProduct = 2

// amountRecorder is a provider that records the amounts of the requests that it gets.
type amountRecorder struct {
	*simulated.Provider
	requests []string
}

func (r *amountRecorder) Charge(ctx context.Context, c payment.Charge) (payment.Receipt, error) {
	r.requests = append(r.requests, "charge "+c.Amount.String())
	return r.Provider.Charge(ctx, c)
}

func (r *amountRecorder) Find(ctx context.Context, id shop.OrderID, reference string) (payment.Receipt, error) {
	r.requests = append(r.requests, "find")
	return r.Provider.Find(ctx, id, reference)
}

func (r *amountRecorder) Refund(ctx context.Context, refund payment.Refund, reference string) error {
	r.requests = append(r.requests, "refund "+refund.Amount.String())
	return r.Provider.Refund(ctx, refund, reference)
}

func (r *amountRecorder) Void(ctx context.Context, id shop.OrderID, reference string, refund uuid.UUID) error {
	r.requests = append(r.requests, "void")
	return r.Provider.Void(ctx, id, reference, refund)
}

func openRecorded(t *testing.T) (*fixture, *amountRecorder) {
	t.Helper()
	s := open(t)
	recorder := &amountRecorder{Provider: s.provider}
	s.payments = s.newPayments(s.orders, recorder)
	return s, recorder
}

// placed places an order of one of each product.
func (s *fixture) placed(t *testing.T, products ...int64) shop.OrderID {
	t.Helper()
	in := newOrder("")
	in.Items = nil
	for _, p := range products {
		in.Items = append(in.Items, order.OrderItem{ProductID: p, Quantity: 1})
	}
	o, err := s.orders.Place(t.Context(), alice.ID, in)
	if err != nil {
		t.Fatal(err)
	}
	return o.ID
}

func (s *fixture) paid(t *testing.T, products ...int64) shop.OrderID {
	t.Helper()
	id := s.placed(t, products...)
	if result, err := s.pay(t.Context(), payInput{OrderID: id}); err != nil || result != (activityResult{}) {
		t.Fatalf("%+v, %v", result, err)
	}
	return id
}

// ended fails unless the order has a status, and all its refunds are settled.
func (s *fixture) ended(t *testing.T, id shop.OrderID, want order.Status, refunded string) {
	t.Helper()
	o, err := s.orders.Get(t.Context(), alice, id)
	if err != nil || o.Status != want || o.Refunded.String() != refunded {
		t.Errorf("the order is %s with %s refunded, want %s with %s; %v", o.Status, o.Refunded, want, refunded, err)
	}
	for _, r := range o.Refunds {
		if r.SettledAt == nil || r.FailedAt != nil || len(r.Amount.String()) < len("0.00") {
			t.Errorf("refund %+v of %s", r, r.Amount)
		}
	}
}

// agrees fails unless the provider's records and ours agree, also later.
func (s *fixture) agrees(t *testing.T) {
	t.Helper()
	for range 2 {
		if err := s.Reconcile(t.Context(), time.Now().Add(3*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if found := s.discrepancies(t); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// TestRefundsOfFreeItems: a refund of items that cost nothing is settled without the provider, in any order.
func TestRefundsOfFreeItems(t *testing.T) {
	for name, products := range map[string][]int64{"paid item first": {1, freeProduct}, "free item first": {freeProduct, 1}} {
		t.Run(name, func(t *testing.T) {
			s, provider := openRecorded(t)
			id := s.paid(t, 1, freeProduct)
			for _, p := range products {
				one := order.NewRefund{Items: []order.OrderItem{{ProductID: p, Quantity: 1}}}
				if _, err := s.orders.Refund(t.Context(), admin, id, one); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					s.settleRefunds(t, id)
				}
			}
			s.ended(t, id, order.Refunded, "10.00")
			s.agrees(t)
			if want := []string{"charge 10.00", "refund 10.00"}; !slices.Equal(provider.requests, want) {
				t.Errorf("the provider got %q, want %q", provider.requests, want)
			}
		})
	}
}

// TestFailedRefundOfFreeItems: a refund of nothing that failed before settles when an admin retries it.
func TestFailedRefundOfFreeItems(t *testing.T) {
	s := open(t)
	id := s.paid(t, 1, freeProduct)
	one := order.NewRefund{Items: []order.OrderItem{{ProductID: freeProduct, Quantity: 1}}}
	o, err := s.orders.Refund(t.Context(), admin, id, one)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.failRefund(t.Context(), o.Refunds[0], "nothing is left of the charge"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.orders.RetryRefund(t.Context(), admin, id, o.Refunds[0].ID); err != nil {
		t.Fatal(err)
	}
	s.settleRefunds(t, id)
	s.reconcile(t, 1)
	s.ended(t, id, order.PartiallyRefunded, "0.00")
	if d := s.discrepancies(t)[id]; d.ResolvedAt == nil {
		t.Errorf("%+v", d)
	}
}

// TestFreeOrders: an order that costs nothing is paid, cancelled and refunded without the provider.
func TestFreeOrders(t *testing.T) {
	s, provider := openRecorded(t)
	open := s.paid(t, freeProduct)
	for _, overdue := range []bool{false, true} { // the activity runs again
		if result, err := s.pay(t.Context(), payInput{open, overdue}); err != nil || result != (activityResult{}) {
			t.Errorf("%+v, %v", result, err)
		}
	}
	late := s.placed(t, freeProduct)
	if result, err := s.pay(t.Context(), payInput{late, true}); err != nil || result != (activityResult{}) {
		t.Errorf("nothing was owed, and the order is overdue: %+v, %v", result, err)
	}
	refunded := s.paid(t, freeProduct)
	if _, err := s.orders.Refund(t.Context(), admin, refunded, order.NewRefund{}); err != nil {
		t.Fatal(err)
	}
	cancelled, unpaid := s.paid(t, freeProduct), s.placed(t, freeProduct)
	for _, id := range []shop.OrderID{cancelled, unpaid} {
		if _, err := s.orders.Cancel(t.Context(), alice, id, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []shop.OrderID{refunded, cancelled, unpaid} {
		for range 2 {
			s.settleRefunds(t, id)
		}
	}
	if result, err := s.pay(t.Context(), payInput{OrderID: unpaid}); err != nil || result.Rejected.Code != shop.PaymentVoided {
		t.Errorf("a cancelled order: %+v, %v", result, err)
	}
	s.ended(t, open, order.Paid, "0.00")
	s.ended(t, late, order.Paid, "0.00")
	s.ended(t, refunded, order.Refunded, "0.00")
	s.ended(t, cancelled, order.Cancelled, "0.00")
	s.ended(t, unpaid, order.Cancelled, "0.00")
	s.agrees(t)
	if len(provider.requests) > 0 {
		t.Errorf("the provider got %q", provider.requests)
	}
	o, err := s.orders.Get(t.Context(), admin, open)
	if err != nil || o.Admin.Payment == nil || o.Admin.Payment.State != payment.Approved ||
		o.History[1].Reason != "nothing to pay" {
		t.Errorf("%+v, %+v, %v", o.Admin.Payment, o.History, err)
	}
}

// TestFreeOrderOfAnEarlierRelease: a charge of 0 was sent to a provider, which has not responded.
func TestFreeOrderOfAnEarlierRelease(t *testing.T) {
	s, provider := openRecorded(t)
	id := s.placed(t, freeProduct)
	s.exec(t, `insert into payments (order_id, provider, amount, currency, state, attempts)
		values ($1, 'stripe', 0, 'USD', 'pending', 3)`, id)
	if result, err := s.pay(t.Context(), payInput{OrderID: id}); err != nil || result != (activityResult{}) {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err := s.orders.Cancel(t.Context(), alice, id, ""); err != nil {
		t.Fatal(err)
	}
	s.settleRefunds(t, id)
	s.ended(t, id, order.Cancelled, "0.00")
	if len(provider.requests) > 0 {
		t.Errorf("the provider got %q", provider.requests)
	}
}

// TestFreeOrdersThroughTheEngine: the workflow pays a free order, and the one of its refund ends.
func TestFreeOrdersThroughTheEngine(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	id := s.placed(t, freeProduct)
	kittest.Eventually(t, 20*time.Second, func() error {
		return s.onPlaced(t.Context(), shop.OrderPlaced{OrderID: id})
	})
	s.await(t, id, order.Paid)
	if _, err := s.orders.Cancel(t.Context(), alice, id, ""); err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, 20*time.Second, func() error {
		return s.onCancelled(t.Context(), shop.OrderCancelled{OrderID: id})
	})
	s.awaitRefund(t, id, func(r order.Refund) bool { return r.SettledAt != nil })
	s.ended(t, id, order.Cancelled, "0.00")
}
