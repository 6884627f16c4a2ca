package fulfilment

import (
	"context"
	"net"
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

// answering is an engine that says what it is told to of every workflow, notes when it was woken, and counts what it is asked to do. It
// runs nothing.
type answering struct {
	protos.UnimplementedTaskHubSidecarServiceServer
	known          *protos.WorkflowState // nil where it knows none
	silent         bool
	asked          atomic.Int32
	now            time.Time
	started, woken int
}

func (a *answering) GetInstance(ctx context.Context, _ *protos.GetInstanceRequest) (*protos.GetInstanceResponse, error) {
	a.asked.Add(1)
	if a.silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &protos.GetInstanceResponse{Exists: a.known != nil, WorkflowState: a.known}, nil
}

func (a *answering) StartInstance(context.Context, *protos.CreateInstanceRequest) (*protos.CreateInstanceResponse, error) {
	if a.known != nil && a.known.GetWorkflowStatus() != failed { // as daprd has it
		return nil, status.Error(codes.AlreadyExists, "there is one")
	}
	a.started++
	return &protos.CreateInstanceResponse{}, nil
}

func (a *answering) RaiseEvent(context.Context, *protos.RaiseEventRequest) (*protos.RaiseEventResponse, error) {
	a.woken++
	a.known.LastUpdatedTimestamp = timestamppb.New(a.now) // it is in the history, though what should wake does not
	return &protos.RaiseEventResponse{}, nil
}

const (
	running = protos.OrchestrationStatus_ORCHESTRATION_STATUS_RUNNING
	pending = protos.OrchestrationStatus_ORCHESTRATION_STATUS_PENDING
	failed  = protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED
)

func (a *answering) client(t *testing.T) *workflow.Client {
	t.Helper()
	return served(t, a)
}

func served(t *testing.T, engine protos.TaskHubSidecarServiceServer) *workflow.Client {
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

// carriedBy is a stand with orders of two things each, and an engine that answers.
func carriedBy(t *testing.T, engine *answering, orders int) (s *stand, ids []shop.OrderID) {
	t.Helper()
	s = open(t)
	s.engine, s.times = engine.client(t), Times{Unpaid: 30 * time.Minute}
	for range orders {
		o, err := s.orders.Place(t.Context(), alice.ID, order.Basket{Items: []order.Item{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.ID)
	}
	return s, ids
}

// TestUpkeepLeavesAloneWhatIsOnItsWay: an order that waits for its turn in a busy engine is not worked on twice; one that nobody
// carries is woken, and then carried by hand.
func TestUpkeepLeavesAloneWhatIsOnItsWay(t *testing.T) {
	const never = -1
	for name, c := range map[string]struct {
		state          protos.OrchestrationStatus // less than 0 where there is no workflow
		pending, moved time.Duration              // ago
		want           order.Status
		started, woken int
	}{
		"a step was taken":            {running, 50 * time.Second, justMoved / 2, order.Pending, 0, 0},
		"the last was long ago":       {running, 50 * time.Second, justMoved + time.Second, order.Paid, 0, 0},
		"late, and not yet by hand":   {running, byHand - time.Second, justMoved + time.Second, order.Pending, 0, 1},
		"it waits for its turn":       {pending, unbegun - 5*time.Second, never, order.Pending, 0, 0},
		"it waits for ever":           {pending, unbegun + 5*time.Second, never, order.Paid, 0, 0},
		"it failed":                   {failed, byHand - time.Second, time.Second, order.Pending, 1, 0},
		"it failed long ago":          {failed, byHand + time.Second, time.Second, order.Paid, 0, 0},
		"there is none":               {-1, byHand - time.Second, never, order.Pending, 1, 0},
		"there has been none so long": {-1, byHand + time.Second, never, order.Paid, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			engine := &answering{now: time.Now().Add(c.pending)}
			if c.state >= 0 {
				moved := time.Time{}
				if c.moved != never {
					moved = engine.now.Add(-c.moved)
				}
				engine.known = &protos.WorkflowState{
					WorkflowStatus: c.state, CreatedTimestamp: timestamppb.New(moved), LastUpdatedTimestamp: timestamppb.New(moved),
				}
			}
			s, ids := carriedBy(t, engine, 1)
			if err := s.Upkeep(t.Context(), engine.now); err != nil {
				t.Error(err)
			}
			at, err := s.orders.Standing(t.Context(), ids[0])
			if err != nil || at.Goods != c.want || engine.started != c.started || engine.woken != c.woken {
				t.Errorf("%+v, %v, started %d times, woken %d times", at, err, engine.started, engine.woken)
			}
		})
	}
}

// TestUpkeepIsNotFooledByItsOwnWaking: what it writes into a workflow that does not wake does not make that look alive until the end.
func TestUpkeepIsNotFooledByItsOwnWaking(t *testing.T) {
	placed := time.Now()
	engine := &answering{known: &protos.WorkflowState{
		WorkflowStatus: running, CreatedTimestamp: timestamppb.New(placed), LastUpdatedTimestamp: timestamppb.New(placed.Add(time.Second)),
	}}
	s, ids := carriedBy(t, engine, 1)
	for n := time.Duration(1); n <= 3; n++ {
		engine.now = placed.Add(n*upkeepEvery + time.Second)
		if err := s.Upkeep(t.Context(), engine.now); err != nil {
			t.Error(err)
		}
	}
	if at, err := s.orders.Standing(t.Context(), ids[0]); err != nil || at.Goods != order.Paid || engine.woken != 1 {
		t.Errorf("%+v, %v, woken %d times", at, err, engine.woken)
	}
}

// TestUpkeepOfManyOrdersWithASilentEngine: one that does not answer is waited for once, and not for each order.
func TestUpkeepOfManyOrdersWithASilentEngine(t *testing.T) {
	engine := &answering{silent: true}
	s, ids := carriedBy(t, engine, 10*atATime)
	if err := s.Upkeep(t.Context(), time.Now().Add(byHand+time.Second)); err != nil || engine.asked.Load() > atATime {
		t.Errorf("%v, asked %d times", err, engine.asked.Load())
	}
	for _, id := range ids {
		if at, err := s.orders.Standing(t.Context(), id); err != nil || at.Goods != order.Paid {
			t.Fatalf("%+v, %v", at, err)
		}
	}
}
