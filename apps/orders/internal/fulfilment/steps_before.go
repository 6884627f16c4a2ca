package fulfilment

import (
	"errors"

	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

// The steps of earlier definitions, for as long as one of their instances may ask for them.

// chargeStep is the first definition's: no answer is a failure for now.
func (s *Service) chargeStep(ctx workflow.ActivityContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	return s.charge(ctx.Context(), id)
}

// takePaymentStep is the second definition's: a charge without an answer is asked for later.
func (s *Service) takePaymentStep(ctx workflow.ActivityContext) (any, error) {
	result, err := s.chargeStep(ctx)
	if errors.Is(err, payment.ErrNoAnswer) {
		return outcome{Unsettled: true}, nil
	}
	return result, err
}

func (s *Service) commitStockStep(ctx workflow.ActivityContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	return s.sell(ctx.Context(), id)
}

func (s *Service) markPaidStep(ctx workflow.ActivityContext) (any, error) {
	var in paid
	if err := ctx.GetInput(&in); err != nil {
		return nil, err
	}
	// What the workflow heard of the charge may be another order's: a sidecar of Dapr 1.16 used an actor again while its last
	// activity still ran, when actors moved, and told the wrong workflow. So the order's own payment is looked up.
	charged, err := s.charge(ctx.Context(), in.OrderID)
	if err != nil || charged.Refused != "" {
		return charged, err
	}
	return s.markPaid(ctx.Context(), in.OrderID, charged.Reference)
}
