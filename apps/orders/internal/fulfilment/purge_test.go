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

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
)

// purgeEngineFake is an engine that has a state for each workflow and runs none.
type purgeEngineFake struct {
	protos.UnimplementedTaskHubSidecarServiceServer
	mu    sync.Mutex
	state map[string]protos.OrchestrationStatus
	sick  map[string]bool // it fails when it is asked for these
	busy  map[string]bool // these took a step a moment ago
}

func (r *purgeEngineFake) GetInstance(_ context.Context, in *protos.GetInstanceRequest) (*protos.GetInstanceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sick[in.GetInstanceId()] {
		return nil, status.Error(codes.Internal, "its history cannot be read")
	}
	at, known := r.state[in.GetInstanceId()]
	state := &protos.WorkflowState{WorkflowStatus: at}
	if r.busy[in.GetInstanceId()] {
		state.LastUpdatedTimestamp = timestamppb.Now()
	}
	return &protos.GetInstanceResponse{Exists: known, WorkflowState: state}, nil
}

func (r *purgeEngineFake) TerminateInstance(_ context.Context, in *protos.TerminateRequest) (*protos.TerminateResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state[in.GetInstanceId()] = protos.OrchestrationStatus_ORCHESTRATION_STATUS_TERMINATED
	return &protos.TerminateResponse{}, nil
}

func (r *purgeEngineFake) PurgeInstances(_ context.Context, in *protos.PurgeInstancesRequest) (*protos.PurgeInstancesResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.state, in.GetInstanceId())
	return &protos.PurgeInstancesResponse{DeletedInstanceCount: 1}, nil
}

// TestPurgingGoesOn: workflows that did not end with their order are ended, one that still takes steps is left alone,
// and none of them keeps the others from being purged. Refunds have workflows too.
func TestPurgingGoesOn(t *testing.T) {
	s := open(t)
	engine := &purgeEngineFake{state: map[string]protos.OrchestrationStatus{}, sick: map[string]bool{}, busy: map[string]bool{}}
	s.engine, s.times = Engine{serveEngine(t, engine)}, Times{Unpaid: 30 * time.Minute, Retain: 10 * time.Minute}
	var ids []shop.OrderID
	for range 130 {
		o, err := s.orders.Place(t.Context(), alice.ID, order.NewOrder{Items: []order.OrderItem{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.ID)
		engine.state[o.ID.String()] = running
	}
	for _, id := range ids[125:] {
		engine.state[id.String()] = protos.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED
	}
	busy, sick, refund, owed := ids[0], ids[1], shop.NewID(), shop.NewID()
	engine.busy[busy.String()], engine.sick[sick.String()] = true, true
	s.exec(t, `update orders set status = 'cancelled', updated_at = now() - interval '30 minutes'`) // all at once
	s.exec(t, `insert into refunds (id, order_id, items, amount, currency, restock, void, reason, by, at, settled_at)
		select id, $3, '[]', 0, 'USD', false, true, '', 'system', now() + interval '1 day', case id when $1 then now() - interval '30 minutes' end
		from unnest(array[$1, $2]::uuid[]) as id`, refund, owed, busy)
	engine.state[refund.String()], engine.state[owed.String()] = protos.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED, running
	for range 2 {
		if err := s.Recover(t.Context(), time.Now()); err == nil {
			t.Error("it does not say that one failed")
		}
	}
	if len(engine.state) != 3 || engine.state[busy.String()] != running || engine.state[owed.String()] != running {
		t.Errorf("%d workflows are left, want the busy one, the one that cannot be read, and the refund that is owed", len(engine.state))
	}
	var has_workflow int
	if err := s.db.QueryRow(t.Context(), `
		select (select count(*) from orders where has_workflow) + (select count(*) from refunds where has_workflow)`).Scan(&has_workflow); err != nil || has_workflow != 3 {
		t.Errorf("%d are still has_workflow, %v", has_workflow, err)
	}
}
