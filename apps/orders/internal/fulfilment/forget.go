package fulfilment

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/dapr/durabletask-go/api"
	"github.com/dapr/durabletask-go/workflow"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sidecart/apps/orders/internal/order"
)

// overstays is how long a workflow whose order is at its end, and which nobody has to look at any more, is woken before it is ended.
const overstays = time.Hour

// forgetting is how long one run forgets for; the next goes on.
const forgetting = 4 * time.Second

// forgetEnded has the engine forget workflows, page by page: those that do not end must not keep it from the others. It stops where
// the engine is away.
func (s *Service) forgetEnded(ctx context.Context, now time.Time) error {
	var (
		errs []error
		last order.Ended
	)
	for began := time.Now(); time.Since(began) < forgetting; {
		page, err := s.orders.Upkeep().Ended(ctx, now.Add(-s.times.Keep), last)
		if err != nil || len(page) == 0 {
			return errors.Join(append(errs, err)...)
		}
		var away atomic.Bool
		errs = append(errs, each(ctx, page, func(ctx context.Context, o order.Ended) error {
			if away.Load() {
				return nil
			}
			err := s.forget(ctx, o, now)
			if code := status.Code(err); code == codes.Unavailable || code == codes.DeadlineExceeded {
				away.Store(true)
			}
			return err
		}))
		if away.Load() {
			break
		}
		last = page[len(page)-1]
	}
	return errors.Join(errs...)
}

// forget has the engine drop the history of a workflow whose order is at its end, so that the workflows' memory is as
// large as what is on its way and not as what was ever sold. One that still waits missed the event, and is woken; one that is not
// woken by that for an hour never will be, and is ended: the next run drops it.
func (s *Service) forget(ctx context.Context, o order.Ended, now time.Time) error {
	known, err := s.engine.FetchWorkflowMetadata(ctx, o.ID.String(), workflow.WithFetchPayloads(false))
	switch {
	case errors.Is(err, api.ErrInstanceNotFound):
		return s.orders.Upkeep().Forgotten(ctx, o.ID)
	case err != nil:
		return err
	case !workflow.WorkflowMetadataIsComplete(known):
		return s.wakeOrEnd(ctx, o, now)
	}
	if err := s.engine.PurgeWorkflowState(ctx, o.ID.String()); err != nil && !errors.Is(err, api.ErrInstanceNotFound) {
		return err
	}
	return s.orders.Upkeep().Forgotten(ctx, o.ID)
}

// wakeOrEnd leaves alone a workflow that may still be giving something back.
func (s *Service) wakeOrEnd(ctx context.Context, o order.Ended, now time.Time) error {
	owed, err := s.orders.Owed(ctx, o.ID)
	if err != nil {
		return err
	}
	if len(owed) > 0 || now.Sub(o.UpdatedAt) < s.times.Keep+overstays {
		s.wake(ctx, o.ID)
		return nil
	}
	slog.WarnContext(ctx, "a workflow does not end with its order, and is ended", "order", o.ID)
	return s.engine.TerminateWorkflow(ctx, o.ID.String())
}
