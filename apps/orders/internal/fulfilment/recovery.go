package fulfilment

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/dapr/durabletask-go/workflow"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sidecart/apps/orders/internal/order"
)

// RecoveryInterval is the time from one recovery sweep to the next.
const RecoveryInterval = 15 * time.Second

const (
	lateAfter      = 15 * time.Second // most orders are paid, and most refunds made, within a second
	automaticGrace = time.Minute      // after the time of an automatic shipment or delivery
	concurrency    = 8                // of the checks
	maxSweepTime   = 3 * time.Second  // for one kind of workflows; the next sweep begins with the oldest again

	// A late workflow is stuck if it has run no activity for half of the time by which it is late, within these bounds.
	// The lower one is well above maxRetryInterval. The more often a workflow was restarted, the longer the next
	// restart takes, so that a busy engine does not get busier. A workflow that never began has no time of an activity:
	// it is woken every stuckAfter until it is late by maxStuckAfter, and from then on restarted every maxStuckAfter.
	stuckAfter    = 45 * time.Second
	maxStuckAfter = 5 * time.Minute
)

// Recover is the recovery sweep. It starts missing workflows of orders and refunds, restarts stuck ones, wakes those
// that never began, and purges those that have ended: the engine's state is then as large as the open orders, not as
// large as all orders. Only the workflow decides about an order or refund. A workflow that fails does not block the
// others.
//
// The sweep is needed because an event may be lost (a sidecar takes the empty response of an exiting process for
// success), and because a crash can leave a workflow in the engine that nothing wakes.
func (s *Service) Recover(ctx context.Context, now time.Time) error {
	r := sweep{Service: s, now: now}
	find := s.orders.Recovery()
	errs := []error{r.recoverAll(ctx, find.Pending, lateAfter), r.recoverAll(ctx, find.OpenRefunds, lateAfter)}
	if s.times.Ship > 0 {
		errs = append(errs, r.recoverAll(ctx, find.Unshipped, s.times.Ship+automaticGrace))
	}
	if s.times.Deliver > 0 {
		errs = append(errs, r.recoverAll(ctx, find.Undelivered, s.times.Deliver+automaticGrace))
	}
	return errors.Join(append(errs, r.forEach(ctx, find.Unpurged, s.times.Retain, r.purge))...)
}

// sweep is one run of the recovery sweep.
type sweep struct {
	*Service
	now        time.Time
	noResponse atomic.Int32 // calls to which the engine did not respond
}

// engineUnavailable ends the sweep. A few workflows for which the engine does not respond are no reason.
func (r *sweep) engineUnavailable() bool { return r.noResponse.Load() > concurrency }

func (r *sweep) countNoResponse(err error) error {
	code := status.Code(err)
	if code == codes.Unavailable || code == codes.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded) {
		r.noResponse.Add(1)
	}
	return err
}

// findPage finds a page of the workflows since before a time, beginning after an instance.
type findPage func(ctx context.Context, before time.Time, after order.Instance) ([]order.Instance, error)

// recoverAll recovers the workflows that were due longer than ago.
func (r *sweep) recoverAll(ctx context.Context, find findPage, ago time.Duration) error {
	return r.forEach(ctx, find, ago, func(ctx context.Context, i order.Instance) error {
		return r.recover(ctx, i, r.now.Sub(i.Since.Add(ago)))
	})
}

// forEach calls do with the workflows since before ago, page by page and concurrently, for at most maxSweepTime. One
// that fails does not block the others.
func (r *sweep) forEach(
	ctx context.Context, find findPage, ago time.Duration, do func(context.Context, order.Instance) error,
) error {
	var (
		errs []error
		last order.Instance
	)
	for began := time.Now(); time.Since(began) < maxSweepTime && !r.engineUnavailable(); {
		page, err := find(ctx, r.now.Add(-ago), last)
		if err != nil || len(page) == 0 {
			return errors.Join(append(errs, err)...)
		}
		var g errgroup.Group
		g.SetLimit(concurrency)
		failed := make([]error, len(page))
		for n, i := range page {
			g.Go(func() error {
				if !r.engineUnavailable() {
					failed[n] = r.countNoResponse(do(ctx, i))
				}
				return nil
			})
		}
		_ = g.Wait() // the errors are in failed
		errs = append(errs, failed...)
		last = page[len(page)-1]
	}
	return errors.Join(errs...)
}

// recover checks one workflow that is late.
func (r *sweep) recover(ctx context.Context, i order.Instance, late time.Duration) error {
	known, err := r.engine.state(ctx, i.ID())
	switch {
	case err != nil:
		return err
	case known == nil || workflow.WorkflowMetadataIsComplete(known):
		return r.startOrWake(ctx, i)
	case known.RuntimeStatus == workflow.StatusPending && late < maxStuckAfter:
		if !isDue(late, stuckAfter) {
			return nil
		}
		return r.startOrWake(ctx, i)
	case known.RuntimeStatus == workflow.StatusPending:
		if !isDue(late, maxStuckAfter) {
			return nil
		}
	case r.now.Sub(known.LastUpdatedAt.AsTime()) < min(max(stuckAfter, late/2), maxStuckAfter):
		return nil
	}
	slog.WarnContext(ctx, "restarting stuck workflow",
		"order", i.OrderID, "refund", i.RefundID, "workflow", known.Name, "late", late)
	if err := r.engine.purge(ctx, i.ID(), false); err != nil {
		return err
	}
	return r.startOrWake(ctx, i)
}

// isDue is true in one sweep of each period of a workflow's lateness: the engine does not report when a workflow that
// never began was last woken or started. After a missed sweep it is true in the next period.
func isDue(late, period time.Duration) bool { return late/period != (late-RecoveryInterval)/period }

func (s *Service) startOrWake(ctx context.Context, i order.Instance) error {
	if i.RefundID != uuid.Nil {
		return s.engine.StartRefund(ctx, i.OrderID, i.RefundID)
	}
	return s.start(ctx, i.OrderID)
}

// purge purges the workflow of an order or refund that has ended. It terminates one that missed the end and is idle;
// one that still runs activities compensates and is left alone.
func (r *sweep) purge(ctx context.Context, i order.Instance) error {
	known, err := r.engine.state(ctx, i.ID())
	if err != nil {
		return err
	}
	if known != nil {
		complete := workflow.WorkflowMetadataIsComplete(known)
		if !complete && r.now.Sub(known.LastUpdatedAt.AsTime()) < stuckAfter {
			return nil
		}
		if !complete {
			slog.InfoContext(ctx, "terminating workflow that did not end with its order",
				"order", i.OrderID, "refund", i.RefundID)
		}
		if err := r.engine.purge(ctx, i.ID(), complete); err != nil {
			return err
		}
	}
	return r.orders.MarkPurged(ctx, i)
}
