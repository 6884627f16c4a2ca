package fulfilment

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"github.com/dapr/durabletask-go/workflow"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
)

// engineFake is an engine that says what it is told to of every workflow, notes when it was woken, and counts what it is
// asked to do. It runs nothing.
type engineFake struct {
	protos.UnimplementedTaskHubSidecarServiceServer
	known  *protos.WorkflowState // nil where it knows none
	silent bool
	sick   string // it fails when it is asked for this one
	lost   string // it does not know this one
	asked  atomic.Int32
	now    time.Time

	mu                      sync.Mutex
	removed, started, woken int
}

func (a *engineFake) GetInstance(ctx context.Context, in *protos.GetInstanceRequest) (*protos.GetInstanceResponse, error) {
	a.asked.Add(1)
	if a.silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if in.GetInstanceId() == a.sick {
		return nil, status.Error(codes.Internal, "its history cannot be read")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return &protos.GetInstanceResponse{Exists: a.known != nil && in.GetInstanceId() != a.lost, WorkflowState: a.known}, nil
}

func (a *engineFake) StartInstance(_ context.Context, in *protos.CreateInstanceRequest) (*protos.CreateInstanceResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known != nil && in.GetInstanceId() != a.lost && a.known.GetWorkflowStatus() != failed { // as daprd has it
		return nil, status.Error(codes.AlreadyExists, "there is one")
	}
	a.started++
	return &protos.CreateInstanceResponse{}, nil
}

func (a *engineFake) RaiseEvent(context.Context, *protos.RaiseEventRequest) (*protos.RaiseEventResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.woken++
	return &protos.RaiseEventResponse{}, nil
}

func (a *engineFake) TerminateInstance(context.Context, *protos.TerminateRequest) (*protos.TerminateResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.WorkflowStatus = failed
	return &protos.TerminateResponse{}, nil
}

func (a *engineFake) PurgeInstances(context.Context, *protos.PurgeInstancesRequest) (*protos.PurgeInstancesResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known.GetWorkflowStatus() != failed {
		return nil, status.Error(codes.FailedPrecondition, "it has not ended")
	}
	a.known = nil
	a.removed++
	return &protos.PurgeInstancesResponse{DeletedInstanceCount: 1}, nil
}

const (
	running = protos.OrchestrationStatus_ORCHESTRATION_STATUS_RUNNING
	pending = protos.OrchestrationStatus_ORCHESTRATION_STATUS_PENDING
	failed  = protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED
)

func (a *engineFake) client(t *testing.T) *workflow.Client {
	t.Helper()
	return serveEngine(t, a)
}

func serveEngine(t *testing.T, engine protos.TaskHubSidecarServiceServer) *workflow.Client {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	protos.RegisterTaskHubSidecarServiceServer(server, engine)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return workflow.NewClient(conn)
}

// openWithEngine is a stand with orders of two things each, and an engine that answers.
func openWithEngine(t *testing.T, engine *engineFake, orders int) (s *fixture, ids []shop.OrderID) {
	t.Helper()
	s = open(t)
	s.engine, s.times = Engine{engine.client(t)}, Times{Unpaid: 30 * time.Minute}
	for range orders {
		o, err := s.orders.Place(t.Context(), alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.ID)
	}
	return s, ids
}

// TestRecoveryLeavesAloneWhatIsOnItsWay: an order that waits for its turn in a busy engine is not worked on twice; one
// that nobody carries is woken, or started anew. The sweep itself decides nothing of the order.
func TestRecoveryLeavesAloneWhatIsOnItsWay(t *testing.T) {
	const never = -1
	for name, c := range map[string]struct {
		state                   protos.OrchestrationStatus // less than 0 where there is no workflow
		late, moved             time.Duration              // by and ago
		removed, started, woken int
	}{
		"a step was taken":            {running, 2 * time.Minute, stuckAfter / 2, 0, 0, 0},
		"it is stuck":                 {running, stuckAfter + time.Second, stuckAfter + time.Second, 1, 1, 0},
		"it was started anew":         {running, 6 * time.Minute, 2 * time.Minute, 0, 0, 0},
		"it is stuck again":           {running, 6 * time.Minute, 4 * time.Minute, 1, 1, 0},
		"it is late for days":         {running, 72 * time.Hour, maxStuckAfter + time.Second, 1, 1, 0},
		"it waits for its turn":       {pending, stuckAfter - time.Second, never, 0, 0, 0},
		"it never began":              {pending, stuckAfter + time.Second, never, 0, 0, 1},
		"it was woken":                {pending, 2*stuckAfter - 15*time.Second, never, 0, 0, 0},
		"it never began all the same": {pending, 2*stuckAfter + time.Second, never, 0, 0, 1},
		"no sweep ran at its turn":    {pending, 3*stuckAfter + time.Second, never, 0, 0, 1},
		"waking does not help":        {pending, maxStuckAfter + time.Second, never, 1, 1, 0},
		"it started anew":             {pending, 2*maxStuckAfter - 15*time.Second, never, 0, 0, 0},
		"it never began for days":     {pending, 72 * time.Hour, never, 1, 1, 0},
		"days, and no sweep ran":      {pending, 72*time.Hour + maxStuckAfter, never, 1, 1, 0},
		"it failed":                   {failed, time.Second, 0, 0, 1, 0},
		"there is none":               {-1, time.Second, never, 0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			engine := &engineFake{}
			s, ids := openWithEngine(t, engine, 1)
			engine.now = time.Now().Add(c.late + lateAfter)
			if c.state >= 0 {
				moved := time.Time{}
				if c.moved != never {
					moved = engine.now.Add(-c.moved)
				}
				engine.known = &protos.WorkflowState{
					WorkflowStatus: c.state, CreatedTimestamp: timestamppb.New(moved), LastUpdatedTimestamp: timestamppb.New(moved),
				}
			}
			if err := s.Recover(t.Context(), engine.now); err != nil {
				t.Error(err)
			}
			at, err := s.orders.GoodsState(t.Context(), ids[0])
			if err != nil || at.Status != order.Pending {
				t.Errorf("%+v, %v", at, err)
			}
			if engine.removed != c.removed || engine.started != c.started || engine.woken != c.woken {
				t.Errorf("removed %d times, started %d times, woken %d times", engine.removed, engine.started, engine.woken)
			}
		})
	}
}

