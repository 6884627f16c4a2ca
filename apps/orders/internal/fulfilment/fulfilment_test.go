package fulfilment

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/workflow"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

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

// stand is fulfilment on a real database and a real provider, with a shelf that only takes notes. It has no engine.
type stand struct {
	*Service
	db       *pgxpool.Pool
	provider *simulated.Provider
	shelf    []string
	mu       sync.Mutex
	away     atomic.Bool // products does not answer
}

var alice, admin = kittest.Somebody(shop.User), kittest.Somebody(shop.Admin)

func open(t *testing.T) *stand {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations, payment.Migrations)
	s := &stand{db: db, provider: simulated.New(db, "key")}
	orders := order.NewService(event.NewOutbox(db), func(_ context.Context, _ shop.OrderID, items []order.Item) (lines []order.Reserved, err error) {
		for _, item := range items {
			lines = append(lines, order.Reserved{ProductID: item.ProductID, Quantity: item.Quantity, UnitPrice: shop.MustMoney("10.00"), Currency: "USD"})
		}
		return lines, nil
	}, func(context.Context, shop.OrderID) error { return nil })
	note := func(what string) error {
		if s.away.Load() {
			return errors.New("products is away")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.shelf = append(s.shelf, what)
		return nil
	}
	s.Service = NewService(orders, payment.NewService(db, s.provider), Stock{
		Commit:  func(context.Context, shop.OrderID) error { return note("commit") },
		Release: func(context.Context, shop.OrderID) error { return note("release") },
		Return: func(_ context.Context, _ shop.OrderID, items []order.Item) error {
			for range items[0].Quantity {
				if err := note("return"); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil, Times{})
	return s
}

func (s *stand) charge(id shop.OrderID) payment.Charge {
	return payment.Charge{Key: id, Amount: shop.MustMoney("20.00"), Currency: "USD"}
}

// bought is a paid order of two things for 20.00.
func (s *stand) bought(t *testing.T) shop.OrderID {
	t.Helper()
	return s.boughtWith(t, "")
}

func (s *stand) boughtWith(t *testing.T, token string) shop.OrderID {
	t.Helper()
	o, err := s.orders.Place(t.Context(), alice.ID, order.Basket{Items: []order.Item{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
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

func (s *stand) taken(t *testing.T) string {
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
		if _, err := s.orders.Refund(t.Context(), admin, id, order.Return{Items: []order.Item{{ProductID: 1, Quantity: n}}}); err != nil {
			t.Fatal(err)
		}
	}
	refund(1)
	s.away.Store(true)
	if err := s.settle(t.Context(), id); err == nil {
		t.Error("it is settled, and the goods are not on the shelf")
	}
	s.away.Store(false)
	for range 3 {
		if err := s.settle(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.taken(t); got != "10.00" || !slices.Equal(s.shelf, []string{"return"}) {
		t.Errorf("%s is taken, shelf %v", got, s.shelf)
	}
	if _, err := s.orders.Cancel(t.Context(), alice, id, ""); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.settle(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.taken(t); got != "0.00" || !slices.Equal(s.shelf, []string{"return", "release"}) {
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
	late, err := s.orders.Place(t.Context(), alice.ID, order.Basket{Items: []order.Item{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
	if err == nil {
		_, err = s.orders.Cancel(t.Context(), alice, late.ID, "")
	}
	if err == nil {
		err = s.settle(t.Context(), late.ID)
	}
	if err == nil {
		_, err = s.provider.Charge(t.Context(), s.charge(late.ID))
	}
	if err != nil {
		t.Fatal(err)
	}
	// Marked as paid by hand.
	unpaid, err := s.orders.Place(t.Context(), alice.ID, order.Basket{Items: []order.Item{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
	if err == nil {
		err = s.orders.MarkPaid(t.Context(), unpaid.ID, "by hand")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reconcile(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if found := s.findings(t); len(found) > 0 {
		t.Errorf("what is young may still be on its way: %+v", found)
	}
	for range 2 {
		if err := s.Reconcile(t.Context(), time.Now().Add(10*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	found := s.findings(t)
	for id, want := range map[shop.OrderID]payment.Finding{
		lost: {Kind: payment.WithoutOrder}, late.ID: {Kind: payment.OfCancelled}, unpaid.ID: {Kind: payment.WithoutCharge},
	} {
		got := found[id]
		if got.Kind != want.Kind || (got.MendedAt != nil) != (want.Kind != payment.WithoutCharge) {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	if _, wrong := found[well]; wrong || len(found) != 3 || s.taken(t) != "20.00" {
		t.Errorf("%d findings, %s is taken, want 20.00 for one order", len(found), s.taken(t))
	}
}

func (s *stand) findings(t *testing.T) map[shop.OrderID]payment.Finding {
	t.Helper()
	page, err := s.payments.Findings(t.Context(), web.PageQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	found := map[shop.OrderID]payment.Finding{}
	for _, f := range page.Items {
		found[f.OrderID] = f
	}
	return found
}

// TestUpkeepWithoutAnEngine: what was not paid in time is cancelled and given back, and refunds are settled, also while
// no workflow can be started, woken or asked.
func TestUpkeepWithoutAnEngine(t *testing.T) {
	s := open(t)
	nowhere, err := grpc.NewClient("127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close() //nolint:errcheck // a test's end
	s.engine, s.times = workflow.NewClient(nowhere), Times{Unpaid: 30 * time.Minute}
	paid := s.bought(t)
	late, err := s.orders.Place(t.Context(), alice.ID, order.Basket{
		Items: []order.Item{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal", PaymentToken: "tok_error"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.orders.Refund(t.Context(), admin, paid, order.Return{}); err != nil {
		t.Fatal(err)
	}
	_ = s.Upkeep(t.Context(), time.Now().Add(time.Minute)) // the engine is away, and says so
	if got := s.taken(t); got != "0.00" || !slices.Equal(s.shelf, []string{"return", "return"}) {
		t.Errorf("a refund is not settled: %s, %v", got, s.shelf)
	}
	if at, err := s.orders.Standing(t.Context(), late.ID); err != nil || at.Goods != order.Pending {
		t.Fatalf("given up too early: %+v, %v", at, err)
	}
	kittest.Emitted(t, s.db)
	for range 2 { // the provider would take the money now, but the time is over
		_ = s.Upkeep(t.Context(), time.Now().Add(31*time.Minute))
	}
	got, err := s.orders.Get(t.Context(), alice, late.ID)
	if err != nil || got.Status != order.Cancelled || got.History[1].Reason != "it was not paid in time" || got.Refunds[0].SettledAt == nil {
		t.Errorf("%+v, %v", got, err)
	}
	if topics := kittest.Emitted(t, s.db); !slices.Equal(topics, []string{"orders.payment_failed", "orders.cancelled"}) {
		t.Errorf("told %v", topics)
	}
	if _, err := s.payments.Charge(t.Context(), s.charge(late.ID)); !errors.Is(err, payment.ErrDeclined) {
		t.Errorf("what was given up was charged: %v", err)
	}
}

// TestUpkeepWalksTheStepsItself: an order whose workflow the engine lost comes to its end all the same.
func TestUpkeepWalksTheStepsItself(t *testing.T) {
	nowhere, err := grpc.NewClient("127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close() //nolint:errcheck // a test's end
	for token, want := range map[string]struct {
		status order.Status
		taken  string
		shelf  []string
		told   []string
	}{
		"tok_visa":     {order.Paid, "20.00", []string{"commit"}, []string{"orders.paid"}},
		"tok_declined": {order.Cancelled, "0.00", []string{"release"}, []string{"orders.payment_failed", "orders.cancelled"}},
		"tok_timeout":  {order.Pending, "0.00", nil, []string{}},
	} {
		t.Run(token, func(t *testing.T) {
			s := open(t)
			s.engine, s.times = workflow.NewClient(nowhere), Times{Unpaid: 30 * time.Minute}
			o, err := s.orders.Place(t.Context(), alice.ID, order.Basket{
				Items: []order.Item{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal", PaymentToken: token})
			if err != nil {
				t.Fatal(err)
			}
			kittest.Emitted(t, s.db)
			_ = s.Upkeep(t.Context(), time.Now().Add(byHand-time.Second)) // the workflow has this long
			if at, err := s.orders.Standing(t.Context(), o.ID); err != nil || at.Goods != order.Pending {
				t.Fatalf("too early: %+v, %v", at, err)
			}
			var both sync.WaitGroup
			for range 2 { // replicas
				both.Go(func() { _ = s.Upkeep(t.Context(), time.Now().Add(byHand+time.Second)) })
			}
			both.Wait()
			at, err := s.orders.Standing(t.Context(), o.ID)
			if err != nil || at.Goods != want.status || s.taken(t) != want.taken {
				t.Errorf("%+v, %v, taken %s", at, err, s.taken(t))
			}
			if shelf := slices.Compact(slices.Clone(s.shelf)); !slices.Equal(shelf, want.shelf) {
				t.Errorf("the shelf: %v", shelf)
			}
			if topics := kittest.Emitted(t, s.db); !slices.Equal(topics, want.told) {
				t.Errorf("told %v", topics)
			}
		})
	}
}

// handed is what an activity is given.
type handed struct {
	workflow.ActivityContext // what no step asks for
	ctx                      context.Context
	input                    any
}

func (h handed) GetInput(into any) error {
	text, err := json.Marshal(h.input)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
func (h handed) Context() context.Context { return h.ctx }

// TestMarkPaidBelievesOnlyThePayment: a workflow that heard of another order's charge does not make its own order a paid one.
func TestMarkPaidBelievesOnlyThePayment(t *testing.T) {
	s := open(t)
	o, err := s.orders.Place(t.Context(), alice.ID, order.Basket{
		Items: []order.Item{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal", PaymentToken: "tok_timeout"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.markPaidStep(handed{ctx: t.Context(), input: paid{o.ID, "sim_of_another_order"}}); !errors.Is(err, payment.ErrNoAnswer) {
		t.Errorf("marked paid: %v", err)
	}
	if at, err := s.orders.Standing(t.Context(), o.ID); err != nil || at.Goods != order.Pending {
		t.Errorf("%+v, %v", at, err)
	}
}
