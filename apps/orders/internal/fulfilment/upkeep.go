package fulfilment

import (
	"context"
	"errors"
	"time"

	"github.com/dapr/durabletask-go/api"
	"github.com/dapr/durabletask-go/workflow"
	"golang.org/x/sync/errgroup"

	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// upkeepJob is the scheduler's name for having orders looked after that got stuck, or whose time is over; one replica gets
// each call.
const upkeepJob = "resume-stuck-orders"

const (
	stuckAfter = 15 * time.Second // most orders are paid within a second
	overdue    = time.Minute      // past the time at which a workflow should have done something by itself
	atATime    = 8                // questions to the engine
)

// Routes adds what the scheduler calls.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /job/"+upkeepJob, shop.Anyone, s.handleUpkeep, web.Internal)
	web.Handle(app, "POST /job/"+reconcileJob, shop.Anyone, s.handleReconcile, web.Internal)
}

// ScheduleUpkeep asks the scheduler to have orders looked after every 15 s.
func (s *Service) ScheduleUpkeep(ctx context.Context, every sidecar.Schedule) error {
	return every(ctx, upkeepJob, "@every 15s")
}

func (s *Service) handleUpkeep(ctx context.Context, _ shop.Caller, _ web.None) (web.None, error) {
	return web.None{}, s.Upkeep(ctx, time.Now())
}

// Upkeep does what should have happened by now: it cancels orders that nobody paid in time, starts or wakes workflows
// that are late, settles refunds, and has the engine forget workflows whose orders came to their end.
func (s *Service) Upkeep(ctx context.Context, now time.Time) error {
	look := s.orders.Upkeep()
	all := func(find func(context.Context, time.Time) ([]shop.OrderID, error), before time.Time, do func(context.Context, shop.OrderID) error) error {
		found, err := find(ctx, before)
		if err != nil {
			return err
		}
		return each(ctx, found, do)
	}
	errs := []error{all(look.Pending, now.Add(-s.times.Unpaid), func(ctx context.Context, id shop.OrderID) error {
		return s.orders.GiveUp(ctx, id, "it was not paid in time", true)
	})}
	errs = append(errs,
		all(look.Pending, now.Add(-stuckAfter), s.start),
		all(look.Owing, now.Add(-stuckAfter), s.settle),
		all(look.Ended, now.Add(-s.times.Keep), s.forget))
	if s.times.Ship > 0 {
		errs = append(errs, all(look.Unshipped, now.Add(-s.times.Ship-overdue), s.start))
	}
	if s.times.Deliver > 0 {
		errs = append(errs, all(look.Undelivered, now.Add(-s.times.Deliver-overdue), s.start))
	}
	return errors.Join(errs...)
}

// each does something with every order, some at a time. One that fails does not keep it from the others.
func each(ctx context.Context, orders []shop.OrderID, do func(context.Context, shop.OrderID) error) error {
	var g errgroup.Group
	g.SetLimit(atATime)
	errs := make([]error, len(orders))
	for i, id := range orders {
		g.Go(func() error {
			errs[i] = do(ctx, id)
			return nil
		})
	}
	_ = g.Wait() // what failed is in errs
	return errors.Join(errs...)
}

// forget has the engine drop the history of a workflow whose order is at its end, so that the workflows' memory is as
// large as what is on its way and not as what was ever sold. One that still waits missed the event, and is woken.
func (s *Service) forget(ctx context.Context, id shop.OrderID) error {
	known, err := s.engine.FetchWorkflowMetadata(ctx, id.String(), workflow.WithFetchPayloads(false))
	switch {
	case errors.Is(err, api.ErrInstanceNotFound):
		return s.orders.Upkeep().Forgotten(ctx, id)
	case err != nil:
		return err
	case !workflow.WorkflowMetadataIsComplete(known):
		s.wake(ctx, id)
		return nil
	}
	if err := s.engine.PurgeWorkflowState(ctx, id.String()); err != nil && !errors.Is(err, api.ErrInstanceNotFound) {
		return err
	}
	return s.orders.Upkeep().Forgotten(ctx, id)
}
