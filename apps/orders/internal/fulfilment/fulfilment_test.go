package fulfilment

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/payment/simulated"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// fixture is fulfilment on a real database and a real provider, with a shelf that only takes notes. It has no engine.
type fixture struct {
	*Service
	db       *pgxpool.Pool
	provider *simulated.Provider
	shelf    []string
	mu       sync.Mutex
	away     atomic.Bool // products does not answer

	startRefund func(context.Context, shop.OrderID, uuid.UUID) error
}

var alice, admin = kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)

func open(t *testing.T) *fixture {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations, payment.Migrations)
	s := &fixture{db: db, provider: simulated.New(db, "key"), startRefund: func(context.Context, shop.OrderID, uuid.UUID) error { return nil }}
	orders := order.NewService(event.NewOutbox(db), order.Calls{
		Reserve: func(_ context.Context, _ shop.OrderID, items []order.OrderItem) (lines []order.Reserved, err error) {
			for _, item := range items {
				lines = append(lines, order.Reserved{ProductID: item.ProductID, Quantity: item.Quantity, UnitPrice: shop.MustMoney("10.00"), Currency: "USD"})
			}
			return lines, nil
		},
		Release:        func(context.Context, shop.OrderID) error { return nil },
		WorkflowStatus: func(context.Context, shop.OrderID) *order.Workflow { return nil },
		Notifications:  func(context.Context, shop.UserID, shop.OrderID) ([]order.OrderNotification, error) { return nil, nil },
		StartRefund: func(ctx context.Context, id shop.OrderID, refund uuid.UUID) error {
			return s.startRefund(ctx, id, refund)
		},
	})
	note := func(what string) error {
		if s.away.Load() {
			return errors.New("products is away")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.shelf = append(s.shelf, what)
		return nil
	}
	s.Service = NewService(orders, s.paidWith(orders, s.provider), Stock{
		Commit:  func(context.Context, shop.OrderID) error { return note("commit") },
		Release: func(context.Context, shop.OrderID) error { return note("release") },
		Restock: func(_ context.Context, _ shop.OrderID, items []order.OrderItem) error {
			for range items[0].Quantity {
				if err := note("return"); err != nil {
					return err
				}
			}
			return nil
		},
	}, Engine{}, Times{})
	return s
}

func (s *fixture) paidWith(orders *order.Service, provider payment.Provider) *payment.Service {
	return payment.NewService(s.db, provider, func(context.Context, shop.OrderID) {}, orders.RefundFailed)
}

// settled has all refunds that an order owes carried out, as their workflows do.
func (s *fixture) settled(t *testing.T, id shop.OrderID) {
	t.Helper()
	if err := s.settleAll(t, id); err != nil {
		t.Fatal(err)
	}
}

func (s *fixture) settleAll(t *testing.T, id shop.OrderID) error {
	t.Helper()
	owed, err := s.orders.OpenRefunds(t.Context(), id)
	for _, r := range owed {
		err = errors.Join(err, s.settle(t.Context(), refundInput{id, r.ID}))
	}
	return err
}

func (s *fixture) charge(id shop.OrderID) payment.Charge {
	return payment.Charge{OrderID: id, Amount: shop.MustMoney("20.00"), Currency: "USD"}
}

// bought is a paid order of two things for 20.00.
func (s *fixture) bought(t *testing.T) shop.OrderID {
	t.Helper()
	return s.boughtWith(t, "")
}

