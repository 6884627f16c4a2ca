package fulfilment

import (
	"context"
	"log/slog"

	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
)

// purge ends a workflow that missed the event of its order's end and waits for nothing. One that takes steps gives
// something back, and is left alone.
func (r *sweep) purge(ctx context.Context, i order.Instance) error {
	if r.engineUnavailable() {
		return nil
	}
	known, err := r.engine.state(ctx, i.ID())
	if err != nil {
		return r.countUnanswered(err)
	}
	if known != nil {
		complete := workflow.WorkflowMetadataIsComplete(known)
		if !complete && r.now.Sub(known.LastUpdatedAt.AsTime()) < stuckAfter {
			return nil
		}
		if !complete {
			slog.InfoContext(ctx, "a workflow did not end with its order, and is ended", "order", i.OrderID, "refund", i.RefundID)
		}
		if err := r.engine.purge(ctx, i.ID(), complete); err != nil {
			return r.countUnanswered(err)
		}
	}
	return r.orders.Recovery().MarkPurged(ctx, i)
}
