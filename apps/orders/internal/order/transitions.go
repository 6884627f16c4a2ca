package order

import (
	"context"
	"log/slog"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/crash"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Each transition is one transaction that locks the order, checks the table of transitions and emits an event. Of two
// concurrent transitions the first wins, and the other fails with ErrTransition if it no longer is allowed.

// Cancel cancels an order that has not shipped, for a reason that may be empty. The refund and the release of the stock
// follow in the background. It fails with ErrNotFound or ErrTransition.
func (s *Service) Cancel(ctx context.Context, caller shop.Caller, id shop.OrderID, reason string) (Order, error) {
	cause := shop.Cause{Words: reason}
	if reason == "" {
		cause.Code = shop.Requested
	}
	return s.change(ctx, caller, id, func(tx event.TX, o *Order) error {
		if o.UserID != caller.ID && !caller.May(shop.ManageOrders) {
			return ErrNotFound
		}
		return cancel(ctx, tx, o, caller.ID.String(), cause)
	})
}

// Ship marks an order as shipped and emits orders.shipped. It fails with ErrNotFound or ErrTransition.
func (s *Service) Ship(ctx context.Context, caller shop.Caller, id shop.OrderID, shipment Shipment) (Order, error) {
	return s.change(ctx, caller, id, func(tx event.TX, o *Order) error {
		return ship(ctx, tx, o, caller.ID.String(), shipment)
	})
}

// Deliver marks an order as delivered and emits orders.delivered. It fails with ErrNotFound or ErrTransition.
func (s *Service) Deliver(ctx context.Context, caller shop.Caller, id shop.OrderID) (Order, error) {
	return s.change(ctx, caller, id, func(tx event.TX, o *Order) error {
		return deliver(ctx, tx, o, caller.ID.String())
	})
}

// Refund refunds items of a paid order and emits orders.refunded; the money follows in the background. It fails with
// ErrNotFound, ErrTransition, ErrNotInOrder, or with ErrRefundTooLarge if all refunds together exceed what was paid.
func (s *Service) Refund(ctx context.Context, caller shop.Caller, id shop.OrderID, in NewRefund) (Order, error) {
	o, err := idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Order, error) {
		o, err := lock(ctx, tx, id)
		if err != nil {
			return o, err
		}
		if err := refund(ctx, tx, &o, caller.ID.String(), in); err != nil {
			return o, err
		}
		return load(ctx, tx, id)
	})
	crash.At("refund: decided")
	return o, err
}

// RetryRefund retries a failed refund. It fails with ErrNotFound or ErrNotFailed.
func (s *Service) RetryRefund(
	ctx context.Context, caller shop.Caller, id shop.OrderID, refund uuid.UUID,
) (Order, error) {
	o, err := s.change(ctx, caller, id, func(tx event.TX, _ *Order) error {
		return retryRefund(ctx, tx, id, refund, caller.ID.String())
	})
	if err == nil {
		if startErr := s.calls.StartRefund(ctx, id, refund); startErr != nil {
			slog.InfoContext(ctx, "refund workflow not started, the recovery sweep will",
				"order", id, "refund", refund, "err", startErr)
		}
	}
	return o, err
}

// change runs a transition and returns the order after it.
func (s *Service) change(
	ctx context.Context, caller shop.Caller, id shop.OrderID, do func(tx event.TX, o *Order) error,
) (Order, error) {
	if err := s.transition(ctx, id, do); err != nil {
		return Order{}, err
	}
	crash.At("change: committed")
	return s.Get(ctx, caller, id)
}

// transition runs do in a transaction that has locked the order.
func (s *Service) transition(ctx context.Context, id shop.OrderID, do func(tx event.TX, o *Order) error) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		o, err := lock(ctx, tx, id)
		if err != nil {
			return err
		}
		return do(tx, &o)
	})
}

// MarkPaid marks an order as paid and emits orders.paid. It is idempotent, and fails with ErrTransition if the order
// was cancelled.
func (s *Service) MarkPaid(ctx context.Context, id shop.OrderID, reference string) error {
	return s.transition(ctx, id, func(tx event.TX, o *Order) error {
		if o.PaidAt != nil && o.Status != Cancelled {
			return nil
		}
		change := StatusChange{Status: Paid, By: System, Reason: "charged, reference " + reference}
		if o.Total.Sign() == 0 {
			change.Reason = "nothing to pay"
		}
		if err := setStatus(ctx, tx, o, change); err != nil {
			return err
		}
		paid := shop.OrderPaid{OrderID: o.ID, Number: o.Number, UserID: o.UserID, Total: o.Total, Currency: o.Currency}
		if err := event.Emit(ctx, tx, paid); err != nil {
			return err
		}
		// Last, because concurrent payments of other orders wait for the lock on these rows until the commit.
		sale := sales.Sale{PaidAt: o.UpdatedAt, Currency: o.Currency, Amount: o.Total, Lines: o.Items}
		return sales.AddSale(ctx, tx, sale)
	})
}