func (s *fixture) boughtWith(t *testing.T, token string) shop.OrderID {
	t.Helper()
	o, err := s.orders.Place(t.Context(), alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
	if err == nil {
		c := s.charge(o.ID)
		c.Token = token
		_, err = s.payments.Charge(t.Context(), c)
	}
	if err == nil {
		err = s.orders.MarkPaid(t.Context(), o.ID, "sim")
	}
	if err != nil {
		t.Fatal(err)
	}
	return o.ID
}

func (s *fixture) totalCharged(t *testing.T) string {
	t.Helper()
	var left shop.Money
	if err := s.db.QueryRow(t.Context(), `select coalesce(sum(amount - refunded), 0.00) from simulated_ledger where state = 'approved'`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	exact, err := left.In("USD")
	if err != nil {
		t.Fatal(err)
	}
	return exact.String()
}

func TestSettle(t *testing.T) {
	s := open(t)
	id := s.bought(t)
	refund := func(n int) {
		t.Helper()
		if _, err := s.orders.Refund(t.Context(), admin, id, order.NewRefund{Items: []order.OrderItem{{ProductID: 1, Quantity: n}}}); err != nil {
			t.Fatal(err)
		}
	}
	refund(1)
	s.away.Store(true)
	if err := s.settleAll(t, id); err == nil {
		t.Error("it is settled, and the goods are not on the shelf")
	}
	s.away.Store(false)
	for range 3 {
		s.settled(t, id)
	}
	if got := s.totalCharged(t); got != "10.00" || !slices.Equal(s.shelf, []string{"return"}) {
		t.Errorf("%s is taken, shelf %v", got, s.shelf)
	}
	if _, err := s.orders.Cancel(t.Context(), alice, id); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.settled(t, id)
	}
	if got := s.totalCharged(t); got != "0.00" || !slices.Equal(s.shelf, []string{"return", "release"}) {
		t.Errorf("%s is taken, shelf %v", got, s.shelf)
	}
}

func TestReconcile(t *testing.T) {
	s := open(t)
	well := s.bought(t)
	// The process died between the provider's answer and everything else, and the order was never kept.
	lost := shop.OrderID{UUID: shop.NewID()}
	if _, err := s.provider.Charge(t.Context(), s.charge(lost)); err != nil {
		t.Fatal(err)
	}
	// Cancelled and settled, and then a process that had begun before took the money.
	late, err := s.orders.Place(t.Context(), alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
	if err == nil {
		_, err = s.orders.Cancel(t.Context(), alice, late.ID)
	}
	if err == nil {
		err = s.settleAll(t, late.ID)
	}
	if err == nil {
		_, err = s.provider.Charge(t.Context(), s.charge(late.ID))
	}
	if err != nil {
		t.Fatal(err)
	}
	// Marked as paid by hand.
	unpaid, err := s.orders.Place(t.Context(), alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
	if err == nil {
		err = s.orders.MarkPaid(t.Context(), unpaid.ID, "by hand")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reconcile(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if found := s.discrepancies(t); len(found) > 0 {
		t.Errorf("what is young may still be on its way: %+v", found)
	}
	for range 2 {
		if err := s.Reconcile(t.Context(), time.Now().Add(10*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	found := s.discrepancies(t)
	for id, want := range map[shop.OrderID]payment.PaymentDiscrepancy{
		lost: {Kind: payment.ChargedWithoutOrder}, late.ID: {Kind: payment.ChargedAndCancelled}, unpaid.ID: {Kind: payment.PaidWithoutCharge},
	} {
		got := found[id]
		if got.Kind != want.Kind || (got.ResolvedAt != nil) != (want.Kind != payment.PaidWithoutCharge) {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	if _, wrong := found[well]; wrong || len(found) != 3 || s.totalCharged(t) != "20.00" {
		t.Errorf("%d findings, %s is taken, want 20.00 for one order", len(found), s.totalCharged(t))
	}
}

func (s *fixture) discrepancies(t *testing.T) map[shop.OrderID]payment.PaymentDiscrepancy {
	t.Helper()
	page, err := s.payments.ListDiscrepancies(t.Context(), web.PageQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	found := map[shop.OrderID]payment.PaymentDiscrepancy{}
	for _, f := range page.Items {
		found[f.OrderID] = f
	}
	return found
}

// unavailableProvider is a provider that looks up no charge at the moment.
type unavailableProvider struct{ *simulated.Provider }

func (unavailableProvider) Find(context.Context, shop.OrderID, string) (payment.Receipt, error) {
	return payment.Receipt{}, payment.ErrProvider
}

// TestOverdue: from its end on an unpaid order is not charged any more, and a payment that the provider had made by
// then counts, also where its message is lost.
func TestOverdue(t *testing.T) {
	for name, c := range map[string]struct {
		token   string
		charged bool // before
		says    string
		want    activityResult
		taken   string
	}{
		"never charged":                {"", false, "", activityResult{Rejected: shop.Cause{Code: shop.Unpaid}, Declined: true}, "0.00"},
		"without an answer":            {"tok_timeout", true, "", activityResult{Rejected: shop.Cause{Code: shop.Unpaid}, Declined: true}, "0.00"},
		"approved a moment ago":        {"tok_timeout", true, "charge.approved", activityResult{}, "0.00"}, // the ledger follows
		"declined a moment ago":        {"tok_timeout", true, "charge.declined", activityResult{Rejected: shop.Cause{Words: "no funds"}, Declined: true}, "0.00"},
		"made, and nobody said so":     {"tok_timeout", true, "unsaid", activityResult{}, "20.00"},
		"declined, and nobody said so": {"tok_timeout", true, "refused", activityResult{Rejected: shop.Cause{Code: shop.PaymentDeclined, Words: shop.PaymentDeclined.Text()}, Declined: true}, "0.00"},
		"nobody answers":               {"tok_timeout", true, "silent", activityResult{Rejected: shop.Cause{Code: shop.Unpaid}, Declined: true}, "0.00"},
		"charged, products was away":   {"", true, "", activityResult{}, "20.00"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			o, err := s.orders.Place(t.Context(), alice.ID, order.NewOrder{
				Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal", PaymentToken: c.token})
			if err != nil {
				t.Fatal(err)
			}
			if c.charged {
				s.away.Store(true)
				_, _ = s.pay(t.Context(), payInput{OrderID: o.ID})
				s.away.Store(false)
			}
			switch c.says {
			case "":
			case "unsaid":
				s.exec(t, `update simulated_ledger set state = 'approved', settled_at = now()`)
			case "refused":
				s.exec(t, `update simulated_ledger set state = 'declined', settled_at = now()`)
			case "silent":
				s.payments = s.paidWith(s.orders, unavailableProvider{s.provider})
			default:
				s.sendWebhook(t, simulated.WebhookMessage{Type: c.says, OrderID: o.ID, Reason: "no funds"})
			}
			for range 2 {
				if got, err := s.pay(t.Context(), payInput{o.ID, true}); err != nil || got != c.want {
					t.Errorf("%+v, %v", got, err)
				}
			}
			if got := s.totalCharged(t); got != c.taken {
				t.Errorf("%s is taken", got)
			}
		})
	}
}

// TestApprovedAfterTheEnd: the provider took the money when the order was over. It goes back, whoever comes first.
func TestApprovedAfterTheEnd(t *testing.T) {
	s := open(t)
	o, err := s.orders.Place(t.Context(), alice.ID, order.NewOrder{
		Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal", PaymentToken: "tok_timeout"})
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
	s.settled(t, o.ID)
	got, err := s.orders.Get(t.Context(), alice, o.ID)
	if err != nil || got.Status != order.Cancelled || got.History[1].Reason != shop.Unpaid.Text() || s.totalCharged(t) != "0.00" {
		t.Errorf("%+v, %v, %s is taken", got, err, s.totalCharged(t))
	}
}
