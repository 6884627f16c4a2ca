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
		r.AddActivityN("cancel", activity(noResult(s.cancelUnpaid))),
		r.AddActivityN("get goods state", activity(s.orders.GoodsState)),
		r.AddActivityN("ship", activity(noResult(s.orders.AutoShip))),
		r.AddActivityN("deliver", activity(noResult(s.orders.AutoDeliver))),
		r.AddActivityN("refund", activity(noResult(s.settle))),
	)
}

// activity makes an activity of a function.
func activity[In, Out any](do func(context.Context, In) (Out, error)) workflow.Activity {
	return func(ctx workflow.ActivityContext) (any, error) {
		var in In
		if err := ctx.GetInput(&in); err != nil {
			return nil, err
		}
		return do(ctx.Context(), in)
	}
}

func noResult[In any](do func(context.Context, In) error) func(context.Context, In) (any, error) {
	return func(ctx context.Context, in In) (any, error) { return nil, do(ctx, in) }
}

// payInput is an order to charge. If it is overdue, no new charge is made; one that was made is looked up once more. An
// order of 0 is never overdue.
type payInput struct {
	OrderID shop.OrderID `json:"order_id"`
	Overdue bool         `json:"overdue,omitempty"`
}

// pay charges the buyer, commits the stock and marks the order as paid. It is idempotent, also when it runs
// concurrently, and continues after an interruption. A charge without a response is no error: it is looked up later. It
// is one activity, because an activity costs as much as all that this one does.
func (s *Service) pay(ctx context.Context, in payInput) (activityResult, error) {
	charged, err := s.charge(ctx, in)
	if errors.Is(err, payment.ErrTimeout) {
		return activityResult{Unsettled: true}, nil
	}
	if err != nil || charged.Rejected != (shop.Cause{}) {
		return charged, err
	}
	err = s.stock.Commit(ctx, in.OrderID)
	crash.At("pay: stock committed")
	if errors.Is(err, ErrReservationReleased) {
		return activityResult{Rejected: shop.Cause{Code: shop.ReservationExpired}}, nil
	}
	if err != nil {
		return activityResult{}, err
	}
	err = s.orders.MarkPaid(ctx, in.OrderID, charged.Reference)
	crash.At("pay: marked as paid")
	if errors.Is(err, order.ErrTransition) { // cancelled meanwhile
		return activityResult{Rejected: shop.Cause{Code: shop.PaymentVoided}}, nil
	}
	return activityResult{}, err
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
	if in.Overdue && b.Total.Sign() > 0 {
		receipt, err = s.payments.Lookup(ctx, in.OrderID)
		if errors.Is(err, payment.ErrNotFound) || errors.Is(err, payment.ErrTimeout) ||
			errors.Is(err, payment.ErrProvider) {
			// If the provider charged it nevertheless, the cancellation refunds it.
			return activityResult{Rejected: shop.Cause{Code: shop.Unpaid}, Declined: true}, nil
		}
	} else {
		receipt, err = s.payments.Charge(ctx, payment.Charge{
			OrderID: in.OrderID, Amount: b.Total, Currency: b.Currency, Token: b.PaymentToken,
		})
	}
	crash.At("charge: made")
	if errors.Is(err, payment.ErrDeclined) {
		return activityResult{Rejected: payment.DeclineCause(err), Declined: true}, nil
	}
	return activityResult{Reference: receipt.Reference}, err
}

type cancelInput struct {
	OrderID  shop.OrderID `json:"order_id"`
	Cause    shop.Cause   `json:"cause"`
	Declined bool         `json:"declined"`
}

// cancelUnpaid cancels the order and then compensates, so that an active order never appears without its stock. It also
// compensates if the order was cancelled before: an activity that ran concurrently may have had its effect after the
// compensation of that cancellation.
func (s *Service) cancelUnpaid(ctx context.Context, in cancelInput) error {
	if err := s.orders.CancelUnpaid(ctx, in.OrderID, in.Cause, in.Declined); err != nil {
		return err
	}
	crash.At("cancel: cancelled")
	goods, err := s.orders.GoodsState(ctx, in.OrderID)
	if err != nil || goods.Status != order.Cancelled {
		return err
	}
	if err = s.compensate(ctx, in.OrderID); errors.Is(err, payment.ErrRefused) {
		return nil // the order's own refund fails with it
	}
	return err
}
