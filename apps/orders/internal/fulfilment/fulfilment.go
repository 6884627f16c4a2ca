// Package fulfilment carries an order from placed to delivered, as a durable workflow: each step is kept by the workflow
// engine, may run twice, and is undone if a later one fails for good.
//
// The table of statuses in package order decides what becomes of an order; the workflow follows. It does what nobody
// is asked for (charge, sell the stock, ship or deliver after a time), and whatever a person did, it looks and goes on
// from there. So an event that the workflow does not get can make it late, and never wrong.
package fulfilment

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/dapr/durabletask-go/workflow"
	"github.com/google/uuid"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/crash"
	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Service carries orders through. There is one workflow per order, and its instance id is the order's id.
type Service struct {
	orders   *order.Service
	payments *payment.Service
	stock    Stock
	engine   *workflow.Client
	times    Times
}

// Times is what happens to an order by itself, and when. Zero for Ship or Deliver leaves that step to people.
type Times struct {
	Unpaid  time.Duration // after which an order that is still pending is cancelled
	Ship    time.Duration // after it was paid
	Deliver time.Duration // after it was shipped
	Keep    time.Duration // after an order's end, how long its workflow can still be looked at
}

// NewService works with the sidecar's workflow engine.
func NewService(orders *order.Service, payments *payment.Service, stock Stock, engine *workflow.Client, times Times) *Service {
	s := &Service{orders, payments, stock, engine, times}
	payments.OnSettled(s.wake)
	payments.OnRefundFailed(s.refundFailed)
	return s
}

// Subscribe hears what starts a fulfilment, what takes it further, and what gives something back.
func (s *Service) Subscribe(h *event.Hub) {
	event.OnAgain(h, s.onPlaced)
	event.OnAgain(h, s.onShipped)
	event.OnAgain(h, s.onDelivered)
	event.OnAgain(h, s.onCancelled)
	event.OnAgain(h, s.onRefunded)
}

func (s *Service) onPlaced(ctx context.Context, e shop.OrderPlaced) error {
	err := s.start(ctx, e.OrderID)
	crash.At("placed: started")
	return err
}

func (s *Service) onShipped(ctx context.Context, e shop.OrderShipped) error {
	s.wake(ctx, e.OrderID)
	return nil
}

func (s *Service) onDelivered(ctx context.Context, e shop.OrderDelivered) error {
	s.wake(ctx, e.OrderID)
	return nil
}

// onCancelled gives back what the order took, whoever cancelled it and whenever.
func (s *Service) onCancelled(ctx context.Context, e shop.OrderCancelled) error {
	s.wake(ctx, e.OrderID)
	return s.settle(ctx, e.OrderID)
}

func (s *Service) onRefunded(ctx context.Context, e shop.OrderRefunded) error {
	s.wake(ctx, e.OrderID)
	return s.settle(ctx, e.OrderID)
}

// moved is the external event that has a waiting workflow look at its order.
const moved = "moved"

// wake is a hint. Where it is lost, upkeep gives it again.
func (s *Service) wake(ctx context.Context, id shop.OrderID) {
	if err := s.engine.RaiseEvent(ctx, id.String(), moved); err != nil {
		slog.InfoContext(ctx, "the workflow was not told", "order", id, "err", err)
	}
}

// start gives an order to the engine, or wakes what the engine has: it may have been cut off while it began a workflow, which then
// never runs by itself. An order that waits for nothing is left alone.
func (s *Service) start(ctx context.Context, id shop.OrderID) error {
	at, err := s.orders.Standing(ctx, id)
	if errors.Is(err, order.ErrNotFound) || (err == nil && !waits(at.Goods)) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.engine.ScheduleWorkflow(ctx, bringName, workflow.WithInstanceID(id.String()),
		workflow.WithInput(journey{id, s.times.Ship, s.times.Deliver}))
	if err == nil || s.engine.RaiseEvent(ctx, id.String(), moved) == nil {
		return nil
	}
	return err
}

// waits says whether goods that are so far have a way to go.
func waits(goods order.Status) bool {
	return goods == order.Pending || goods == order.Paid || goods == order.Shipped
}

