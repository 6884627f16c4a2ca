package order

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/crash"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Each step of an order's life is one transaction: it locks the order, asks the table of statuses, and tells of what
// became true. So of two people, or of a person and the workflow, one comes first and the other is told no.

// Cancel gives up on an order that has not shipped. Its stock and money go back by themselves. It fails with
// ErrNotFound or ErrTransition.
func (s *Service) Cancel(ctx context.Context, who shop.Caller, id shop.OrderID) (Order, error) {
	return s.change(ctx, who, id, func(tx event.TX, o *Order) error {
		if o.UserID != who.ID && !who.May(shop.ManageOrders) {
			return ErrNotFound
		}
		return cancel(ctx, tx, o, who.ID.String(), shop.Cause{Code: shop.Requested})
	})
}

// Ship notes that an order is on its way, and tells orders.shipped. It fails with ErrNotFound or ErrTransition.
func (s *Service) Ship(ctx context.Context, who shop.Caller, id shop.OrderID, p Shipment) (Order, error) {
	return s.change(ctx, who, id, func(tx event.TX, o *Order) error { return ship(ctx, tx, o, who.ID.String(), p) })
}

// Deliver notes that an order arrived, and tells orders.delivered. It fails with ErrNotFound or ErrTransition.
func (s *Service) Deliver(ctx context.Context, who shop.Caller, id shop.OrderID) (Order, error) {
	return s.change(ctx, who, id, func(tx event.TX, o *Order) error { return deliver(ctx, tx, o, who.ID.String()) })
}

// Refund gives back money of an order that was paid, and tells orders.refunded; the money itself follows by itself. It
// fails with ErrNotFound, ErrTransition, ErrNotInOrder, or ErrTooMuch: no refunds together exceed what was paid.
func (s *Service) Refund(ctx context.Context, who shop.Caller, id shop.OrderID, in NewRefund) (Order, error) {
	o, err := idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Order, error) {
		o, err := lock(ctx, tx, id)
		if err != nil {
			return o, err
		}
		if err := refund(ctx, tx, &o, who.ID.String(), in); err != nil {
			return o, err
		}
		return load(ctx, tx, id)
	})
	crash.At("refund: kept")
	return o, err
}

// RetryRefund has a refund tried again that failed. It fails with ErrNotFound, or ErrNotFailed where there is none
// such.
func (s *Service) RetryRefund(ctx context.Context, who shop.Caller, id shop.OrderID, refund uuid.UUID) (Order, error) {
	o, err := s.change(ctx, who, id, func(tx event.TX, _ *Order) error {
		again, err := retryRefund(ctx, tx, id, refund, who.ID.String())
		if err == nil && !again {
			err = ErrNotFailed
		}
		return err
	})
	if err == nil {
		if startErr := s.calls.StartRefund(ctx, id, refund); startErr != nil {
			slog.InfoContext(ctx, "refund workflow not started, the recovery sweep will", "order", id, "refund", refund, "err", startErr)
		}
	}
	return o, err
}

// change does something to a locked order and answers what became of it.
func (s *Service) change(ctx context.Context, who shop.Caller, id shop.OrderID, do func(tx event.TX, o *Order) error) (Order, error) {
	err := s.db.Tx(ctx, func(tx event.TX) error {
		o, err := lock(ctx, tx, id)
		if err != nil {
			return err
		}
		return do(tx, &o)
	})
	if err != nil {
		return Order{}, err
	}
	crash.At("change: kept")
	return s.Get(ctx, who, id)
}

// MarkPaid notes that an order is charged and its goods are sold, and tells orders.paid. Called again it changes
// nothing. It fails with ErrTransition where the order was cancelled meanwhile.
func (s *Service) MarkPaid(ctx context.Context, id shop.OrderID, reference string) error {
	return s.transition(ctx, id, func(tx event.TX, o *Order) error {
		if o.PaidAt != nil && o.Status != Cancelled {
			return nil
		}
		if err := setStatus(ctx, tx, o, StatusChange{Status: Paid, By: System, Reason: "charged, reference " + reference}); err != nil {
			return err
		}
		told := shop.OrderPaid{OrderID: o.ID, Number: o.Number, UserID: o.UserID, Total: o.Total, Currency: o.Currency}
		if err := event.Emit(ctx, tx, told); err != nil {
			return err
		}
		// Last, as other orders that are paid at this moment wait for these rows until the commit.
		return sales.AddSale(ctx, tx, sales.Sale{PaidAt: o.UpdatedAt, Currency: o.Currency, Amount: o.Total, Lines: o.Items})
	})
}

// CancelUnpaid cancels an order that cannot be paid, and emits orders.cancelled. It changes nothing if the order waits for
// its payment no more. Where the payment itself was declined, orders.payment_failed is told too.
func (s *Service) CancelUnpaid(ctx context.Context, id shop.OrderID, cause shop.Cause, declined bool) error {
	return s.transition(ctx, id, func(tx event.TX, o *Order) error {
		if o.Status != Pending {
			return nil
		}
		if declined {
			failed := shop.OrderPaymentFailed{OrderID: o.ID, Number: o.Number, UserID: o.UserID, Reason: cause.Text(), ReasonCode: cause.Code}
			if err := event.Emit(ctx, tx, failed); err != nil {
				return err
			}
		}
		return cancel(ctx, tx, o, System, cause)
	})
}

