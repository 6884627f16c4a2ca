package fulfilment

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
)

// remembering is an engine that has a state for each workflow and runs none.
type remembering struct {
	protos.UnimplementedTaskHubSidecarServiceServer
	mu    sync.Mutex
	state map[string]protos.OrchestrationStatus
	woken map[string]int
	sick  map[string]bool // it fails when it is asked for these
}

func (r *remembering) GetInstance(_ context.Context, in *protos.GetInstanceRequest) (*protos.GetInstanceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sick[in.GetInstanceId()] {
		return nil, status.Error(codes.Internal, "its history cannot be read")
	}
	at, known := r.state[in.GetInstanceId()]
	return &protos.GetInstanceResponse{Exists: known, WorkflowState: &protos.WorkflowState{WorkflowStatus: at}}, nil
}

func (r *remembering) RaiseEvent(_ context.Context, in *protos.RaiseEventRequest) (*protos.RaiseEventResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.woken[in.GetInstanceId()]++
	return &protos.RaiseEventResponse{}, nil
}

func (r *remembering) TerminateInstance(_ context.Context, in *protos.TerminateRequest) (*protos.TerminateResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state[in.GetInstanceId()] = protos.OrchestrationStatus_ORCHESTRATION_STATUS_TERMINATED
	return &protos.TerminateResponse{}, nil
}

func (r *remembering) PurgeInstances(_ context.Context, in *protos.PurgeInstancesRequest) (*protos.PurgeInstancesResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.state, in.GetInstanceId())
	return &protos.PurgeInstancesResponse{DeletedInstanceCount: 1}, nil
}

// TestForgettingGoesOn: workflows that do not end are woken, and ended in the end, and keep no other from being forgotten.
func TestForgettingGoesOn(t *testing.T) {
	s := open(t)
	engine := &remembering{state: map[string]protos.OrchestrationStatus{}, woken: map[string]int{}, sick: map[string]bool{}}
	s.engine, s.times = served(t, engine), Times{Unpaid: 30 * time.Minute, Keep: 10 * time.Minute}
	var ids []shop.OrderID
	for range 130 {
		o, err := s.orders.Place(t.Context(), alice.ID, order.Basket{Items: []order.Item{{ProductID: 1, Quantity: 2}}, PaymentMethod: "paypal"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.ID)
		engine.state[o.ID.String()] = running
	}
	for _, id := range ids[125:] {
		engine.state[id.String()] = protos.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED
	}
	owing, sick := ids[0], ids[1]
	engine.sick[sick.String()] = true
	s.exec(t, `update orders set status = 'cancelled', updated_at = now() - interval '30 minutes'`) // all at once
	s.exec(t, `insert into refunds (id, order_id, items, amount, currency, restock, calls_off, reason, by, at)
		values ($1, $2, '[]', 0, 'USD', false, true, '', 'system', now() + interval '1 day')`, shop.NewID(), owing)
	upkeep := func(after time.Duration, left, woken int) {
		t.Helper()
		if err := s.Upkeep(t.Context(), time.Now().Add(after)); err == nil {
			t.Error("it does not say that one failed")
		}
		if len(engine.state) != left || len(engine.woken) != woken {
			t.Errorf("after %s: %d workflows, want %d; %d were woken, want %d", after, len(engine.state), left, len(engine.woken), woken)
		}
	}
	upkeep(0, 125, 124)
	upkeep(30*time.Minute, 125, 124)
	upkeep(41*time.Minute, 125, 124) // they are ended
	upkeep(42*time.Minute, 2, 124)
	if at := engine.state[owing.String()]; at != running || engine.woken[owing.String()] != 4 || engine.woken[ids[2].String()] != 2 {
		t.Errorf("what may still give back: %s, woken %d times, others %d times", at, engine.woken[owing.String()], engine.woken[ids[2].String()])
	}
	var followed int
	if err := s.db.QueryRow(t.Context(), `select count(*) from orders where followed`).Scan(&followed); err != nil || followed != 2 {
		t.Errorf("%d are still followed, %v", followed, err)
	}
}
