package fulfilment

import (
	"context"
	"errors"

	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/crash"
	"sidecart/kit/shop"
)

func (s *Service) registry() (*workflow.Registry, error) {
	r := workflow.NewRegistry()
	return r, errors.Join(
		r.AddWorkflowN(fulfilName, fulfil),
		r.AddWorkflowN(refundName, refund),
		r.AddActivityN("pay", activity(s.pay)),
		r.AddActivityN("give up", activity(noResult(s.cancelUnpaid))),
		r.AddActivityN("look", activity(s.orders.GoodsState)),
		r.AddActivityN("ship", activity(noResult(s.orders.AutoShip))),
		r.AddActivityN("deliver", activity(noResult(s.orders.AutoDeliver))),
		r.AddActivityN("refund", activity(noResult(s.settle))),
	)
}

// activity makes an activity of what a step does.
func activity[In, Out any](do func(context.Context, In) (Out, error)) workflow.Activity {
	return func(ctx workflow.ActivityContext) (any, error) {
		var in In
		if err := ctx.GetInput(&in); err != nil {
			return nil, err
		}
		return do(ctx.Context(), in)
	}
}

// noResult answers for a step whose result is that it is done.
func noResult[In any](do func(context.Context, In) error) func(context.Context, In) (any, error) {
	return func(ctx context.Context, in In) (any, error) { return nil, do(ctx, in) }
}

// payInput is an order to charge. Where it is overdue no charge is begun, and only one counts that the provider says is
// made when it is looked up once more.
type payInput struct {
	OrderID shop.OrderID `json:"order_id"`
	Overdue bool         `json:"overdue,omitempty"`
}

// pay charges the buyer, has the stock sold and marks the order paid, each once however often it runs, and by however
// many at once: what was done before answers as it did then, and cut off anywhere it begins again. A charge without an
// answer is no failure: it is looked up later. It is one step of the workflow because each step costs as much as all
// that it does.
func (s *Service) pay(ctx context.Context, in payInput) (activityResult, error) {
	charged, err := s.charge(ctx, in)
	if errors.Is(err, payment.ErrTimeout) {
		return activityResult{Unsettled: true}, nil
	}
	if err != nil || charged.Rejected != (shop.Cause{}) {
		return charged, err
	}
	sold, err := s.sell(ctx, in.OrderID)
	if err != nil || sold.Rejected != (shop.Cause{}) {
		return sold, err
	}
	return s.markPaid(ctx, in.OrderID, charged.Reference)
}

func (s *Service) charge(ctx context.Context, in payInput) (activityResult, error) {
	b, err := s.orders.Bill(ctx, in.OrderID)
	if err != nil {
		return activityResult{}, err
	}
	if b.Status == order.Cancelled {
		return activityResult{Rejected: shop.Cause{Code: shop.PaymentVoided}}, nil
	}
	var receipt payment.Receipt
	if in.Overdue {
		receipt, err = s.payments.Lookup(ctx, in.OrderID)
		if errors.Is(err, payment.ErrNotFound) || errors.Is(err, payment.ErrTimeout) || errors.Is(err, payment.ErrProvider) {
			return activityResult{Rejected: shop.Cause{Code: shop.Unpaid}, Declined: true}, nil // what was taken all the same goes back
		}
	} else {
		receipt, err = s.payments.Charge(ctx, payment.Charge{OrderID: in.OrderID, Amount: b.Total, Currency: b.Currency, Token: b.PaymentToken})
	}
	crash.At("charge: made")
	if errors.Is(err, payment.ErrDeclined) {
		return activityResult{Rejected: payment.DeclineCause(err), Declined: true}, nil
	}
	return activityResult{Reference: receipt.Reference}, err
}

func (s *Service) sell(ctx context.Context, id shop.OrderID) (activityResult, error) {
	err := s.stock.Commit(ctx, id)
	crash.At("commit stock: made")
	if errors.Is(err, ErrReservationReleased) {
		return activityResult{Rejected: shop.Cause{Code: shop.ReservationExpired}}, nil
	}
	return activityResult{}, err
}

func (s *Service) markPaid(ctx context.Context, id shop.OrderID, reference string) (activityResult, error) {
	err := s.orders.MarkPaid(ctx, id, reference)
	crash.At("mark paid: made")
	if errors.Is(err, order.ErrTransition) { // cancelled meanwhile
		return activityResult{Rejected: shop.Cause{Code: shop.PaymentVoided}}, nil
	}
	return activityResult{}, err
}

type cancelInput struct {
	OrderID  shop.OrderID `json:"order_id"`
	Cause    shop.Cause   `json:"cause"`
	Declined bool         `json:"declined"`
}

// cancelUnpaid cancels and undoes, in this order, so that nobody sees an order as going on that has no stock any more. What
// was cancelled already is undone all the same: a step that ran beside the cancellation may have come after its
// undoing.
func (s *Service) cancelUnpaid(ctx context.Context, in cancelInput) error {
	if err := s.orders.CancelUnpaid(ctx, in.OrderID, in.Cause, in.Declined); err != nil {
		return err
	}
	crash.At("give up: cancelled")
	at, err := s.orders.GoodsState(ctx, in.OrderID)
	if err != nil || at.Status != order.Cancelled {
		return err
	}
	if err = s.compensate(ctx, in.OrderID); errors.Is(err, payment.ErrRefused) {
		return nil // the order's own refund ends with it
	}
	return err
}