// AutoShip is Ship without anybody. It changes nothing where the order is past that point, or ended.
func (s *Service) AutoShip(ctx context.Context, id shop.OrderID) error {
	return s.transition(ctx, id, func(tx event.TX, o *Order) error {
		if !o.CanBecome(Shipped) {
			return nil
		}
		return ship(ctx, tx, o, System, Shipment{})
	})
}

// AutoDeliver is Deliver without anybody. It changes nothing where the order is past that point, or ended.
func (s *Service) AutoDeliver(ctx context.Context, id shop.OrderID) error {
	return s.transition(ctx, id, func(tx event.TX, o *Order) error {
		if !o.CanBecome(Delivered) {
			return nil
		}
		return deliver(ctx, tx, o, System)
	})
}

func (s *Service) transition(ctx context.Context, id shop.OrderID, do func(tx event.TX, o *Order) error) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		o, err := lock(ctx, tx, id)
		if err != nil {
			return err
		}
		return do(tx, &o)
	})
}

// cancel ends an order with all it took: what was paid goes back, and a charge that is on its way is called off.
func cancel(ctx context.Context, tx event.TX, o *Order, by string, cause shop.Cause) error {
	back := Refund{
		OrderID: o.ID, Items: []OrderItem{}, Currency: o.Currency, Restock: true, Void: true, Reason: cause.Words, ReasonCode: cause.Code, By: by,
	}
	if o.PaidAt != nil {
		earlier, err := refunds(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		back.Items = remainingItems(o.Items, earlier)
		if back.Amount, _, err = refundAmount(*o, earlier, back.Items); err != nil {
			return err
		}
	}
	if err := setStatus(ctx, tx, o, StatusChange{Status: Cancelled, By: by, Reason: cause.Words, ReasonCode: cause.Code}); err != nil {
		return err
	}
	if err := recordRefund(ctx, tx, *o, back, true); err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.OrderCancelled{OrderID: o.ID, Number: o.Number, UserID: o.UserID, Reason: cause.Text(), ReasonCode: cause.Code})
}

func ship(ctx context.Context, tx event.TX, o *Order, by string, p Shipment) error {
	if err := setStatus(ctx, tx, o, StatusChange{Status: Shipped, By: by, Reason: p.String()}); err != nil {
		return err
	}
	if err := updateShipment(ctx, tx, o.ID, p); err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.OrderShipped{
		OrderID: o.ID, Number: o.Number, UserID: o.UserID, Carrier: p.Carrier, TrackingNumber: p.TrackingNumber,
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
	amount, whole, err := refundAmount(*o, earlier, in.Items)
	if err != nil {
		return err
	}
	status := PartiallyRefunded
	if whole {
		status = Refunded
	}
	restock := in.Restock || o.GoodsStatus() == Paid
	if err := setStatus(ctx, tx, o, StatusChange{Status: status, By: by, Reason: in.Reason}); err != nil {
		return err
	}
	back := Refund{OrderID: o.ID, Items: in.Items, Amount: amount, Currency: o.Currency, Restock: restock, Reason: in.Reason, By: by}
	if err := recordRefund(ctx, tx, *o, back, whole); err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.OrderRefunded{
		OrderID: o.ID, Number: o.Number, UserID: o.UserID, Amount: amount, Currency: o.Currency, Partial: !whole,
	})
}

// recordRefund notes what has to go back, and takes it out of what was sold.
func recordRefund(ctx context.Context, tx pgx.Tx, o Order, r Refund, whole bool) error {
	if err := insertRefund(ctx, tx, r); err != nil {
		return err
	}
	if o.PaidAt == nil {
		return nil
	}
	lines, err := o.linesOf(r.Items)
	if err != nil {
		return err
	}
	return sales.AddRefund(ctx, tx, sales.Sale{PaidAt: *o.PaidAt, Currency: o.Currency, Amount: r.Amount, Whole: whole, Lines: lines})
}

// setStatus takes an order to another status, which is noted in its history. It fails with ErrTransition where the order's
// life does not allow it. The order is locked.
func setStatus(ctx context.Context, tx pgx.Tx, o *Order, to StatusChange) error {
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

// GoodsState is where an order's goods are and since when, for whoever waits for the next step.
type GoodsState struct {
	Status Status    `json:"goods"`
	Since  time.Time `json:"since"`
}

// GoodsState fails with ErrNotFound.
func (s *Service) GoodsState(ctx context.Context, id shop.OrderID) (GoodsState, error) {
	o, err := get(ctx, s.db, id)
	if err != nil {
		return GoodsState{}, err
	}
	return o.goodsState(), nil
}

func (o Order) goodsState() GoodsState {
	at := GoodsState{Status: o.GoodsStatus(), Since: o.UpdatedAt}
	switch {
	case at.Status == Paid && o.PaidAt != nil:
		at.Since = *o.PaidAt
	case at.Status == Shipped && o.ShippedAt != nil:
		at.Since = *o.ShippedAt
	}
	return at
}
