package fulfilment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/backend"
	"github.com/dapr/durabletask-go/backend/postgres"
	"github.com/dapr/durabletask-go/workflow"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// quiet drops what the engine logs.
type quiet struct{ *slog.Logger }

func (quiet) Debug(...any)          {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Info(...any)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Warn(...any)           {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Error(...any)          {}
func (quiet) Errorf(string, ...any) {}

// withEngine is a stand whose workflows really run, in the engine that is inside a sidecar, on Postgres.
func withEngine(t *testing.T, times Times) *fixture {
	t.Helper()
	s, log := open(t), quiet{slog.New(slog.NewTextHandler(io.Discard, nil))}
	ctx, stop := context.WithCancel(context.Background())
	// Work that is handed out and not done is handed out again when its lock ends, which must be well within the tests'
	// patience.
	engine := postgres.NewPostgresBackend(&postgres.PostgresOptions{
		PgOptions: s.db.Config().Copy(), WorkflowLockTimeout: 3 * time.Second, ActivityLockTimeout: 3 * time.Second,
	}, log)
	executor, serve := backend.NewGrpcExecutor(engine, log)
	worker := backend.NewTaskHubWorker(engine, backend.NewWorkflowWorker(backend.WorkflowWorkerOptions{Backend: engine, Executor: executor, Logger: log}), backend.NewActivityTaskWorker(engine, executor, log), log)
	if err := worker.Start(ctx); err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	serve(server)
	go func() { _ = server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	s.engine, s.times = Engine{workflow.NewClientWithLogger(conn, log)}, times
	s.startRefund = s.engine.StartRefund
	go func() { _ = s.RunWorker(ctx) }()
	t.Cleanup(func() {
		stop()
		server.Stop()
		_ = conn.Close()
		end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = worker.Shutdown(end)
	})
	return s
}

// placed is an order of two things for 20.00 whose workflow was started, more than once as deliveries may be.
func (s *fixture) placed(t *testing.T, token string) shop.OrderID {
	t.Helper()
	o, err := s.orders.Place(t.Context(), alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal", PaymentToken: token})
	if err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, 20*time.Second, func() error { return s.onPlaced(t.Context(), shop.OrderPlaced{OrderID: o.ID}) })
	return o.ID
}

func (s *fixture) await(t *testing.T, id shop.OrderID, want order.Status) (o order.Order) {
	t.Helper()
	kittest.Eventually(t, 40*time.Second, func() (err error) {
		if o, err = s.orders.Get(t.Context(), alice, id); err == nil && o.Status != want {
			err = fmt.Errorf("it is %s, not %s: %+v", o.Status, want, o.History)
		}
		return err
	})
	return o
}

// awaitWorkflow waits until a workflow is over, or runs.
func (s *fixture) awaitWorkflow(t *testing.T, id shop.OrderID, complete bool) {
	t.Helper()
	kittest.Eventually(t, 30*time.Second, func() error {
		known, err := s.engine.FetchWorkflowMetadata(t.Context(), id.String())
		if err == nil && workflow.WorkflowMetadataIsComplete(known) != complete {
			err = fmt.Errorf("the workflow is %s", known)
		}
		return err
	})
}

// TestCarriedByPeople: what people do needs no workflow, and its history is purged after the order's end.
func TestCarriedByPeople(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	id := s.placed(t, "")
	s.await(t, id, order.Paid)
	s.awaitWorkflow(t, id, true)
	if _, err := s.orders.Ship(t.Context(), admin, id, order.Shipment{Carrier: "UPS"}); err != nil {
		t.Fatal(err)
	}
	if err := s.onShipped(t.Context(), shop.OrderShipped{OrderID: id}); err != nil {
		t.Fatal(err)
	}
	s.awaitWorkflow(t, id, true)
	if _, err := s.orders.Deliver(t.Context(), admin, id); err != nil {
		t.Fatal(err)
	}
	if err := s.Recover(t.Context(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if w := s.engine.OrderWorkflow(t.Context(), id); w == nil || w.Status != "forgotten" {
		t.Errorf("the workflow is %+v", w)
	}
	if got := s.totalCharged(t); got != "20.00" || !slices.Equal(s.shelf, []string{"commit"}) {
		t.Errorf("%s is taken, shelf %v", got, s.shelf)
	}
}

// TestShippedByPeopleAndDeliveredByItself: the shipment starts the workflow again, also where its event is lost; one
// that misses the end of its order is ended and purged.
func TestShippedByPeopleAndDeliveredByItself(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour, Deliver: time.Second})
	first, second := s.placed(t, ""), s.placed(t, "")
	for _, id := range []shop.OrderID{first, second} {
		s.await(t, id, order.Paid)
		s.awaitWorkflow(t, id, true)
		if _, err := s.orders.Ship(t.Context(), admin, id, order.Shipment{Carrier: "UPS"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.onShipped(t.Context(), shop.OrderShipped{OrderID: first}); err != nil {
		t.Fatal(err)
	}
	s.await(t, first, order.Delivered)
	if err := s.Recover(t.Context(), time.Now().Add(automaticGrace+2*time.Second)); err != nil {
		t.Fatal(err)
	}
	s.await(t, second, order.Delivered)
	s.times.Deliver = time.Hour
	third := s.placed(t, "")
	s.await(t, third, order.Paid)
	s.awaitWorkflow(t, third, true)
	if _, err := s.orders.Ship(t.Context(), admin, third, order.Shipment{Carrier: "UPS"}); err != nil {
		t.Fatal(err)
	}
	if err := s.onShipped(t.Context(), shop.OrderShipped{OrderID: third}); err != nil {
		t.Fatal(err)
	}
	s.awaitWorkflow(t, third, false)
	if _, err := s.orders.Deliver(t.Context(), admin, third); err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, 40*time.Second, func() error {
		if err := s.Recover(t.Context(), time.Now().Add(2*stuckAfter)); err != nil {
			return err
		}
		if w := s.engine.OrderWorkflow(t.Context(), third); w == nil || w.Status != "forgotten" {
			return fmt.Errorf("the workflow is %+v", w)
		}
		return nil
	})
}

func TestCarriedByItself(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour, Ship: time.Second, Deliver: time.Second})
	id := s.placed(t, "tok_error")
	o := s.await(t, id, order.Delivered)
	if len(o.History) != 4 || o.History[2].By != order.System {
		t.Errorf("%+v", o.History)
	}
	s.awaitWorkflow(t, id, true)
}

// TestSettledLater: nobody answers the charge at first; it is asked for, made once, and the order goes on.
func TestSettledLater(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	id := s.placed(t, "tok_timeout")
	s.await(t, id, order.Paid)
	if got := s.totalCharged(t); got != "20.00" {
		t.Errorf("%s is taken", got)
	}
}

// TestCutOffInTheMiddle: the charge is made, and then products is away for a while. The step begins again and charges
// nothing more.
func TestCutOffInTheMiddle(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	s.away.Store(true)
	id := s.placed(t, "")
	kittest.Eventually(t, 20*time.Second, func() error {
		_, err := s.payments.Get(t.Context(), id)
		if got := s.totalCharged(t); err == nil && got != "20.00" {
			err = fmt.Errorf("%s is taken", got)
		}
		return err
	})
	s.away.Store(false)
	o := s.await(t, id, order.Paid)
	if got := s.totalCharged(t); got != "20.00" || len(o.History) != 2 || !slices.Equal(s.shelf, []string{"commit"}) {
		t.Errorf("%s is taken, shelf %v, %+v", got, s.shelf, o.History)
	}
}

func TestGivenUpAndUndone(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	id := s.placed(t, "tok_declined")
	o := s.await(t, id, order.Cancelled)
	if o.History[1].Reason != "the card was declined" {
		t.Errorf("%+v", o.History)
	}
	s.awaitWorkflow(t, id, true)
	if got := s.totalCharged(t); got != "0.00" || !slices.Contains(s.shelf, "release") {
		t.Errorf("%s is taken, shelf %v", got, s.shelf)
	}
}

// TestUnpaidEndsByItsTimer: an order that is not paid in time is cancelled by its workflow, is told of, and cannot be
// charged any more.
func TestUnpaidEndsByItsTimer(t *testing.T) {
	s := withEngine(t, Times{Unpaid: 300 * time.Millisecond})
	id := s.placed(t, "tok_error") // the third try would work
	o := s.await(t, id, order.Cancelled)
	if o.History[1].Reason != shop.Unpaid.Text() || o.History[1].By != order.System {
		t.Errorf("%+v", o.History)
	}
	s.awaitWorkflow(t, id, true)
	if topics := kittest.Emitted(t, s.db); !slices.Equal(topics, []string{"orders.placed", "orders.payment_failed", "orders.cancelled"}) {
		t.Errorf("told %v", topics)
	}
	if _, err := s.payments.Charge(t.Context(), s.charge(id)); !errors.Is(err, payment.ErrDeclined) {
		t.Errorf("what was given up was charged: %v", err)
	}
}

// TestStuckStartsAnew: a workflow that waits for what never comes is ended, and another carries the order.
func TestStuckStartsAnew(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	o, err := s.orders.Place(t.Context(), alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
	if err != nil {
		t.Fatal(err)
	}
	lost := fulfilInput{OrderID: o.ID, Goods: order.GoodsState{Status: order.Paid, Since: time.Now()}, Ship: time.Hour} // as if it had been told of another order's payment
	kittest.Eventually(t, 20*time.Second, func() error { return s.engine.startOrWake(t.Context(), fulfilName, o.ID.UUID, lost) })
	s.awaitWorkflow(t, o.ID, false)
	for range 2 {
		if err := s.Recover(t.Context(), time.Now().Add(lateAfter+time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if at, err := s.orders.GoodsState(t.Context(), o.ID); err != nil || at.Status != order.Pending {
		t.Fatalf("too early: %+v, %v", at, err)
	}
	kittest.Eventually(t, 40*time.Second, func() error {
		if at, err := s.orders.GoodsState(t.Context(), o.ID); err != nil || at.Status == order.Paid {
			return err
		}
		return errors.Join(errors.New("still pending"), s.Recover(t.Context(), time.Now().Add(2*stuckAfter)))
	})
	if got := s.totalCharged(t); got != "20.00" || !slices.Equal(s.shelf, []string{"commit"}) {
		t.Errorf("%s is taken, shelf %v", got, s.shelf)
	}
}
