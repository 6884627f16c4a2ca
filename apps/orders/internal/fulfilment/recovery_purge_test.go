package fulfilment

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sidecart/kit/shop"
)

// purgeEngineFake is a fake of the engine with a state for each workflow. It runs nothing.
type purgeEngineFake struct {
	protos.UnimplementedTaskHubSidecarServiceServer
	mu     sync.Mutex
	state  map[string]protos.OrchestrationStatus
	broken map[string]bool // workflows for which it fails
	busy   map[string]bool // workflows that ran an activity just before
}

func (e *purgeEngineFake) GetInstance(_ context.Context, in *protos.GetInstanceRequest) (*protos.GetInstanceResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broken[in.GetInstanceId()] {
		return nil, status.Error(codes.Internal, "its history cannot be read")
	}
	at, known := e.state[in.GetInstanceId()]
	state := &protos.WorkflowState{WorkflowStatus: at}
	if e.busy[in.GetInstanceId()] {
		state.LastUpdatedTimestamp = timestamppb.Now()
	}
	return &protos.GetInstanceResponse{Exists: known, WorkflowState: state}, nil
}

func (e *purgeEngineFake) TerminateInstance(_ context.Context, in *protos.TerminateRequest) (*protos.TerminateResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state[in.GetInstanceId()] = protos.OrchestrationStatus_ORCHESTRATION_STATUS_TERMINATED
	return &protos.TerminateResponse{}, nil
}

func (e *purgeEngineFake) PurgeInstances(_ context.Context, in *protos.PurgeInstancesRequest) (*protos.PurgeInstancesResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.state, in.GetInstanceId())
	return &protos.PurgeInstancesResponse{DeletedInstanceCount: 1}, nil
}

// TestPurge: workflows that did not end with their order are terminated, one that still runs activities is left alone,
// and one for which the engine fails does not block the others. Refunds have workflows too.
func TestPurge(t *testing.T) {
	s := open(t)
	engine := &purgeEngineFake{
		state: map[string]protos.OrchestrationStatus{}, broken: map[string]bool{}, busy: map[string]bool{},
	}
	s.engine, s.times = Engine{serveEngine(t, engine)}, Times{Unpaid: 30 * time.Minute, Retain: 10 * time.Minute}
	var ids []shop.OrderID
	for range 130 {
		o, err := s.orders.Place(t.Context(), alice.ID, newOrder(""))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.ID)
		engine.state[o.ID.String()] = running
	}
	for _, id := range ids[125:] {
		engine.state[id.String()] = protos.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED
	}
	busy, broken, refund, open := ids[0], ids[1], shop.NewID(), shop.NewID()
	engine.busy[busy.String()], engine.broken[broken.String()] = true, true
	s.exec(t, `update orders set status = 'cancelled', updated_at = now() - interval '30 minutes'`)
	s.exec(t, `insert into refunds (id, order_id, items, amount, currency, restock, void, reason, by, at, settled_at)
		select id, $3, '[]', 0, 'USD', false, true, '', 'system', now() + interval '1 day',
			case id when $1 then now() - interval '30 minutes' end
		from unnest(array[$1, $2]::uuid[]) as id`, refund, open, busy)
	engine.state[refund.String()] = protos.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED
	engine.state[open.String()] = running
	for range 2 {
		if err := s.Recover(t.Context(), time.Now()); err == nil {
			t.Error("no error for the failed one")
		}
	}
	if len(engine.state) != 3 || engine.state[busy.String()] != running || engine.state[open.String()] != running {
		t.Errorf("%d workflows are left, want the busy one, the broken one, and the open refund's", len(engine.state))
	}
	var workflows int
	err := s.db.QueryRow(t.Context(), `
		select (select count(*) from orders where has_workflow) + (select count(*) from refunds where has_workflow)`).
		Scan(&workflows)
	if err != nil || workflows != 3 {
		t.Errorf("%d workflows are not marked as purged, %v", workflows, err)
	}
}
