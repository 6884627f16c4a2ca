// Package fulfilment carries an order from placed to delivered, and a refund until the money and the goods are back,
// each as a durable workflow: its steps are kept by the workflow engine, may run twice, and are undone if a later one
// fails for good.
//
// The table of statuses in package order decides what becomes of an order; the workflow follows. It does what no person
// does (charge, sell the stock, cancel what is not paid in time, ship or deliver after a time), and whatever a person
// did, it looks and goes on from there. So an event that the workflow does not get can make it late, and never wrong.
package fulfilment

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/crash"
	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Service carries orders and refunds through.
type Service struct {
	orders   *order.Service
	payments *payment.Service
	stock    Stock
	engine   Engine
	times    Times
}

// Times is what happens to an order by itself, and when. Zero for Ship or Deliver leaves that step to people.
type Times struct {
	Unpaid  time.Duration // after which an order that is still pending is cancelled
	Ship    time.Duration // after it was paid
	Deliver time.Duration // after it was shipped
	Retain  time.Duration // after the end of an order or a refund, how long its workflow can still be looked at
}

// NewService works with the sidecar's workflow engine.
func NewService(orders *order.Service, payments *payment.Service, stock Stock, engine Engine, times Times) *Service {
	return &Service{orders, payments, stock, engine, times}
}

// Subscribe consumes what starts a fulfilment, what takes it further, and what gives something back.
func (s *Service) Subscribe(h *event.Hub) {
	event.OnIdempotent(h, s.onPlaced)
	event.OnIdempotent(h, s.onShipped)
	event.OnIdempotent(h, s.onCancelled)
	event.OnIdempotent(h, s.onRefunded)
}

func (s *Service) onPlaced(ctx context.Context, e shop.OrderPlaced) error {
	err := s.start(ctx, e.OrderID)
	crash.At("placed: started")
	return err
}

func (s *Service) onShipped(ctx context.Context, e shop.OrderShipped) error {
	return s.start(ctx, e.OrderID)
}

// onCancelled starts giving back what the order took, whoever cancelled it and whenever.
func (s *Service) onCancelled(ctx context.Context, e shop.OrderCancelled) error {
	s.engine.Wake(ctx, e.OrderID)
	return s.startRefunds(ctx, e.OrderID)
}

func (s *Service) onRefunded(ctx context.Context, e shop.OrderRefunded) error {
	return s.startRefunds(ctx, e.OrderID)
}

// start starts an order's workflow from where the order is, or wakes it. An order for which it would do nothing is left
// alone.
func (s *Service) start(ctx context.Context, id shop.OrderID) error {
	at, err := s.orders.GoodsState(ctx, id)
	if errors.Is(err, order.ErrNotFound) || (err == nil && !s.automates(at.Status)) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.engine.startOrWake(ctx, fulfilName, id.UUID, fulfilInput{id, at, at.Since.Add(s.times.Unpaid), s.times.Ship, s.times.Deliver})
}

// automates says whether the workflow does something for goods that are so far: it does not wait for people.
func (s *Service) automates(goods order.Status) bool {
	return goods == order.Pending || goods == order.Paid && s.times.Ship > 0 || goods == order.Shipped && s.times.Deliver > 0
}

// startRefunds starts a workflow for each refund that an order owes.
func (s *Service) startRefunds(ctx context.Context, id shop.OrderID) error {
	owed, err := s.orders.OpenRefunds(ctx, id)
	for _, r := range owed {
		if err == nil {
			err = s.engine.StartRefund(ctx, id, r.ID)
		}
	}
	crash.At("refund: started")
	return err
}

// settle makes a refund: the provider refunds the money, products restocks the goods. It may be done again, and by two
// at once; the refund is noted as settled only when all of it is done.
func (s *Service) settle(ctx context.Context, in refundInput) error {
	owed, err := s.orders.OpenRefunds(ctx, in.OrderID)
	i := slices.IndexFunc(owed, func(r order.Refund) bool { return r.ID == in.RefundID })
	if err != nil || i < 0 {
		return err // it has come to its end
	}
	r := owed[i]
	if r.Void {
		err = s.compensate(ctx, r.OrderID)
	} else {
		err = s.refundAndRestock(ctx, r)
	}
	return s.recordResult(ctx, r, err)
}

// recordResult notes how a refund ended. One that the provider refuses for good is not tried again until an admin says so.
func (s *Service) recordResult(ctx context.Context, r order.Refund, err error) error {
	switch {
	case err == nil:
		return s.orders.SettleRefund(ctx, r)
	case errors.Is(err, payment.ErrRefused):
		return s.failRefund(ctx, r, fault.Of(err).Message)
	}
	return err
}

// failRefund has somebody look at a refund that the buyer does not get. It reports what is still open, so that nobody takes
// it for settled.
func (s *Service) failRefund(ctx context.Context, r order.Refund, why string) error {
	if err := s.payments.Report(ctx, payment.RefundRefused, r.Outstanding()); err != nil {
		return err
	}
	return s.orders.FailRefund(ctx, r, why, false)
}

// voidPayment ends an order's charge.
func (s *Service) voidPayment(ctx context.Context, id shop.OrderID) error {
	asked, err := s.orders.CancellationRefund(ctx, id)
	if err != nil {
		return err
	}
	return s.payments.Void(ctx, id, asked)
}

// compensate ends an order's charge and its reservation, harmless where there is nothing to undo, and keeps steps from having
// an effect that come too late. It fails with payment.ErrRefused only when the goods are back.
func (s *Service) compensate(ctx context.Context, id shop.OrderID) error {
	money := s.voidPayment(ctx, id)
	crash.At("undo: called off")
	if err := s.stock.Release(ctx, id); err != nil {
		return err
	}
	crash.At("undo: released")
	return money
}

// refundAndRestock gives back money and goods. It fails with payment.ErrRefused only when the goods are back.
func (s *Service) refundAndRestock(ctx context.Context, r order.Refund) error {
	money := s.payments.Refund(ctx, payment.Refund{ID: r.ProviderRefundID(), OrderID: r.OrderID, Amount: r.Amount, Currency: r.Currency})
	crash.At("give back: refunded")
	if !r.Restock || money != nil && !errors.Is(money, payment.ErrRefused) {
		return money
	}
	items, err := s.orders.RestockedItems(ctx, r.OrderID)
	if err != nil {
		return err
	}
	if err := s.stock.Restock(ctx, r.OrderID, items); err != nil {
		return err
	}
	crash.At("give back: returned")
	return money
}

// RunWorker takes the workflows' steps from the sidecar until ctx ends, also after the sidecar was away.
func (s *Service) RunWorker(ctx context.Context) error {
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
