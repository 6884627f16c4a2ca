package fulfilment

import (
	"errors"

	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/crash"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// takePayment charges the buyer once, however often it runs. A charge without an answer is no failure: it is asked for
// later.
func (s *Service) takePayment(ctx workflow.ActivityContext) (any, error) {
	result, err := s.charge(ctx)
	if errors.Is(err, payment.ErrNoAnswer) {
		return outcome{Unsettled: true}, nil
	}
	return result, err
}

// charge is the first definition's step: no answer is a failure for now.
func (s *Service) charge(ctx workflow.ActivityContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	b, err := s.orders.Bill(ctx.Context(), id)
	if err != nil {
		return nil, err
	}
	if b.Status == order.Cancelled {
		return outcome{Refused: "cancelled before it was charged"}, nil
	}
	receipt, err := s.payments.Charge(ctx.Context(), payment.Charge{Key: id, Amount: b.Total, Currency: b.Currency, Token: b.PaymentToken})
	crash.At("charge: made")
	if errors.Is(err, payment.ErrDeclined) {
		return outcome{Refused: fault.Of(err).Message, Declined: true}, nil
	}
	return outcome{Reference: receipt.Reference}, err
}

func (s *Service) commitStock(ctx workflow.ActivityContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	err := s.stock.Commit(ctx.Context(), id)
	crash.At("commit stock: made")
	if errors.Is(err, ErrStockGone) {
		return outcome{Refused: "its stock was given back before it was paid"}, nil
	}
	return outcome{}, err
}

func (s *Service) markPaid(ctx workflow.ActivityContext) (any, error) {
	var in paid
	if err := ctx.GetInput(&in); err != nil {
		return nil, err
	}
	err := s.orders.MarkPaid(ctx.Context(), in.OrderID, in.Reference)
	crash.At("mark paid: made")
	if errors.Is(err, order.ErrTransition) {
		return outcome{Refused: "cancelled while it was charged"}, nil
	}
	return outcome{}, err
}

// giveUp cancels and undoes, in this order, so that nobody sees an order as going on that has no stock any more. What was
// cancelled already is undone all the same: a step that ran beside the cancellation may have come after its undoing.
func (s *Service) giveUp(ctx workflow.ActivityContext) (any, error) {
	var in abandoned
	if err := ctx.GetInput(&in); err != nil {
		return nil, err
	}
	if err := s.orders.GiveUp(ctx.Context(), in.OrderID, in.Reason, in.Declined); err != nil {
		return nil, err
	}
	crash.At("give up: cancelled")
	at, err := s.orders.Standing(ctx.Context(), in.OrderID)
	if err != nil || at.Goods != order.Cancelled {
		return outcome{}, err
	}
	return outcome{}, s.undo(ctx.Context(), in.OrderID)
}

func (s *Service) look(ctx workflow.ActivityContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	return s.orders.Standing(ctx.Context(), id)
}

func (s *Service) ship(ctx workflow.ActivityContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	return outcome{}, s.orders.ShipByItself(ctx.Context(), id)
}

func (s *Service) deliver(ctx workflow.ActivityContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	return outcome{}, s.orders.DeliverByItself(ctx.Context(), id)
}
