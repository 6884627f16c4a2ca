package fulfilment

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func (s *fixture) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := s.db.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func (s *fixture) reconcile(t *testing.T, times int) {
	t.Helper()
	for range times {
		if err := s.Reconcile(t.Context(), time.Now().Add(10*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
}

// chargeWithoutOrder makes a charge without an order, some days ago.
func (s *fixture) chargeWithoutOrder(t *testing.T, token string, days int) shop.OrderID {
	t.Helper()
	c := s.charge(shop.OrderID{UUID: shop.NewID()})
	c.Token = token
	if _, err := s.provider.Charge(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s.exec(t, `update simulated_ledger set begun_at = begun_at - make_interval(days => $2) where key = $1`, c.OrderID, days)
	return c.OrderID
}

// backfillRuns is enough for the backfill of a month and its restart.
const backfillRuns = 6

// TestReconcileFindsOldDiscrepancies: they appeared while the job did not run for weeks, or after it compared that
// time.
func TestReconcileFindsOldDiscrepancies(t *testing.T) {
	s := open(t)
	matching := s.paidOrder(t)
	s.reconcile(t, 1)
	lost := s.chargeWithoutOrder(t, "", 20)
	late := s.paidOrder(t)
	unpaid := s.paidOrder(t)
	s.exec(t, `update simulated_ledger set begun_at = begun_at - interval '20 days' where key <> $1`, lost)
	s.exec(t, `update orders set paid_at = paid_at - interval '20 days'`)
	s.exec(t, `update orders set status = 'cancelled' where id = $1`, late)
	s.exec(t, `delete from simulated_ledger where key = $1`, unpaid)
	s.reconcile(t, backfillRuns)
	found := s.discrepancies(t)
	for id, want := range map[shop.OrderID]payment.DiscrepancyKind{
		lost: payment.ChargedWithoutOrder, late: payment.ChargedAndCancelled, unpaid: payment.PaidWithoutCharge,
	} {
		if got := found[id]; got.Kind != want || (got.ResolvedAt != nil) != (want != payment.PaidWithoutCharge) {
			t.Errorf("%s: %+v, want %s", id, got, want)
		}
	}
	if _, wrong := found[matching]; wrong || len(found) != 3 || s.totalCharged(t) != "20.00" {
		t.Errorf("%d discrepancies, charged %s, want 20.00 for one order", len(found), s.totalCharged(t))
	}
	another := s.chargeWithoutOrder(t, "", 25) // the backfill is past it
	s.reconcile(t, backfillRuns)
	if s.discrepancies(t)[another].ResolvedAt == nil {
		t.Error("the backfill does not restart")
	}
	s.exec(t, `update orders set status = 'refunded' where id = $1`, unpaid)
	s.reconcile(t, 1)
	if s.discrepancies(t)[unpaid].ResolvedAt == nil {
		t.Error("the discrepancy of a refunded order is not resolved")
	}
}

// TestReconcileRetriesRefunds: a discrepancy stays unresolved while the provider refuses the refund, and blocks no
// other.
func TestReconcileRetriesRefunds(t *testing.T) {
	s := open(t)
	refused, other := s.chargeWithoutOrder(t, "tok_refund_refused", 0), s.chargeWithoutOrder(t, "", 0)
	s.reconcile(t, 2)
	if found := s.discrepancies(t); found[refused].ResolvedAt != nil || found[other].ResolvedAt == nil {
		t.Errorf("%+v", found)
	}
	s.exec(t, `update simulated_ledger set refuses = false`)
	s.reconcile(t, 1)
	if s.discrepancies(t)[refused].ResolvedAt == nil || s.totalCharged(t) != "0.00" {
		t.Errorf("%+v, charged %s", s.discrepancies(t), s.totalCharged(t))
	}
}

// TestAutomaticRefundsAreLimited: if all orders are lost, their charges must not be refunded without an admin.
func TestAutomaticRefundsAreLimited(t *testing.T) {
	s := open(t)
	for range 25 {
		s.chargeWithoutOrder(t, "", 0)
	}
	s.reconcile(t, 3)
	resolved, waiting := 0, payment.PaymentDiscrepancy{}
	for _, d := range s.discrepancies(t) {
		if d.ResolvedAt != nil {
			resolved++
		} else {
			waiting = d
		}
	}
	if resolved != 20 || s.totalCharged(t) != "100.00" {
		t.Fatalf("%d of 25 were refunded, charged %s", resolved, s.totalCharged(t))
	}
	s.exec(t, `update payment_discrepancies set found_at = found_at - interval '2 days'`)
	s.reconcile(t, 2)
	if s.totalCharged(t) != "100.00" {
		t.Errorf("refunded without an admin after two days, charged %s", s.totalCharged(t))
	}
	d, err := s.payments.RefundDiscrepancy(t.Context(), waiting.ID)
	if err != nil || d.ResolvedAt == nil || s.totalCharged(t) != "80.00" {
		t.Errorf("refund by an admin: %+v, %v, charged %s", d, err, s.totalCharged(t))
	}
	if _, err := s.payments.RefundDiscrepancy(t.Context(), 1<<40); !errors.Is(err, payment.ErrDiscrepancyNotFound) {
		t.Errorf("an unknown discrepancy: %v", err)
	}
}

// TestBadRowDoesNotBlockReconciliation: a row that cannot be read is reported and compared again later.
func TestBadRowDoesNotBlockReconciliation(t *testing.T) {
	s := open(t)
	bad, unread, lost := s.paidOrder(t), s.paidOrder(t), s.chargeWithoutOrder(t, "", 0)
	s.exec(t, `update orders set total = 'NaN' where id in ($1, $2)`, bad, unread)
	s.exec(t, `delete from simulated_ledger where key = $1`, unread) // it is not in the provider's list
	s.exec(t, `insert into payment_discrepancies (kind, order_id, provider, reference, amount, currency)
		values ('paid_without_charge', $1, 'simulated', '', 1, 'USD')`, bad)
	charged := s.paidOrder(t)
	discrepancy := payment.Record{OrderID: charged, Currency: "USD"}
	if err := s.payments.Report(t.Context(), payment.PaidWithoutCharge, discrepancy); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(10 * time.Minute)
	if err := s.Reconcile(t.Context(), now); err == nil {
		t.Error("no error for a bad row")
	}
	found := s.discrepancies(t)
	if found[charged].ResolvedAt == nil || found[lost].ResolvedAt == nil {
		t.Errorf("a bad row blocked others: %+v", found)
	}
	count := func(where string) (n int) {
		t.Helper()
		err := s.db.QueryRow(t.Context(), `select count(*) from payment_discrepancies where `+where).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(`kind = 'not_compared' and resolved_at is null`); n != 2 {
		t.Errorf("%d are reported as not compared", n)
	}
	s.exec(t, `update payment_discrepancies set retry_at = now() where kind = 'not_compared'`)
	_ = s.Reconcile(t.Context(), now)
	if n := count(`attempts > 0 and retry_at > now() + interval '9 minutes' and resolved_at is null`); n != 3 {
		t.Errorf("%d are postponed", n)
	}
	if err := s.Reconcile(t.Context(), now); err != nil {
		t.Errorf("a postponed discrepancy is checked: %v", err)
	}
	s.exec(t, `update orders set total = 20`)
	s.exec(t, `update payment_discrepancies set retry_at = now()`)
	s.reconcile(t, 1)
	if n := count(`kind = 'not_compared' and resolved_at is null`); n != 0 {
		t.Errorf("%d are still not compared", n)
	}
}

// TestReconcileStopsIfTheProviderIsUnavailable: failed lookups leave a few discrepancies, not one for each order, and
// do not advance the progress. Orders that can never be compared do not block it forever.
func TestReconcileStopsIfTheProviderIsUnavailable(t *testing.T) {
	s := open(t)
	s.reconcile(t, 1)
	for range 2*maxFailed + 5 {
		s.paidOrder(t)
	}
	s.exec(t, `delete from simulated_ledger`) // its list is empty
	s.payments = s.newPayments(s.orders, unavailableProvider{s.provider})
	now := time.Now().Add(time.Hour)
	for run := 1; run <= 3; run++ {
		before, err := s.payments.Progress(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = s.Reconcile(t.Context(), now)
		after, progressErr := s.payments.Progress(t.Context())
		if progressErr != nil {
			t.Fatal(progressErr)
		}
		found, last := len(s.discrepancies(t)), run == 3
		if (err == nil) != last || after.Until.After(before.Until) != last || found != min(run*maxFailed, 2*maxFailed+5) {
			t.Errorf("run %d: %v, from %s to %s, %d discrepancies", run, err, before.Until, after.Until, found)
		}
		s.exec(t, `update payment_discrepancies set retry_at = now() + interval '1 day'`)
	}
}

// TestRefusedRefundFails: it is not retried, the history shows why, the goods are restocked nevertheless, and an admin
// can retry it.
func TestRefusedRefundFails(t *testing.T) {
	s := open(t)
	id := s.paidOrderWith(t, "tok_refund_refused")
	if _, err := s.orders.Refund(t.Context(), admin, id, oneItem); err != nil {
		t.Fatal(err)
	}
	now := func(want string) order.Refund {
		t.Helper()
		for range 2 {
			s.settleRefunds(t, id)
		}
		o, err := s.orders.Get(t.Context(), alice, id)
		if err != nil {
			t.Fatal(err)
		}
		last := o.History[len(o.History)-1]
		if last.Reason != want || last.Status != order.PartiallyRefunded {
			t.Errorf("the history ends with %+v, want %q", last, want)
		}
		return o.Refunds[0]
	}
	const failure = "the refund of 10.00 USD failed: the payment provider refused the refund"
	refund := now(failure)
	if refund.FailedAt == nil || refund.Failure != "the payment provider refused the refund" || refund.SettledAt != nil {
		t.Errorf("%+v", refund)
	}
	if len(s.stockCalls) != 1 || s.discrepancies(t)[id].Kind != payment.RefundRefused {
		t.Errorf("stock calls %v, discrepancies %+v", s.stockCalls, s.discrepancies(t))
	}
	open, err := s.orders.Recovery().OpenRefunds(t.Context(), time.Now().Add(time.Hour), order.Instance{})
	if err != nil || len(open) > 0 {
		t.Errorf("it is still open: %v, %v", open, err)
	}
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	s.orders.Routes(app)
	s.payments.Routes(app)
	retry := "POST /orders/" + id.String() + "/refunds/" + refund.ID.String() + "/retry"
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "by the buyer", As: alice, Do: retry, Want: 403},
		{Name: "of another order", As: admin, Do: strings.Replace(retry, id.String(), shop.NewID().String(), 1), Want: 404},
		{Name: "a discrepancy of another kind", As: admin, Do: "POST /payments/discrepancies/1/refund", Want: 409,
			Has: []string{`"not_refundable"`}},
		{Name: "by the buyer, a discrepancy", As: alice, Do: "POST /payments/discrepancies/1/refund", Want: 403},
	})
	again := func() {
		t.Helper()
		if _, err := s.orders.RetryRefund(t.Context(), admin, id, refund.ID); err != nil {
			t.Fatal(err)
		}
	}
	again()
	if now(failure).FailedAt == nil {
		t.Error("it did not fail again")
	}
	s.exec(t, `update simulated_ledger set refuses = false`)
	again()
	refund = now("the refund of 10.00 USD is retried")
	if refund.SettledAt == nil || refund.FailedAt != nil || s.totalCharged(t) != "10.00" {
		t.Errorf("%+v, charged %s", refund, s.totalCharged(t))
	}
	if _, err := s.orders.RetryRefund(t.Context(), admin, id, refund.ID); !errors.Is(err, order.ErrNotFailed) {
		t.Errorf("a settled refund is retried: %v", err)
	}
	s.reconcile(t, 1)
	if s.discrepancies(t)[id].ResolvedAt == nil {
		t.Error("the discrepancy is not resolved")
	}
}
