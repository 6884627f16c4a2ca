package fulfilment

import (
	"errors"
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

// chargeWithoutOrder is a charge of an order that was never kept, made so many days ago.
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

// through is enough runs to walk through a month and begin again.
const through = 6

// TestReconcileFindsWhatIsOld: the job was away for weeks, or has looked before somebody broke something.
func TestReconcileFindsWhatIsOld(t *testing.T) {
	s := open(t)
	well := s.bought(t)
	s.reconcile(t, 1)
	lost := s.chargeWithoutOrder(t, "", 20)
	late := s.bought(t)
	unpaid := s.bought(t)
	s.exec(t, `update simulated_ledger set begun_at = begun_at - interval '20 days' where key <> $1`, lost)
	s.exec(t, `update orders set paid_at = paid_at - interval '20 days'`)
	s.exec(t, `update orders set status = 'cancelled' where id = $1`, late)
	s.exec(t, `delete from simulated_ledger where key = $1`, unpaid)
	s.reconcile(t, through)
	found := s.discrepancies(t)
	for id, want := range map[shop.OrderID]payment.DiscrepancyKind{lost: payment.ChargedWithoutOrder, late: payment.ChargedAndCancelled, unpaid: payment.PaidWithoutCharge} {
		if got := found[id]; got.Kind != want || (got.ResolvedAt != nil) != (want != payment.PaidWithoutCharge) {
			t.Errorf("%s: %+v, want %s", id, got, want)
		}
	}
	if _, wrong := found[well]; wrong || len(found) != 3 || s.totalCharged(t) != "20.00" {
		t.Errorf("%d findings, %s is taken, want 20.00 for one order", len(found), s.totalCharged(t))
	}
	another := s.chargeWithoutOrder(t, "", 25) // which the walk has passed
	s.reconcile(t, through)
	if s.discrepancies(t)[another].ResolvedAt == nil {
		t.Error("it does not begin again")
	}
	s.exec(t, `update orders set status = 'refunded' where id = $1`, unpaid)
	s.reconcile(t, 1)
	if s.discrepancies(t)[unpaid].ResolvedAt == nil {
		t.Error("an order that is in order by now is still open")
	}
}

// TestReconcileTriesAgain: what the provider does not give back stays open until it does, and keeps nothing else
// waiting.
func TestReconcileTriesAgain(t *testing.T) {
	s := open(t)
	stubborn, other := s.chargeWithoutOrder(t, "tok_refund_refused", 0), s.chargeWithoutOrder(t, "", 0)
	s.reconcile(t, 2)
	if found := s.discrepancies(t); found[stubborn].ResolvedAt != nil || found[other].ResolvedAt == nil {
		t.Errorf("%+v", found)
	}
	s.exec(t, `update simulated_ledger set refuses = false`)
	s.reconcile(t, 1)
	if s.discrepancies(t)[stubborn].ResolvedAt == nil || s.totalCharged(t) != "0.00" {
		t.Errorf("%+v, %s is taken", s.discrepancies(t), s.totalCharged(t))
	}
}

// TestSoManyAreNotGivenBack: where all orders are gone, the money of all of them must not go too before somebody has
// looked.
func TestSoManyAreNotGivenBack(t *testing.T) {
	s := open(t)
	for range 25 {
		s.chargeWithoutOrder(t, "", 0)
	}
	s.reconcile(t, 3)
	mended, waits := 0, payment.PaymentDiscrepancy{}
	for _, f := range s.discrepancies(t) {
		if f.ResolvedAt != nil {
			mended++
		} else {
			waits = f
		}
	}
	if mended != 20 || s.totalCharged(t) != "100.00" {
		t.Fatalf("%d of 25 were given back, %s is taken", mended, s.totalCharged(t))
	}
	s.exec(t, `update payment_discrepancies set found_at = found_at - interval '2 days'`)
	s.reconcile(t, 2)
	if s.totalCharged(t) != "100.00" {
		t.Errorf("nobody has looked for two days, and %s is taken", s.totalCharged(t))
	}
	if f, err := s.payments.RefundDiscrepancy(t.Context(), waits.ID); err != nil || f.ResolvedAt == nil || s.totalCharged(t) != "80.00" {
		t.Errorf("an admin says so: %+v, %v, %s is taken", f, err, s.totalCharged(t))
	}
	if _, err := s.payments.RefundDiscrepancy(t.Context(), 1<<40); !errors.Is(err, payment.ErrDiscrepancyNotFound) {
		t.Errorf("what was never found: %v", err)
	}
}

// TestReconcileGoesOnAfterABadRow: what cannot be read is reported and comes again later, and everything else is
// compared meanwhile.
func TestReconcileGoesOnAfterABadRow(t *testing.T) {
	s := open(t)
	bad, unread, lost := s.bought(t), s.bought(t), s.chargeWithoutOrder(t, "", 0)
	s.exec(t, `update orders set total = 'NaN' where id in ($1, $2)`, bad, unread)
	s.exec(t, `delete from simulated_ledger where key = $1`, unread) // the provider does not speak of it by itself
	s.exec(t, `insert into payment_discrepancies (kind, order_id, provider, reference, amount, currency) values ('paid_without_charge', $1, 'simulated', '', 1, 'USD')`, bad)
	mends := s.boughtWith(t, "")
	if err := s.payments.Report(t.Context(), payment.PaidWithoutCharge, payment.Record{OrderID: mends, Currency: "USD"}); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(10 * time.Minute)
	if err := s.Reconcile(t.Context(), at); err == nil {
		t.Error("it does not say that a row is bad")
	}
	found := s.discrepancies(t)
	if found[mends].ResolvedAt == nil || found[lost].ResolvedAt == nil {
		t.Errorf("a bad row held up others: %+v", found)
	}
	count := func(where string) (n int) {
		t.Helper()
		if err := s.db.QueryRow(t.Context(), `select count(*) from payment_discrepancies where `+where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(`kind = 'not_compared' and resolved_at is null`); n != 2 {
		t.Errorf("%d are kept as not compared", n)
	}
	s.exec(t, `update payment_discrepancies set retry_at = now() where kind = 'not_compared'`)
	_ = s.Reconcile(t.Context(), at)
	if n := count(`attempts > 0 and retry_at > now() + interval '9 minutes' and resolved_at is null`); n != 3 {
		t.Errorf("%d wait for later", n)
	}
	if err := s.Reconcile(t.Context(), at); err != nil {
		t.Errorf("what waits for later is looked at: %v", err)
	}
	s.exec(t, `update orders set total = 20`)
	s.exec(t, `update payment_discrepancies set retry_at = now()`)
	s.reconcile(t, 1)
	if n := count(`kind = 'not_compared' and resolved_at is null`); n != 0 {
		t.Errorf("%d are still not compared", n)
	}
}

// TestReconcileStopsWhereTheProviderIsBusy: it looks up no charge for now. That leaves a few findings and not one for
// each order, and the position where it was. Orders that can never be compared do not hold it up for ever.
func TestReconcileStopsWhereTheProviderIsBusy(t *testing.T) {
	s := open(t)
	s.reconcile(t, 1)
	for range 2*maxFailed + 5 {
		s.bought(t)
	}
	s.exec(t, `delete from simulated_ledger`) // it does not speak of them by itself
	s.payments = s.paidWith(s.orders, unavailableProvider{s.provider})
	at := time.Now().Add(time.Hour)
	for run := 1; run <= 3; run++ {
		before, err := s.payments.Progress(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = s.Reconcile(t.Context(), at)
		after, noted := s.payments.Progress(t.Context())
		if noted != nil {
			t.Fatal(noted)
		}
		found := len(s.discrepancies(t))
		if last := run == 3; (err == nil) != last || after.Until.After(before.Until) != last || found != min(run*maxFailed, 2*maxFailed+5) {
			t.Errorf("run %d: %v, from %s to %s, %d findings", run, err, before.Until, after.Until, found)
		}
		s.exec(t, `update payment_discrepancies set retry_at = now() + interval '1 day'`)
	}
}

// TestARefusedRefundEnds: it is not asked for for ever, everybody sees why, the goods are back all the same, and an
// admin can have it tried again.
func TestARefusedRefundEnds(t *testing.T) {
	s := open(t)
	id := s.boughtWith(t, "tok_refund_refused")
	if _, err := s.orders.Refund(t.Context(), admin, id, order.NewRefund{Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}}); err != nil {
		t.Fatal(err)
	}
	now := func(want string) order.Refund {
		t.Helper()
		for range 2 {
			s.settled(t, id)
		}
		o, err := s.orders.Get(t.Context(), alice, id)
		if err != nil {
			t.Fatal(err)
		}
		last := o.History[len(o.History)-1]
		if last.Reason != want || last.Status != order.PartiallyRefunded {
			t.Errorf("the timeline ends with %+v, want %q", last, want)
		}
		return o.Refunds[0]
	}
	const why = "the refund of 10.00 USD failed: the payment provider does not give it back"
	refund := now(why)
	if refund.FailedAt == nil || refund.Failure != "the payment provider does not give it back" || refund.SettledAt != nil {
		t.Errorf("%+v", refund)
	}
	if len(s.shelf) != 1 || s.discrepancies(t)[id].Kind != payment.RefundRefused {
		t.Errorf("shelf %v, findings %+v", s.shelf, s.discrepancies(t))
	}
	if owing, err := s.orders.Recovery().OpenRefunds(t.Context(), time.Now().Add(time.Hour), order.Instance{}); err != nil || len(owing) > 0 {
		t.Errorf("it is still tried: %v, %v", owing, err)
	}
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	s.orders.Routes(app)
	s.payments.Routes(app)
	retry := "POST /orders/" + id.String() + "/refunds/" + refund.ID.String() + "/retry"
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "by the buyer", As: alice, Do: retry, Want: 403},
		{Name: "of another order", As: admin, Do: "POST /orders/" + shop.NewID().String() + "/refunds/" + refund.ID.String() + "/retry", Want: 404},
		{Name: "a finding of another kind", As: admin, Do: "POST /payments/discrepancies/1/refund", Want: 409, Has: []string{`"not_refundable"`}},
		{Name: "by the buyer, a finding", As: alice, Do: "POST /payments/discrepancies/1/refund", Want: 403},
	})
	again := func() {
		t.Helper()
		if _, err := s.orders.RetryRefund(t.Context(), admin, id, refund.ID); err != nil {
			t.Fatal(err)
		}
	}
	again()
	if now(why).FailedAt == nil {
		t.Error("refused again, it has not failed")
	}
	s.exec(t, `update simulated_ledger set refuses = false`)
	again()
	if refund = now("the refund of 10.00 USD is tried again"); refund.SettledAt == nil || refund.FailedAt != nil || s.totalCharged(t) != "10.00" {
		t.Errorf("%+v, %s is taken", refund, s.totalCharged(t))
	}
	if _, err := s.orders.RetryRefund(t.Context(), admin, id, refund.ID); !errors.Is(err, order.ErrNotFailed) {
		t.Errorf("what went back is tried again: %v", err)
	}
	s.reconcile(t, 1)
	if s.discrepancies(t)[id].ResolvedAt == nil {
		t.Error("the finding is still open")
	}
}