// CancelUnpaid cancels a pending order that cannot be paid and emits orders.cancelled, and orders.payment_failed if its
// payment was declined. It changes no other order.
func (s *Service) CancelUnpaid(ctx context.Context, id shop.OrderID, cause shop.Cause, declined bool) error {
	return s.transition(ctx, id, func(tx event.TX, o *Order) error {
		if o.Status != Pending {
			return nil
		}
		if declined {
			if err := event.Emit(ctx, tx, shop.OrderPaymentFailed{
				OrderID: o.ID, Number: o.Number, UserID: o.UserID, Reason: cause.Text(), ReasonCode: cause.Code,
			}); err != nil {
				return err
			}
		}
		return cancel(ctx, tx, o, System, cause)
	})
}

// AutoShip ships an order as System. It does nothing if the order's status does not allow it.
func (s *Service) AutoShip(ctx context.Context, id shop.OrderID) error {
	return s.transition(ctx, id, func(tx event.TX, o *Order) error {
		if !o.CanBecome(Shipped) {
			return nil
		}
		return ship(ctx, tx, o, System, Shipment{})
	})
}

// AutoDeliver delivers an order as System. It does nothing if the order's status does not allow it.
func (s *Service) AutoDeliver(ctx context.Context, id shop.OrderID) error {
	return s.transition(ctx, id, func(tx event.TX, o *Order) error {
		if !o.CanBecome(Delivered) {
			return nil
		}
		return deliver(ctx, tx, o, System)
	})
}

// cancel cancels an order, refunds what was paid, and voids a charge that is not settled.
func cancel(ctx context.Context, tx event.TX, o *Order, by string, cause shop.Cause) error {
	r := Refund{
		OrderID: o.ID, Items: []OrderItem{}, Currency: o.Currency, Restock: true, Void: true,
		Reason: cause.Words, ReasonCode: cause.Code, By: by,
	}
	if o.PaidAt != nil {
		earlier, err := refunds(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		r.Items = remainingItems(o.Items, earlier)
		if r.Amount, _, err = refundAmount(*o, earlier, r.Items); err != nil {
			return err
		}
	}
	change := StatusChange{Status: Cancelled, By: by, Reason: cause.Words, ReasonCode: cause.Code}
	if err := setStatus(ctx, tx, o, change); err != nil {
		return err
	}
	if err := recordRefund(ctx, tx, *o, r, true); err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.OrderCancelled{
		OrderID: o.ID, Number: o.Number, UserID: o.UserID, Reason: cause.Text(), ReasonCode: cause.Code,
	})
}

func ship(ctx context.Context, tx event.TX, o *Order, by string, shipment Shipment) error {
	if err := setStatus(ctx, tx, o, StatusChange{Status: Shipped, By: by, Reason: shipment.String()}); err != nil {
		return err
	}
	if err := updateShipment(ctx, tx, o.ID, shipment); err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.OrderShipped{
		OrderID: o.ID, Number: o.Number, UserID: o.UserID,
		Carrier: shipment.Carrier, TrackingNumber: shipment.TrackingNumber,
	})
}

func deliver(ctx context.Context, tx event.TX, o *Order, by string) error {
	if err := setStatus(ctx, tx, o, StatusChange{Status: Delivered, By: by}); err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.OrderDelivered{OrderID: o.ID, Number: o.Number, UserID: o.UserID})
}

func refund(ctx context.Context, tx event.TX, o *Order, by string, in NewRefund) error {
	if !o.CanBecome(Refunded) {
		return ErrTransition
	}
	earlier, err := refunds(ctx, tx, o.ID)
	if err != nil {
		return err
	}
	if len(in.Items) == 0 {
		in.Items = remainingItems(o.Items, earlier)
	}
	amount, full, err := refundAmount(*o, earlier, in.Items)
	if err != nil {
		return err
	}
	status := PartiallyRefunded
	if full {
		status = Refunded
	}
	r := Refund{
		OrderID: o.ID, Items: in.Items, Amount: amount, Currency: o.Currency,
		Restock: in.Restock || o.GoodsStatus() == Paid, Reason: in.Reason, By: by,
	}
	if err := setStatus(ctx, tx, o, StatusChange{Status: status, By: by, Reason: in.Reason}); err != nil {
		return err
	}
	if err := recordRefund(ctx, tx, *o, r, full); err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.OrderRefunded{
		OrderID: o.ID, Number: o.Number, UserID: o.UserID, Amount: amount, Currency: o.Currency, Partial: !full,
	})
}

// recordRefund stores a refund to be made and subtracts it from the sales.
func recordRefund(ctx context.Context, tx event.TX, o Order, r Refund, full bool) error {
	if err := insertRefund(ctx, tx, r); err != nil || o.PaidAt == nil {
		return err
	}
	lines, err := o.linesOf(r.Items)
	if err != nil {
		return err
	}
	return sales.AddRefund(ctx, tx, sales.Sale{
		PaidAt: *o.PaidAt, Currency: o.Currency, Amount: r.Amount, Full: full, Lines: lines,
	})
}

// setStatus changes the status of a locked order and records the change. It fails with ErrTransition.
func setStatus(ctx context.Context, tx event.TX, o *Order, to StatusChange) error {
	if !o.CanBecome(to.Status) {
		return ErrTransition
	}
	at, err := updateStatus(ctx, tx, o.ID, to)
	if err != nil {
		return err
	}
	o.Status, o.UpdatedAt = to.Status, at
	return nil
}
