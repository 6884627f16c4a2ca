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

// quiet discards the engine's log.
type quiet struct{ *slog.Logger }

func (quiet) Debug(...any)          {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Info(...any)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Warn(...any)           {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Error(...any)          {}
func (quiet) Errorf(string, ...any) {}

// withEngine is a fixture with the workflow engine of a sidecar, on Postgres.
func withEngine(t *testing.T, times Times) *fixture {
	t.Helper()
	s, log := open(t), quiet{slog.New(slog.NewTextHandler(io.Discard, nil))}
	ctx, stop := context.WithCancel(context.Background())
	// Unfinished work is dispatched again when its lock ends, which must be well within the tests' timeouts.
	engine := postgres.NewPostgresBackend(&postgres.PostgresOptions{
		PgOptions: s.db.Config().Copy(), WorkflowLockTimeout: 3 * time.Second, ActivityLockTimeout: 3 * time.Second,
	}, log)
	executor, serve := backend.NewGrpcExecutor(engine, log)
	workflows := backend.NewWorkflowWorker(backend.WorkflowWorkerOptions{Backend: engine, Executor: executor, Logger: log})
	worker := backend.NewTaskHubWorker(engine, workflows, backend.NewActivityTaskWorker(engine, executor, log), log)
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

// startedOrder is an order of two items for 20.00 whose workflow was started.
func (s *fixture) startedOrder(t *testing.T, token string) shop.OrderID {
	t.Helper()
	o, err := s.orders.Place(t.Context(), alice.ID, newOrder(token))
	if err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, 20*time.Second, func() error {
		return s.onPlaced(t.Context(), shop.OrderPlaced{OrderID: o.ID})
	})
	return o.ID
}

func (s *fixture) await(t *testing.T, id shop.OrderID, want order.Status) (o order.Order) {
	t.Helper()
	kittest.Eventually(t, 40*time.Second, func() (err error) {
		if o, err = s.orders.Get(t.Context(), alice, id); err == nil && o.Status != want {
			err = fmt.Errorf("the order is %s, not %s: %+v", o.Status, want, o.History)
		}
		return err
	})
	return o
}

// awaitWorkflow waits until a workflow is complete, or runs.
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

// TestManualShipping: shipment and delivery by an admin need no running workflow, and it is purged after the delivery.
func TestManualShipping(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	id := s.startedOrder(t, "")
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
	if w := s.engine.OrderWorkflow(t.Context(), id); w == nil || w.Status != "purged" {
		t.Errorf("the workflow is %+v", w)
	}
	if got := s.totalCharged(t); got != "20.00" || !slices.Equal(s.stockCalls, []string{"commit"}) {
		t.Errorf("charged %s, stock calls %v", got, s.stockCalls)
	}
}

// TestManualShipmentAndAutomaticDelivery: a shipment starts the workflow again, also if its event is lost. A workflow
// that misses the delivery is terminated and purged.
func TestManualShipmentAndAutomaticDelivery(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour, Deliver: time.Second})
	first, second := s.startedOrder(t, ""), s.startedOrder(t, "")
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
	third := s.startedOrder(t, "")
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
		if w := s.engine.OrderWorkflow(t.Context(), third); w == nil || w.Status != "purged" {
			return fmt.Errorf("the workflow is %+v", w)
		}
		return nil
	})
}

func TestAutomaticShipmentAndDelivery(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour, Ship: time.Second, Deliver: time.Second})
	id := s.startedOrder(t, "tok_error")
	o := s.await(t, id, order.Delivered)
	if len(o.History) != 4 || o.History[2].By != order.System {
		t.Errorf("%+v", o.History)
	}
	s.awaitWorkflow(t, id, true)
}

// TestChargeTimeout: a charge without a response is looked up; it is made once, and the order is paid.
func TestChargeTimeout(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	id := s.startedOrder(t, "tok_timeout")
	s.await(t, id, order.Paid)
	if got := s.totalCharged(t); got != "20.00" {
		t.Errorf("charged %s", got)
	}
}

