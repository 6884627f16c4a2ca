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

// engineFake is a fake of the engine with one state for every workflow. It counts its calls and runs nothing.
type engineFake struct {
	protos.UnimplementedTaskHubSidecarServiceServer
	known   *protos.WorkflowState // nil if there is none
	silent  bool                  // it does not respond
	broken  string                // the id of a workflow for which it fails
	missing string                // the id of a workflow that it does not have
	calls   atomic.Int32
	now     time.Time

	mu                     sync.Mutex
	purged, started, woken int
}

func (e *engineFake) GetInstance(ctx context.Context, in *protos.GetInstanceRequest) (*protos.GetInstanceResponse, error) {
	e.calls.Add(1)
	if e.silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if in.GetInstanceId() == e.broken {
		return nil, status.Error(codes.Internal, "its history cannot be read")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return &protos.GetInstanceResponse{Exists: e.known != nil && in.GetInstanceId() != e.missing, WorkflowState: e.known}, nil
}

func (e *engineFake) StartInstance(_ context.Context, in *protos.CreateInstanceRequest) (*protos.CreateInstanceResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	exists := e.known != nil && in.GetInstanceId() != e.missing
	if exists && e.known.GetWorkflowStatus() != failed { // as daprd does
		return nil, status.Error(codes.AlreadyExists, "there is one")
	}
	e.started++
	return &protos.CreateInstanceResponse{}, nil
}

func (e *engineFake) RaiseEvent(context.Context, *protos.RaiseEventRequest) (*protos.RaiseEventResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.woken++
	return &protos.RaiseEventResponse{}, nil
}

func (e *engineFake) TerminateInstance(context.Context, *protos.TerminateRequest) (*protos.TerminateResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known.WorkflowStatus = failed
	return &protos.TerminateResponse{}, nil
}

func (e *engineFake) PurgeInstances(context.Context, *protos.PurgeInstancesRequest) (*protos.PurgeInstancesResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known.GetWorkflowStatus() != failed {
		return nil, status.Error(codes.FailedPrecondition, "it has not ended")
	}
	e.known = nil
	e.purged++
	return &protos.PurgeInstancesResponse{DeletedInstanceCount: 1}, nil
}

const (
	running = protos.OrchestrationStatus_ORCHESTRATION_STATUS_RUNNING
	pending = protos.OrchestrationStatus_ORCHESTRATION_STATUS_PENDING
	failed  = protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED
)

func (e *engineFake) client(t *testing.T) *workflow.Client {
	t.Helper()
	return serveEngine(t, e)
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

// openWithEngine is a fixture with pending orders and an engine.
func openWithEngine(t *testing.T, engine *engineFake, orders int) (s *fixture, ids []shop.OrderID) {
	t.Helper()
	s = open(t)
	s.engine, s.times = Engine{engine.client(t)}, Times{Unpaid: 30 * time.Minute}
	for range orders {
		o, err := s.orders.Place(t.Context(), alice.ID, newOrder(""))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.ID)
	}
	return s, ids
}

// TestRecovery: a workflow that waits in a busy engine is left alone; a stuck one is woken or restarted. The sweep does
// not change the order.
func TestRecovery(t *testing.T) {
	const never = -1
	for name, c := range map[string]struct {
		state                  protos.OrchestrationStatus // less than 0 if there is no workflow
		late, idle             time.Duration              // by and ago
		purged, started, woken int
	}{
		"an activity ran":            {running, 2 * time.Minute, stuckAfter / 2, 0, 0, 0},
		"stuck":                      {running, stuckAfter + time.Second, stuckAfter + time.Second, 1, 1, 0},
		"was restarted":              {running, 6 * time.Minute, 2 * time.Minute, 0, 0, 0},
		"stuck again":                {running, 6 * time.Minute, 4 * time.Minute, 1, 1, 0},
		"late for days":              {running, 72 * time.Hour, maxStuckAfter + time.Second, 1, 1, 0},
		"waits for its turn":         {pending, stuckAfter - time.Second, never, 0, 0, 0},
		"never began":                {pending, stuckAfter + time.Second, never, 0, 0, 1},
		"was woken":                  {pending, 2*stuckAfter - 15*time.Second, never, 0, 0, 0},
		"still never began":          {pending, 2*stuckAfter + time.Second, never, 0, 0, 1},
		"a sweep was missed":         {pending, 3*stuckAfter + time.Second, never, 0, 0, 1},
		"waking did not help":        {pending, maxStuckAfter + time.Second, never, 1, 1, 0},
		"was restarted, never began": {pending, 2*maxStuckAfter - 15*time.Second, never, 0, 0, 0},
		"never began for days":       {pending, 72 * time.Hour, never, 1, 1, 0},
		"never began for days, a sweep was missed": {pending, 72*time.Hour + maxStuckAfter, never, 1, 1, 0},
		"failed":  {failed, time.Second, 0, 0, 1, 0},
		"missing": {-1, time.Second, never, 0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			engine := &engineFake{}
			s, ids := openWithEngine(t, engine, 1)
			engine.now = time.Now().Add(c.late + lateAfter)
			if c.state >= 0 {
				updated := time.Time{}
				if c.idle != never {
					updated = engine.now.Add(-c.idle)
				}
				engine.known = &protos.WorkflowState{
					WorkflowStatus: c.state, CreatedTimestamp: timestamppb.New(updated), LastUpdatedTimestamp: timestamppb.New(updated),
				}
			}
			if err := s.Recover(t.Context(), engine.now); err != nil {
				t.Error(err)
			}
			goods, err := s.orders.GoodsState(t.Context(), ids[0])
			if err != nil || goods.Status != order.Pending {
				t.Errorf("%+v, %v", goods, err)
			}
			if engine.purged != c.purged || engine.started != c.started || engine.woken != c.woken {
				t.Errorf("purged %d times, started %d times, woken %d times", engine.purged, engine.started, engine.woken)
			}
		})
	}
}

