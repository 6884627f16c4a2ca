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

// fixture is fulfilment on a real database and the simulated provider, without a workflow engine. It records the calls
// of the products service.
type fixture struct {
	*Service
	db           *pgxpool.Pool
	provider     *simulated.Provider
	stockCalls   []string
	mu           sync.Mutex
	productsDown atomic.Bool

	startRefund func(context.Context, shop.OrderID, uuid.UUID) error
}

var alice, admin = kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)

func open(t *testing.T) *fixture {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations, payment.Migrations)
	s := &fixture{db: db, provider: simulated.New(db, "key")}
	s.startRefund = func(context.Context, shop.OrderID, uuid.UUID) error { return nil }
	orders := order.NewService(event.NewOutbox(db), order.Calls{
		Reserve: func(_ context.Context, _ shop.OrderID, items []order.OrderItem) (lines []order.Reserved, err error) {
			for _, item := range items {
				price := shop.MustMoney("10.00")
				if item.ProductID == freeProduct {
					price = shop.MustMoney("0.00")
				}
				lines = append(lines, order.Reserved{
					ProductID: item.ProductID, Quantity: item.Quantity, UnitPrice: price, Currency: "USD",
				})
			}
			return lines, nil
		},
		Release:  func(context.Context, shop.OrderID) error { return nil },
		Workflow: func(context.Context, shop.OrderID) *order.Workflow { return nil },
		Notifications: func(context.Context, shop.UserID, shop.OrderID) ([]order.OrderNotification, error) {
			return nil, nil
		},
		StartRefund: func(ctx context.Context, id shop.OrderID, refund uuid.UUID) error {
			return s.startRefund(ctx, id, refund)
		},
	})
	record := func(call string) error {
		if s.productsDown.Load() {
			return errors.New("products is unavailable")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stockCalls = append(s.stockCalls, call)
		return nil
	}
	s.Service = NewService(orders, s.newPayments(orders, s.provider), Stock{
		Commit:  func(context.Context, shop.OrderID) error { return record("commit") },
		Release: func(context.Context, shop.OrderID) error { return record("release") },
		Restock: func(_ context.Context, _ shop.OrderID, items []order.OrderItem) error {
			for range items[0].Quantity {
				if err := record("restock"); err != nil {
					return err
				}
			}
			return nil
		},
	}, Engine{}, Times{})
	return s
}

func (s *fixture) newPayments(orders *order.Service, provider payment.Provider) *payment.Service {
	return payment.NewService(s.db, provider, func(context.Context, shop.OrderID) {}, orders.RefundFailed)
}

func newOrder(token string) order.NewOrder {
	return order.NewOrder{
		Items:    []order.OrderItem{{ProductID: 1, Quantity: 2}},
		Checkout: order.Checkout{PaymentMethod: "paypal", PaymentToken: token},
	}
}

var oneItem = order.NewRefund{Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}}

// settleRefunds settles the open refunds of an order, as their workflows do.
func (s *fixture) settleRefunds(t *testing.T, id shop.OrderID) {
	t.Helper()
	if err := s.settleAll(t, id); err != nil {
		t.Fatal(err)
	}
}

func (s *fixture) settleAll(t *testing.T, id shop.OrderID) error {
	t.Helper()
	open, err := s.orders.OpenRefunds(t.Context(), id)
	for _, r := range open {
		err = errors.Join(err, s.settle(t.Context(), refundInput{id, r.ID}))
	}
	return err
}

func (s *fixture) charge(id shop.OrderID) payment.Charge {
	return payment.Charge{OrderID: id, Amount: shop.MustMoney("20.00"), Currency: "USD"}
}

// paidOrder is a paid order of two items for 20.00.
func (s *fixture) paidOrder(t *testing.T) shop.OrderID {
	t.Helper()
	return s.paidOrderWith(t, "")
}

func (s *fixture) paidOrderWith(t *testing.T, token string) shop.OrderID {
	t.Helper()
	o, err := s.orders.Place(t.Context(), alice.ID, newOrder(""))
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
	if err := s.db.QueryRow(t.Context(), `
		select coalesce(sum(amount - refunded), 0.00) from simulated_ledger where state = 'approved'`).Scan(&left); err != nil {
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
	id := s.paidOrder(t)
	if _, err := s.orders.Refund(t.Context(), admin, id, oneItem); err != nil {
		t.Fatal(err)
	}
	s.productsDown.Store(true)
	if err := s.settleAll(t, id); err == nil {
		t.Error("settled without a restock")
	}
	s.productsDown.Store(false)
	for range 3 {
		s.settleRefunds(t, id)
	}
	if got := s.totalCharged(t); got != "10.00" || !slices.Equal(s.stockCalls, []string{"restock"}) {
		t.Errorf("charged %s, stock calls %v", got, s.stockCalls)
	}
	if _, err := s.orders.Cancel(t.Context(), alice, id, ""); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.settleRefunds(t, id)
	}
	if got := s.totalCharged(t); got != "0.00" || !slices.Equal(s.stockCalls, []string{"restock", "release"}) {
		t.Errorf("charged %s, stock calls %v", got, s.stockCalls)
	}
}

func TestReconcile(t *testing.T) {
	s := open(t)
	matching := s.paidOrder(t)
	// The charge of an order that was never stored: the process crashed after the provider's response.
	lost := shop.OrderID{UUID: shop.NewID()}
	if _, err := s.provider.Charge(t.Context(), s.charge(lost)); err != nil {
		t.Fatal(err)
	}
	// A late charge: the order was cancelled and its refund settled before.
	late, err := s.orders.Place(t.Context(), alice.ID, newOrder(""))
	if err == nil {
		_, err = s.orders.Cancel(t.Context(), alice, late.ID, "")
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
	// Marked as paid without a charge.
	unpaid, err := s.orders.Place(t.Context(), alice.ID, newOrder(""))
	if err == nil {
		err = s.orders.MarkPaid(t.Context(), unpaid.ID, "none")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reconcile(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if found := s.discrepancies(t); len(found) > 0 {
		t.Errorf("recent charges may not be settled: %+v", found)
	}
	for range 2 {
		if err := s.Reconcile(t.Context(), time.Now().Add(10*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	found := s.discrepancies(t)
	for id, want := range map[shop.OrderID]payment.PaymentDiscrepancy{
		lost: {Kind: payment.ChargedWithoutOrder}, late.ID: {Kind: payment.ChargedAndCancelled},
		unpaid.ID: {Kind: payment.PaidWithoutCharge},
	} {
		got := found[id]
		if got.Kind != want.Kind || (got.ResolvedAt != nil) != (want.Kind != payment.PaidWithoutCharge) {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	if _, wrong := found[matching]; wrong || len(found) != 3 || s.totalCharged(t) != "20.00" {
		t.Errorf("%d discrepancies, charged %s, want 20.00 for one order", len(found), s.totalCharged(t))
	}
}

func (s *fixture) discrepancies(t *testing.T) map[shop.OrderID]payment.PaymentDiscrepancy {
	t.Helper()
	page, err := s.payments.ListDiscrepancies(t.Context(), web.PageQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	found := map[shop.OrderID]payment.PaymentDiscrepancy{}
	for _, d := range page.Items {
		found[d.OrderID] = d
	}
	return found
}
