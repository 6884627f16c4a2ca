package fulfilment

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/dapr/durabletask-go/api"
	"github.com/dapr/durabletask-go/workflow"
	"golang.org/x/sync/errgroup"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// upkeepJob is the scheduler's name for having orders looked after that got stuck, or whose time is over; one replica gets
// each call.
const upkeepJob = "resume-stuck-orders"

const (
	upkeepEvery = 15 * time.Second

	stuckAfter = 15 * time.Second // most orders are paid within a second
	byHand     = 30 * time.Second // then nobody waits for a workflow any longer that is not on its way
	justMoved  = 10 * time.Second // a workflow whose last step is younger is on its way; less than upkeepEvery, whose waking is a step
	unbegun    = 45 * time.Second // and so is one that waits for its first step for less: in a crowd that is long
	overdue    = time.Minute      // past the time at which a workflow should have done something by itself
	atATime    = 8                // orders looked after at once
)

// Routes adds what the scheduler calls.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /job/"+upkeepJob, shop.Anyone, s.handleUpkeep, web.Internal)
	web.Handle(app, "POST /job/"+reconcileJob, shop.Anyone, s.handleReconcile, web.Internal, web.Patience(runs))
}

// ScheduleUpkeep asks the scheduler to have orders looked after every 15 s.
func (s *Service) ScheduleUpkeep(ctx context.Context, every sidecar.Schedule) error {
	return every(ctx, upkeepJob, "@every "+upkeepEvery.String())
}

func (s *Service) handleUpkeep(ctx context.Context, _ shop.Caller, _ web.None) (web.None, error) {
	return web.None{}, s.Upkeep(ctx, time.Now())
}

// Upkeep does what should have happened by now: it cancels orders that nobody paid in time, starts or wakes workflows
// that are late, walks the steps of those that are very late itself, settles refunds, and has the engine forget workflows
// whose orders came to their end.
//
// It does not rely on the engine: a process that dies at the wrong moment can leave a workflow there that no event wakes
// until the sidecar restarts, and an engine that does not answer is not asked again in the same run. All steps may be walked
// twice and by two at once, and the table of statuses decides.
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
		return s.orders.GiveUp(ctx, id, shop.Unpaid.Text(), true)
	})}
	late := rescue{Service: s, now: now}
	errs = append(errs,
		all(look.Owing, now.Add(-stuckAfter), s.settle),
		all(look.Pending, now.Add(-stuckAfter), late.order))
	if s.times.Ship > 0 {
		errs = append(errs, all(look.Unshipped, now.Add(-s.times.Ship-overdue), s.orders.ShipByItself))
	}
	if s.times.Deliver > 0 {
		errs = append(errs, all(look.Undelivered, now.Add(-s.times.Deliver-overdue), s.orders.DeliverByItself))
	}
	return errors.Join(append(errs, s.forgetEnded(ctx, now))...) // last: it may take all the time that is left
}

// rescue is one run's look after pending orders that the engine does not carry.
type rescue struct {
	*Service
	now  time.Time
	away atomic.Bool // the engine did not answer
}

// order leaves alone what is on its way, wakes what is late, and takes the steps of what is very late.
func (r *rescue) order(ctx context.Context, id shop.OrderID) error {
	at, err := r.orders.Standing(ctx, id)
	if err != nil || at.Goods != order.Pending {
		return err
	}
	if !r.away.Load() {
		onItsWay, silence := r.onItsWay(ctx, id, at.Since)
		if onItsWay {
			return nil
		}
		if err = silence; err != nil {
			r.away.Store(true)
		}
	}
	switch {
	case r.now.Sub(at.Since) >= byHand:
		return r.payByHand(ctx, id)
	case r.away.Load():
		return err // nil where another order found it out
	}
	return r.start(ctx, id)
}

// onItsWay says whether the engine carries an order that has been pending since a time: it took a step a moment ago, or has the
// order in the queue for its first one. It fails where the engine does not answer within 2 s.
func (r *rescue) onItsWay(ctx context.Context, id shop.OrderID, since time.Time) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	known, err := r.engine.FetchWorkflowMetadata(ctx, id.String(), workflow.WithFetchPayloads(false))
	switch {
	case errors.Is(err, api.ErrInstanceNotFound):
		return false, nil
	case err != nil:
		return false, err
	case workflow.WorkflowMetadataIsComplete(known):
		return false, nil
	}
	if step := known.LastUpdatedAt.AsTime(); step.After(since) {
		return r.now.Sub(step) < justMoved, nil
	}
	return r.now.Sub(since) < unbegun, nil
}

// payByHand takes the workflow's steps from pending to paid, or to cancelled. A charge without an answer is asked for again at
// the next time.
func (s *Service) payByHand(ctx context.Context, id shop.OrderID) error {
	slog.WarnContext(ctx, "a workflow is late, and upkeep takes its steps", "order", id)
	result, err := s.pay(ctx, id)
	if err != nil || result.Refused == "" {
		return err
	}
	return s.abandon(ctx, abandoned{id, result.Refused, result.Declined})
}

// each does something with every order, some at a time. One that fails does not keep it from the others.
func each[T any](ctx context.Context, orders []T, do func(context.Context, T) error) error {
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
