// Package fulfilment processes orders from placed to delivered, and refunds, each as a durable workflow. The workflow
// engine stores the activities' results, may repeat an activity, and an activity that fails permanently is compensated.
//
// The transitions of package order decide the status of an order. The workflow runs the steps that no user triggers
// (charge, commit the stock, cancel what is not paid in time, ship or deliver after a time) and reads the order again
// after each change by a user. A lost event can delay a workflow; it cannot make its decisions wrong.
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

// Service processes orders and refunds.
type Service struct {
	orders   *order.Service
	payments *payment.Service
	stock    Stock
	engine   Engine
	times    Times
}

// Times are the times of automatic transitions. Zero for Ship or Deliver leaves the transition to admins.
type Times struct {
	Unpaid  time.Duration // from the placement of an order to its cancellation, if it is not paid
	Ship    time.Duration // from the payment to the shipment
	Deliver time.Duration // from the shipment to the delivery
	Retain  time.Duration // from the end of an order or refund to the purge of its workflow
}

// NewService makes the service.
func NewService(
	orders *order.Service, payments *payment.Service, stock Stock, engine Engine, times Times,
) *Service {
	return &Service{orders, payments, stock, engine, times}
}

// Subscribe consumes the events that start or wake workflows.
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

func (s *Service) onCancelled(ctx context.Context, e shop.OrderCancelled) error {
	s.engine.Wake(ctx, e.OrderID)
	return s.startRefunds(ctx, e.OrderID)
}

func (s *Service) onRefunded(ctx context.Context, e shop.OrderRefunded) error {
	return s.startRefunds(ctx, e.OrderID)
}

// start starts or wakes an order's workflow, unless the workflow has nothing to do for the order.
func (s *Service) start(ctx context.Context, id shop.OrderID) error {
	goods, err := s.orders.GoodsState(ctx, id)
	if errors.Is(err, order.ErrNotFound) || (err == nil && !s.automates(goods.Status)) {
		return nil
	}
	if err != nil {
		return err
	}
	in := fulfilInput{id, goods, goods.Since.Add(s.times.Unpaid), s.times.Ship, s.times.Deliver}
	return s.engine.startOrWake(ctx, fulfilName, id.UUID, in)
}

// automates reports whether the next transition of goods is automatic.
func (s *Service) automates(goods order.Status) bool {
	return goods == order.Pending || goods == order.Paid && s.times.Ship > 0 ||
		goods == order.Shipped && s.times.Deliver > 0
}

// startRefunds starts a workflow for each open refund of an order.
func (s *Service) startRefunds(ctx context.Context, id shop.OrderID) error {
	open, err := s.orders.OpenRefunds(ctx, id)
	for _, r := range open {
		if err == nil {
			err = s.engine.StartRefund(ctx, id, r.ID)
		}
	}
	crash.At("refund: started")
	return err
}

// settle makes a refund: the provider refunds the money, products restocks the goods. It is idempotent, also when it
// runs concurrently; the refund is settled when both are done.
func (s *Service) settle(ctx context.Context, in refundInput) error {
	open, err := s.orders.OpenRefunds(ctx, in.OrderID)
	i := slices.IndexFunc(open, func(r order.Refund) bool { return r.ID == in.RefundID })
	if err != nil || i < 0 {
		return err // it has ended
	}
	r := open[i]
	if r.Void {
		err = s.compensate(ctx, r.OrderID)
	} else {
		err = s.refundAndRestock(ctx, r)
	}
	switch {
	case err == nil:
		return s.orders.SettleRefund(ctx, r)
	case errors.Is(err, payment.ErrRefused):
		return s.failRefund(ctx, r, fault.Of(err).Message)
	}
	return err
}

// failRefund ends a refund that the provider refused; an admin may retry it. It reports the discrepancy first, while
// the refund is open, so that a crash in between loses neither.
func (s *Service) failRefund(ctx context.Context, r order.Refund, reason string) error {
	if err := s.payments.Report(ctx, payment.RefundRefused, r.Outstanding()); err != nil {
		return err
	}
	return s.orders.FailRefund(ctx, r, reason)
}

// compensate voids an order's payment and releases its stock. It is idempotent, does nothing if there is nothing to
// undo, and prevents the effect of activities that come later. It fails with payment.ErrRefused only if the stock is
// released.
func (s *Service) compensate(ctx context.Context, id shop.OrderID) error {
	refund, err := s.orders.CancellationRefund(ctx, id)
	if err == nil {
		err = s.payments.Void(ctx, id, refund)
	}
	crash.At("compensate: voided")
	if err := s.stock.Release(ctx, id); err != nil {
		return err
	}
	crash.At("compensate: released")
	return err
}

// refundAndRestock fails with payment.ErrRefused only if the goods are restocked.
func (s *Service) refundAndRestock(ctx context.Context, r order.Refund) error {
	refundErr := s.payments.Refund(ctx, payment.Refund{
		ID: r.ProviderRefundID(), OrderID: r.OrderID, Amount: r.Amount, Currency: r.Currency,
	})
	crash.At("refund: refunded")
	if !r.Restock || refundErr != nil && !errors.Is(refundErr, payment.ErrRefused) {
		return refundErr
	}
	items, err := s.orders.RestockedItems(ctx, r.OrderID)
	if err != nil {
		return err
	}
	if err := s.stock.Restock(ctx, r.OrderID, items); err != nil {
		return err
	}
	crash.At("refund: restocked")
	return refundErr
}

// RunWorker runs the workflows' activities until ctx ends. It reconnects to the sidecar.
func (s *Service) RunWorker(ctx context.Context) error {
	registry, err := s.registry()
	if err != nil {
		return err
	}
	for {
		err := s.engine.StartWorker(ctx, registry)
		if err == nil {
			<-ctx.Done()
			return nil
		}
		slog.InfoContext(ctx, "workflow worker not connected to the sidecar, retrying", "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}