// TestRecoveryOfLateShipments: the workflow of a late automatic shipment is restarted.
func TestRecoveryOfLateShipments(t *testing.T) {
	engine := &engineFake{}
	s, _ := openWithEngine(t, engine, 0)
	s.times.Ship, s.times.Deliver = time.Hour, time.Hour
	id := s.paidOrder(t)
	engine.known = &protos.WorkflowState{WorkflowStatus: running, LastUpdatedTimestamp: timestamppb.New(time.Now())}
	for now, want := range map[time.Duration]int{time.Hour: 0, time.Hour + automaticGrace + time.Second: 1} {
		engine.started, engine.now = 0, time.Now().Add(now)
		if err := s.Recover(t.Context(), engine.now); err != nil || engine.started != want {
			t.Errorf("after %s: started %d times, %v", now, engine.started, err)
		}
		engine.known = &protos.WorkflowState{WorkflowStatus: running, LastUpdatedTimestamp: timestamppb.New(time.Now())}
	}
	if goods, err := s.orders.GoodsState(t.Context(), id); err != nil || goods.Status != order.Paid {
		t.Errorf("%+v, %v", goods, err)
	}
}

// TestRecoveryWithUnresponsiveEngine: the sweep does not wait for an unresponsive engine once for each order.
func TestRecoveryWithUnresponsiveEngine(t *testing.T) {
	engine := &engineFake{silent: true}
	s, _ := openWithEngine(t, engine, 10*concurrency)
	if err := s.Recover(t.Context(), time.Now().Add(time.Minute)); err == nil || engine.calls.Load() > 3*concurrency {
		t.Errorf("%v, called %d times", err, engine.calls.Load())
	}
}

// TestRecoveryContinuesAfterAFailure: the engine fails for the oldest workflow, and the others are started.
func TestRecoveryContinuesAfterAFailure(t *testing.T) {
	engine := &engineFake{}
	s, ids := openWithEngine(t, engine, 3)
	engine.broken = ids[0].String()
	if err := s.Recover(t.Context(), time.Now().Add(time.Minute)); err == nil || engine.started != 2 {
		t.Errorf("%v, %d were started", err, engine.started)
	}
}

// TestRecoveryReadsAllPages: 600 workflows wait, and that of a younger order is missing.
func TestRecoveryReadsAllPages(t *testing.T) {
	engine := &engineFake{known: &protos.WorkflowState{WorkflowStatus: running, LastUpdatedTimestamp: timestamppb.Now()}}
	s, ids := openWithEngine(t, engine, 1)
	engine.missing = ids[0].String()
	s.exec(t, `insert into orders select (jsonb_populate_record(o, jsonb_build_object(
		'id', gen_random_uuid(), 'number', 'R-' || n, 'placed_at', o.placed_at - interval '1 minute'))).*
		from orders o, generate_series(1, 600) n`)
	if err := s.Recover(t.Context(), time.Now().Add(lateAfter+time.Second)); err != nil || engine.started != 1 {
		t.Errorf("%d were started, %v", engine.started, err)
	}
}
