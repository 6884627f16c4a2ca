// Package fulfilment carries an order from placed to paid, as a durable workflow: each step is kept by the workflow
// engine, may run twice, and is undone if a later one fails for good.
package fulfilment

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/event"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// Service carries orders through. There is one workflow per order, and its instance id is the order's id.
type Service struct {
	orders   *order.Service
	payments payment.Provider
	stock    Stock
	engine   *workflow.Client
}

// NewService works with the sidecar's workflow engine.
func NewService(orders *order.Service, payments payment.Provider, stock Stock, engine *workflow.Client) *Service {
	return &Service{orders, payments, stock, engine}
}

// name is the workflow's, as it stands in the histories that the engine keeps.
const name = "fulfil"

// Subscribe hears what starts a fulfilment and what undoes it.
func (s *Service) Subscribe(h *event.Hub) {
	event.OnAgain(h, s.onPlaced)
	event.OnAgain(h, s.onCancelled)
}

// onPlaced starts the workflow, or makes sure that it was started.
func (s *Service) onPlaced(ctx context.Context, e shop.OrderPlaced) error {
	return s.start(ctx, e.OrderID)
}

// start is done only when the engine has both the workflow and the reminder that runs it. Its own start keeps the one
// before the other, and a crash between leaves a workflow that never runs: an event, which it does not wait for, wakes it.
func (s *Service) start(ctx context.Context, id shop.OrderID) error {
	pending, err := s.orders.IsPending(ctx, id)
	if err != nil || !pending {
		return err
	}
	_, err = s.engine.ScheduleWorkflow(ctx, name, workflow.WithInstanceID(id.String()), workflow.WithInput(id))
	if err == nil || s.engine.RaiseEvent(ctx, id.String(), "wake") == nil {
		return nil
	}
	return err
}

// resumeJob is the scheduler's name for having orders looked after that got stuck; one replica gets each call.
const resumeJob = "resume-stuck-orders"

// stuckAfter is how long an order may be pending before somebody looks; most are paid within a second.
const stuckAfter = 15 * time.Second

// Routes adds what the scheduler calls.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /job/"+resumeJob, shop.Anyone, s.handleResume, web.Internal)
}

// ScheduleResume asks the scheduler to have stuck orders resumed every 15 s.
func (s *Service) ScheduleResume(ctx context.Context, every sidecar.Schedule) error {
	return every(ctx, resumeJob, "@every 15s")
}

func (s *Service) handleResume(ctx context.Context, _ shop.Caller, _ web.None) (web.None, error) {
	stuck, err := s.orders.PendingSince(ctx, time.Now().Add(-stuckAfter))
	for _, id := range stuck {
		err = errors.Join(err, s.start(ctx, id))
	}
	return web.None{}, err
}

// onCancelled gives back what the order took, whoever cancelled it and whenever.
func (s *Service) onCancelled(ctx context.Context, e shop.OrderCancelled) error {
	return s.undo(ctx, e.OrderID)
}

// undo is harmless where there is nothing to undo, and forestalls steps that come too late.
func (s *Service) undo(ctx context.Context, id shop.OrderID) error {
	return errors.Join(s.payments.Refund(ctx, id), s.stock.Release(ctx, id))
}

// Work takes the workflow's steps from the sidecar until ctx ends, also after the sidecar was away.
func (s *Service) Work(ctx context.Context) error {
	steps := workflow.NewRegistry()
	err := errors.Join(
		steps.AddWorkflowN(name, fulfil),
		steps.AddActivityN("charge", s.charge),
		steps.AddActivityN("commit stock", s.commitStock),
		steps.AddActivityN("mark paid", s.markPaid),
		steps.AddActivityN("give up", s.giveUp),
	)
	if err != nil {
		return err
	}
	for {
		err := s.engine.StartWorker(ctx, steps)
		if err == nil {
			<-ctx.Done()
			return nil
		}
		slog.InfoContext(ctx, "workflows wait for the sidecar", "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}
