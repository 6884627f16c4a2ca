package fulfilment

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
)

// purging is how long one run of the sweep purges; the next goes on.
const purging = 4 * time.Second

// purgeEnded has the engine drop the history of workflows whose order or refund has come to its end, so that the
// engine's memory is as large as what is on its way and not as what was ever sold. It goes page by page: those that
// cannot be purged must not keep it from the others.
func (r *sweep) purgeEnded(ctx context.Context) error {
	var (
		errs []error
		last order.Instance
	)
	for began := time.Now(); time.Since(began) < purging && !r.away(); {
		page, err := r.orders.Recovery().Ended(ctx, r.now.Add(-r.times.Keep), last)
		if err != nil || len(page) == 0 {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, each(ctx, page, r.purge))
		last = page[len(page)-1]
	}
	return errors.Join(errs...)
}

// purge ends a workflow that missed the event of its order's end and waits for nothing. One that takes steps gives
// something back, and is left alone.
func (r *sweep) purge(ctx context.Context, i order.Instance) error {
	if r.away() {
		return nil
	}
	known, err := r.engine.state(ctx, i.ID())
	if err != nil {
		return r.heard(err)
	}
	if known != nil {
		complete := workflow.WorkflowMetadataIsComplete(known)
		if !complete && r.now.Sub(known.LastUpdatedAt.AsTime()) < stuckAfter {
			return nil
		}
		if !complete {
			slog.InfoContext(ctx, "a workflow did not end with its order, and is ended", "order", i.OrderID, "refund", i.RefundID)
		}
		if err := r.engine.remove(ctx, i.ID(), complete); err != nil {
			return r.heard(err)
		}
	}
	return r.orders.Recovery().Purged(ctx, i)
}