// TestPayRepeats: products is unavailable after the charge. The activity is repeated and does not charge again.
func TestPayRepeats(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	s.productsDown.Store(true)
	id := s.startedOrder(t, "")
	kittest.Eventually(t, 20*time.Second, func() error {
		_, err := s.payments.Get(t.Context(), id)
		if got := s.totalCharged(t); err == nil && got != "20.00" {
			err = fmt.Errorf("charged %s", got)
		}
		return err
	})
	s.productsDown.Store(false)
	o := s.await(t, id, order.Paid)
	if got := s.totalCharged(t); got != "20.00" || len(o.History) != 2 || !slices.Equal(s.stockCalls, []string{"commit"}) {
		t.Errorf("charged %s, stock calls %v, %+v", got, s.stockCalls, o.History)
	}
}

func TestDeclinedIsCompensated(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	id := s.startedOrder(t, "tok_declined")
	o := s.await(t, id, order.Cancelled)
	if o.History[1].Reason != "the card was declined" {
		t.Errorf("%+v", o.History)
	}
	s.awaitWorkflow(t, id, true)
	if got := s.totalCharged(t); got != "0.00" || !slices.Contains(s.stockCalls, "release") {
		t.Errorf("charged %s, stock calls %v", got, s.stockCalls)
	}
}

// TestUnpaidIsCancelled: an order that is not paid by its deadline is cancelled by its workflow, and cannot be charged
// any more.
func TestUnpaidIsCancelled(t *testing.T) {
	s := withEngine(t, Times{Unpaid: 300 * time.Millisecond})
	id := s.startedOrder(t, "tok_error") // the third attempt would succeed
	o := s.await(t, id, order.Cancelled)
	if o.History[1].Reason != shop.Unpaid.Text() || o.History[1].By != order.System {
		t.Errorf("%+v", o.History)
	}
	s.awaitWorkflow(t, id, true)
	want := []string{"orders.placed", "orders.payment_failed", "orders.cancelled"}
	if topics := kittest.Emitted(t, s.db); !slices.Equal(topics, want) {
		t.Errorf("emitted %v", topics)
	}
	if _, err := s.payments.Charge(t.Context(), s.charge(id)); !errors.Is(err, payment.ErrDeclined) {
		t.Errorf("a cancelled order was charged: %v", err)
	}
}

// TestStuckWorkflowIsRestarted: a workflow that waits for an event that never comes is purged, and another one is
// started.
func TestStuckWorkflowIsRestarted(t *testing.T) {
	s := withEngine(t, Times{Unpaid: time.Hour})
	o, err := s.orders.Place(t.Context(), alice.ID, newOrder(""))
	if err != nil {
		t.Fatal(err)
	}
	wrong := order.GoodsState{Status: order.Paid, Since: time.Now()} // the order is pending
	stuck := fulfilInput{OrderID: o.ID, Goods: wrong, Ship: time.Hour}
	kittest.Eventually(t, 20*time.Second, func() error {
		return s.engine.startOrWake(t.Context(), fulfilName, o.ID.UUID, stuck)
	})
	s.awaitWorkflow(t, o.ID, false)
	for range 2 {
		if err := s.Recover(t.Context(), time.Now().Add(lateAfter+time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if goods, err := s.orders.GoodsState(t.Context(), o.ID); err != nil || goods.Status != order.Pending {
		t.Fatalf("restarted too early: %+v, %v", goods, err)
	}
	kittest.Eventually(t, 40*time.Second, func() error {
		if goods, err := s.orders.GoodsState(t.Context(), o.ID); err != nil || goods.Status == order.Paid {
			return err
		}
		return errors.Join(errors.New("still pending"), s.Recover(t.Context(), time.Now().Add(2*stuckAfter)))
	})
	if got := s.totalCharged(t); got != "20.00" || !slices.Equal(s.stockCalls, []string{"commit"}) {
		t.Errorf("charged %s, stock calls %v", got, s.stockCalls)
	}
}
