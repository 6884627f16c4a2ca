package fulfilment

import (
	"context"
	"errors"

	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/crash"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// bringToPaid is one step of the workflow because each step costs as much as all that it does.
func (s *Service) bringToPaid(ctx workflow.ActivityContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	return s.pay(ctx.Context(), id)
}

// pay charges the buyer, has the stock sold and marks the order paid, each once however often it runs, and by however many at
// once: what was done before answers as it did then, and cut off anywhere it begins again. A charge without an answer is no
// failure: it is asked for later.
func (s *Service) pay(ctx context.Context, id shop.OrderID) (outcome, error) {
	charged, err := s.charge(ctx, id)
	if errors.Is(err, payment.ErrNoAnswer) {
		return outcome{Unsettled: true}, nil
	}
	if err != nil || charged.Refused != "" {
		return charged, err
	}
	sold, err := s.sell(ctx, id)
	if err != nil || sold.Refused != "" {
		return sold, err
	}
	return s.markPaid(ctx, id, charged.Reference)
}

func (s *Service) charge(ctx context.Context, id shop.OrderID) (outcome, error) {
	b, err := s.orders.Bill(ctx, id)
	if err != nil {
		return outcome{}, err
	}
	if b.Status == order.Cancelled {
		return outcome{Refused: "cancelled before it was charged"}, nil
	}
	receipt, err := s.payments.Charge(ctx, payment.Charge{Key: id, Amount: b.Total, Currency: b.Currency, Token: b.PaymentToken})
	crash.At("charge: made")
	if errors.Is(err, payment.ErrDeclined) {
		return outcome{Refused: fault.Of(err).Message, Declined: true}, nil
	}
	return outcome{Reference: receipt.Reference}, err
}

func (s *Service) sell(ctx context.Context, id shop.OrderID) (outcome, error) {
	err := s.stock.Commit(ctx, id)
	crash.At("commit stock: made")
	if errors.Is(err, ErrStockGone) {
		return outcome{Refused: shop.StockGone.Text()}, nil
	}
	return outcome{}, err
}

func (s *Service) markPaid(ctx context.Context, id shop.OrderID, reference string) (outcome, error) {
	err := s.orders.MarkPaid(ctx, id, reference)
	crash.At("mark paid: made")
	if errors.Is(err, order.ErrTransition) {
		return outcome{Refused: "cancelled while it was charged"}, nil
	}
	return outcome{}, err
}

func (s *Service) giveUp(ctx workflow.ActivityContext) (any, error) {
	var in abandoned
	if err := ctx.GetInput(&in); err != nil {
		return nil, err
	}
	return outcome{}, s.abandon(ctx.Context(), in)
}

// abandon cancels and undoes, in this order, so that nobody sees an order as going on that has no stock any more. What was
// cancelled already is undone all the same: a step that ran beside the cancellation may have come after its undoing.
func (s *Service) abandon(ctx context.Context, in abandoned) error {
	if err := s.orders.GiveUp(ctx, in.OrderID, in.Reason, in.Declined); err != nil {
		return err
	}
	crash.At("give up: cancelled")
	at, err := s.orders.Standing(ctx, in.OrderID)
	if err != nil || at.Goods != order.Cancelled {
		return err
	}
	if err = s.undo(ctx, in.OrderID); errors.Is(err, payment.ErrRefused) {
		return nil // the order's own refund ends with it
	}
	return err
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
