package fulfilment

import (
	"context"
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
func withEngine(t *testing.T, times Times) *stand {
	t.Helper()
	s, log := open(t), quiet{slog.New(slog.NewTextHandler(io.Discard, nil))}
	ctx, stop := context.WithCancel(context.Background())
	// Work that is handed out and not done is handed out again when its lock ends, which must be well within the tests' patience.
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
	s.engine, s.times = workflow.NewClientWithLogger(conn, log), times
	go func() { _ = s.Work(ctx) }()
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
func (s *stand) placed(t *testing.T, token string) shop.OrderID {
	t.Helper()
	o, err := s.orders.Place(t.Context(), alice.ID, order.Basket{Items: []order.Item{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal", PaymentToken: token})
	if err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, 20*time.Second, func() error { return s.onPlaced(t.Context(), shop.OrderPlaced{OrderID: o.ID}) })
	return o.ID
}

func (s *stand) await(t *testing.T, id shop.OrderID, want order.Status) (o order.Order) {
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
func (s *stand) awaitWorkflow(t *testing.T, id shop.OrderID, complete bool) {
	t.Helper()
	kittest.Eventually(t, 30*time.Second, func() error {
		known, err := s.engine.FetchWorkflowMetadata(t.Context(), id.String())
		if err == nil && workflow.WorkflowMetadataIsComplete(known) != complete {
			err = fmt.Errorf("the workflow is %s", known)
		}
		return err
	})
}

func TestCarriedByPeople(t *testing.T) {
	s := withEngine(t, Times{})
	id := s.placed(t, "")
	s.await(t, id, order.Paid)
	s.awaitWorkflow(t, id, false)
	if _, err := s.orders.Ship(t.Context(), admin, id, order.Parcel{Carrier: "UPS"}); err != nil {
		t.Fatal(err)
	}
	if err := s.onShipped(t.Context(), shop.OrderShipped{OrderID: id}); err != nil {
		t.Fatal(err)
	}
	s.awaitWorkflow(t, id, false)
	if _, err := s.orders.Deliver(t.Context(), admin, id); err != nil {
		t.Fatal(err)
	}
	// The event of it is lost. Upkeep finds the workflow waiting, wakes it, and has it forgotten once it is over.
	kittest.Eventually(t, 40*time.Second, func() error {
		if err := s.Upkeep(t.Context(), time.Now().Add(time.Minute)); err != nil {
			return err
		}
		if w := s.workflowOf(t.Context(), id); w == nil || w.Status != "forgotten" {
			return fmt.Errorf("the workflow is %+v", w)
		}
		return nil
	})
	if got := s.taken(t); got != "20.00" || !slices.Equal(s.shelf, []string{"commit"}) {
		t.Errorf("%s is taken, shelf %v", got, s.shelf)
	}
}

func TestCarriedByItself(t *testing.T) {
	s := withEngine(t, Times{Ship: time.Second, Deliver: time.Second})
	id := s.placed(t, "tok_error")
	o := s.await(t, id, order.Delivered)
	if len(o.History) != 4 || o.History[2].By != order.System {
		t.Errorf("%+v", o.History)
	}
	s.awaitWorkflow(t, id, true)
}

// TestSettledLater: nobody answers the charge at first; it is asked for, made once, and the order goes on.
func TestSettledLater(t *testing.T) {
	s := withEngine(t, Times{})
	id := s.placed(t, "tok_timeout")
	s.await(t, id, order.Paid)
	if got := s.taken(t); got != "20.00" {
		t.Errorf("%s is taken", got)
	}
}

// TestCutOffInTheMiddle: the charge is made, and then products is away for a while. The step begins again and charges nothing more.
func TestCutOffInTheMiddle(t *testing.T) {
	s := withEngine(t, Times{})
	s.away.Store(true)
	id := s.placed(t, "")
	kittest.Eventually(t, 20*time.Second, func() error {
		_, err := s.payments.Get(t.Context(), id)
		if got := s.taken(t); err == nil && got != "20.00" {
			err = fmt.Errorf("%s is taken", got)
		}
		return err
	})
	s.away.Store(false)
	o := s.await(t, id, order.Paid)
	if got := s.taken(t); got != "20.00" || len(o.History) != 2 || !slices.Equal(s.shelf, []string{"commit"}) {
		t.Errorf("%s is taken, shelf %v, %+v", got, s.shelf, o.History)
	}
}

func TestGivenUpAndUndone(t *testing.T) {
	s := withEngine(t, Times{})
	id := s.placed(t, "tok_declined")
	o := s.await(t, id, order.Cancelled)
	if o.History[1].Reason != "the card was declined" {
		t.Errorf("%+v", o.History)
	}
	s.awaitWorkflow(t, id, true)
	if got := s.taken(t); got != "0.00" || !slices.Contains(s.shelf, "release") {
		t.Errorf("%s is taken, shelf %v", got, s.shelf)
	}
}

// TestCancelledWhileItWaits: the workflow comes to its end, and a new start of it does nothing.
func TestCancelledWhileItWaits(t *testing.T) {
	s := withEngine(t, Times{Ship: time.Hour})
	id := s.placed(t, "")
	s.await(t, id, order.Paid)
	if _, err := s.orders.Cancel(t.Context(), alice, id, "changed my mind"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.onCancelled(t.Context(), shop.OrderCancelled{OrderID: id}); err != nil {
			t.Fatal(err)
		}
	}
	s.awaitWorkflow(t, id, true)
	if got := s.taken(t); got != "0.00" {
		t.Errorf("%s is taken", got)
	}
}

// TestEarlierDefinitionsStillRun: an order whose workflow an earlier version began is carried by that definition.
func TestEarlierDefinitionsStillRun(t *testing.T) {
	s := withEngine(t, Times{})
	for _, earlier := range []struct {
		name  string
		input func(shop.OrderID) any
		ends  bool // with the order paid
	}{
		{fulfilName, func(id shop.OrderID) any { return id }, true},
		{carryName, func(id shop.OrderID) any { return journey{OrderID: id} }, false},
	} {
		o, err := s.orders.Place(t.Context(), alice.ID, order.Basket{Items: []order.Item{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal", PaymentToken: "tok_timeout"})
		if err != nil {
			t.Fatal(err)
		}
		kittest.Eventually(t, 20*time.Second, func() error {
			_, err := s.engine.ScheduleWorkflow(t.Context(), earlier.name, workflow.WithInstanceID(o.ID.String()), workflow.WithInput(earlier.input(o.ID)))
			return err
		})
		s.await(t, o.ID, order.Paid)
		s.awaitWorkflow(t, o.ID, earlier.ends)
	}
	if got := s.taken(t); got != "40.00" || !slices.Equal(s.shelf, []string{"commit", "commit"}) {
		t.Errorf("%s is taken, shelf %v", got, s.shelf)
	}
}