// settle gives back what an order owes: money by the provider, goods to the shelf. It may be done again, and by two at
// once; a refund is noted as settled only when all of it is done.
func (s *Service) settle(ctx context.Context, id shop.OrderID) error {
	owed, err := s.orders.Owed(ctx, id)
	for _, r := range owed {
		if err != nil {
			return err
		}
		if r.CallsOff {
			err = s.undo(ctx, id)
		} else {
			err = s.giveBack(ctx, r)
		}
		err = s.conclude(ctx, r, err)
	}
	return err
}

// conclude notes how a refund ended. One that the provider refuses for good is not asked for again until an admin says so.
func (s *Service) conclude(ctx context.Context, r order.Refund, err error) error {
	switch {
	case err == nil:
		return s.orders.Settle(ctx, r)
	case errors.Is(err, payment.ErrRefused):
		return s.fail(ctx, r, fault.Of(err).Message)
	}
	return err
}

// fail has somebody look at a refund that the buyer does not get. It reports what is still open, so that nobody takes it for settled.
func (s *Service) fail(ctx context.Context, r order.Refund, why string) error {
	if err := s.report(ctx, r); err != nil {
		return err
	}
	return s.orders.Fail(ctx, r, why, false)
}

func (s *Service) report(ctx context.Context, r order.Refund) error {
	return s.payments.Report(ctx, payment.RefundRefused, payment.Taken{Key: r.OrderID, Amount: r.Amount, Currency: r.Currency})
}

// refundFailed is told, days later maybe, of a refund that the provider had taken on. It may be told twice, before the refund is noted
// as settled, and after it was tried again, which is then another to the provider.
func (s *Service) refundFailed(ctx context.Context, id shop.OrderID, asked uuid.UUID, why string) error {
	r, found, err := s.orders.Asked(ctx, id, asked)
	if err != nil || !found {
		return err
	}
	if err := s.orders.Fail(ctx, r, why, true); err != nil { // first: what counts as settled needs nobody's look
		return err
	}
	return s.report(ctx, r)
}

// callOff ends an order's charge.
func (s *Service) callOff(ctx context.Context, id shop.OrderID) error {
	asked, err := s.orders.CallsOff(ctx, id)
	if err != nil {
		return err
	}
	return s.payments.CallOff(ctx, id, asked)
}

// undo ends an order's charge and its reservation, harmless where there is nothing to undo, and forestalls steps that
// come too late. It fails with payment.ErrRefused only when the goods are back.
func (s *Service) undo(ctx context.Context, id shop.OrderID) error {
	money := s.callOff(ctx, id)
	crash.At("undo: called off")
	if err := s.stock.Release(ctx, id); err != nil {
		return err
	}
	crash.At("undo: released")
	return money
}

// giveBack gives back money and goods. It fails with payment.ErrRefused only when the goods are back.
func (s *Service) giveBack(ctx context.Context, r order.Refund) error {
	money := s.payments.Refund(ctx, payment.Refund{ID: r.Asked(), Key: r.OrderID, Amount: r.Amount, Currency: r.Currency})
	crash.At("give back: refunded")
	if !r.Restock || money != nil && !errors.Is(money, payment.ErrRefused) {
		return money
	}
	items, err := s.orders.Returned(ctx, r.OrderID)
	if err != nil {
		return err
	}
	if err := s.stock.Return(ctx, r.OrderID, items); err != nil {
		return err
	}
	crash.At("give back: returned")
	return money
}

// Work takes the workflow's steps from the sidecar until ctx ends, also after the sidecar was away.
func (s *Service) Work(ctx context.Context) error {
	steps, err := s.registry()
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

func (s *Service) registry() (*workflow.Registry, error) {
	steps := workflow.NewRegistry()
	return steps, errors.Join(
		steps.AddWorkflowN(bringName, bring),
		steps.AddWorkflowN(carryName, carry),
		steps.AddWorkflowN(fulfilName, fulfil),
		steps.AddActivityN("charge", s.chargeStep),
		steps.AddActivityN("take payment", s.takePaymentStep),
		steps.AddActivityN("commit stock", s.commitStockStep),
		steps.AddActivityN("mark paid", s.markPaidStep),
		steps.AddActivityN("bring to paid", s.bringToPaid),
		steps.AddActivityN("give up", s.giveUp),
		steps.AddActivityN("look", s.look),
		steps.AddActivityN("ship", s.ship),
		steps.AddActivityN("deliver", s.deliver),
	)
}
