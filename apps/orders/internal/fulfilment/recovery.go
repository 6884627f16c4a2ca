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
	lateAfter      = 15 * time.Second // most orders are paid within a second, and most refunds made
	automaticGrace = time.Minute      // past the time at which a workflow should have shipped or delivered by itself
	concurrency    = 8                // workflows looked at concurrently
	maxSweepTime   = 3 * time.Second  // at those of one kind in one sweep; the next looks at the oldest again

	// A workflow that is late and has taken no step for half of the time that it is late is stuck, within these bounds:
	// the first is well above the pause between two tries of a step, and the more often one was started anew, the
	// longer the next time is away. So a busy engine is not made busier. One that never began has no time of a step: it
	// is woken each stuckAfter until it is late by stuckMost, and from then on starts anew each stuckMost.
	stuckAfter    = 45 * time.Second
	maxStuckAfter = 5 * time.Minute
)

// Recover is the recovery sweep. It starts the workflows of orders and refunds that have none, starts those anew that
// are stuck, and wakes those that never began. What becomes of an order or a refund, the workflow decides alone. The
// engine purges those that ended, so that its memory is as large as what is on its way and not as what was ever sold.
// One that fails holds up no other.
//
// It is needed because an event may be handled by nobody (its sidecar took a dying app's empty answer for success), and
// because a process that dies at the wrong moment can leave a workflow in the engine that nothing wakes.
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
	return errors.Join(append(errs, r.forEachPage(ctx, find.Ended, s.times.Retain, r.purge))...)
}

// sweep is one run of the recovery.
type sweep struct {
	*Service
	now        time.Time
	unanswered atomic.Int32 // calls that the engine did not answer
}

// engineUnavailable says that the engine is not called again in this run. A few workflows that it does not answer for are no reason.
func (r *sweep) engineUnavailable() bool { return r.unanswered.Load() > concurrency }

func (r *sweep) countUnanswered(err error) error {
	if code := status.Code(err); code == codes.Unavailable || code == codes.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded) {
		r.unanswered.Add(1)
	}
	return err
}

// findPage is a page of the workflows since before a moment, after another one.
type findPage func(ctx context.Context, before time.Time, after order.Instance) ([]order.Instance, error)

// recoverAll recovers the workflows that should have taken a step so long ago.
func (r *sweep) recoverAll(ctx context.Context, find findPage, ago time.Duration) error {
	return r.forEachPage(ctx, find, ago, func(ctx context.Context, i order.Instance) error {
		return r.recover(ctx, i, r.now.Sub(i.Since.Add(ago)))
	})
}

// forEachPage does something with every workflow that is found since so long ago, page by page, until its time is over: those
// that cannot be helped must not keep it from the others.
func (r *sweep) forEachPage(ctx context.Context, find findPage, ago time.Duration, do func(context.Context, order.Instance) error) error {
	var (
		errs []error
		last order.Instance
	)
	for began := time.Now(); time.Since(began) < maxSweepTime && !r.engineUnavailable(); {
		page, err := find(ctx, r.now.Add(-ago), last)
		if err != nil || len(page) == 0 {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, forEach(ctx, page, do))
		last = page[len(page)-1]
	}
	return errors.Join(errs...)
}

// recover looks at one workflow that is late by a time.
func (r *sweep) recover(ctx context.Context, i order.Instance, late time.Duration) error {
	if r.engineUnavailable() {
		return nil
	}
	known, err := r.engine.state(ctx, i.ID())
	switch {
	case err != nil:
		return r.countUnanswered(err)
	case known == nil || workflow.WorkflowMetadataIsComplete(known):
		return r.countUnanswered(r.startOrWake(ctx, i))
	case known.RuntimeStatus == workflow.StatusPending && late < maxStuckAfter:
		if !isDue(late, stuckAfter) {
			return nil
		}
		return r.countUnanswered(r.startOrWake(ctx, i))
	case known.RuntimeStatus == workflow.StatusPending:
		if !isDue(late, maxStuckAfter) {
			return nil
		}
	case r.now.Sub(known.LastUpdatedAt.AsTime()) < min(max(stuckAfter, late/2), maxStuckAfter):
		return nil
	}
	slog.WarnContext(ctx, "a workflow is stuck and starts anew", "order", i.OrderID, "refund", i.RefundID, "workflow", known.Name, "late", late)
	if err := r.engine.purge(ctx, i.ID(), false); err != nil {
		return r.countUnanswered(err)
	}
	return r.countUnanswered(r.startOrWake(ctx, i))
}

// isDue says once in each step of a workflow's lateness that something may be done for it. The engine does not say when
// one that never began was woken or started last. A sweep that did not run costs one more step.
func isDue(late, step time.Duration) bool { return late/step != (late-RecoveryInterval)/step }

// startOrWake starts a workflow, or wakes it.
func (s *Service) startOrWake(ctx context.Context, i order.Instance) error {
	if i.RefundID != uuid.Nil {
		return s.engine.StartRefund(ctx, i.OrderID, i.RefundID)
	}
	return s.start(ctx, i.OrderID)
}

// forEach does something with every one of all, some at a time. One that fails does not keep it from the others.
func forEach[T any](ctx context.Context, all []T, do func(context.Context, T) error) error {
	var g errgroup.Group
	g.SetLimit(concurrency)
	errs := make([]error, len(all))
	for i, one := range all {
		g.Go(func() error {
			errs[i] = do(ctx, one)
			return nil
		})
	}
	_ = g.Wait() // what failed is in errs
	return errors.Join(errs...)
}