// TestRecoveryOfShippingThatIsLate: what should have shipped or arrived by itself is started anew from where its goods
// are.
func TestRecoveryOfShippingThatIsLate(t *testing.T) {
	engine := &engineFake{}
	s, _ := openWithEngine(t, engine, 0)
	s.times.Ship, s.times.Deliver = time.Hour, time.Hour
	id := s.bought(t)
	engine.known = &protos.WorkflowState{WorkflowStatus: running, LastUpdatedTimestamp: timestamppb.New(time.Now())}
	for now, want := range map[time.Duration]int{time.Hour: 0, time.Hour + automaticGrace + time.Second: 1} {
		engine.started, engine.now = 0, time.Now().Add(now)
		if err := s.Recover(t.Context(), engine.now); err != nil || engine.started != want {
			t.Errorf("after %s: started %d times, %v", now, engine.started, err)
		}
		engine.known = &protos.WorkflowState{WorkflowStatus: running, LastUpdatedTimestamp: timestamppb.New(time.Now())}
	}
	if at, err := s.orders.GoodsState(t.Context(), id); err != nil || at.Status != order.Paid {
		t.Errorf("%+v, %v", at, err)
	}
}

// TestRecoveryOfManyOrdersWithASilentEngine: one that does not answer is not waited for by each order.
func TestRecoveryOfManyOrdersWithASilentEngine(t *testing.T) {
	engine := &engineFake{silent: true}
	s, _ := openWithEngine(t, engine, 10*concurrency)
	if err := s.Recover(t.Context(), time.Now().Add(time.Minute)); err == nil || engine.asked.Load() > 3*concurrency {
		t.Errorf("%v, asked %d times", err, engine.asked.Load())
	}
}

// TestRecoveryGoesOnAfterOneThatFails: the oldest order cannot be looked at, and the others are started.
func TestRecoveryGoesOnAfterOneThatFails(t *testing.T) {
	engine := &engineFake{}
	s, ids := openWithEngine(t, engine, 3)
	engine.sick = ids[0].String()
	if err := s.Recover(t.Context(), time.Now().Add(time.Minute)); err == nil || engine.started != 2 {
		t.Errorf("%v, %d were started", err, engine.started)
	}
}

// TestRecoveryReadsOn: 600 orders wait for a payment without an end, and a younger one has no workflow.
func TestRecoveryReadsOn(t *testing.T) {
	engine := &engineFake{known: &protos.WorkflowState{WorkflowStatus: running, LastUpdatedTimestamp: timestamppb.Now()}}
	s, ids := openWithEngine(t, engine, 1)
	engine.lost = ids[0].String()
	s.exec(t, `insert into orders select (jsonb_populate_record(o, jsonb_build_object(
		'id', gen_random_uuid(), 'number', 'R-' || n, 'placed_at', o.placed_at - interval '1 minute'))).* from orders o, generate_series(1, 600) n`)
	if err := s.Recover(t.Context(), time.Now().Add(lateAfter+time.Second)); err != nil || engine.started != 1 {
		t.Errorf("%d were started, %v", engine.started, err)
	}
}
