package fulfilment

import (
	"errors"
	"time"

	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// outcome is how a step ended for good. A step that failed only for now fails, and is tried again.
type outcome struct {
	Refused   string `json:"refused,omitempty"` // why the order cannot go on; empty if it can
	Reference string `json:"reference,omitempty"`
}

// patience is how a step that fails for now is tried again: for about a day. Each call has its own, because the engine
// writes defaults into it.
func patience() workflow.CallActivityOption {
	return workflow.WithActivityRetryPolicy(&workflow.RetryPolicy{
		MaxAttempts: 3000, InitialRetryInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaxRetryInterval: 30 * time.Second,
		RetryTimeout: 24 * time.Hour,
	})
}

// fulfil is the workflow. It only decides; what it does is done by activities. It must stay deterministic.
func fulfil(ctx *workflow.WorkflowContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	run := func(step string, in any) (result outcome, err error) {
		err = ctx.CallActivity(step, workflow.WithActivityInput(in), patience()).Await(&result)
		return result, err
	}
	charged, err := run("charge", id)
	if err == nil && charged.Refused == "" {
		charged.Refused, err = refusal(run("commit stock", id))
	}
	if err == nil && charged.Refused == "" {
		charged.Refused, err = refusal(run("mark paid", paid{id, charged.Reference}))
	}
	if err == nil && charged.Refused == "" {
		return order.Paid, nil
	}
	if err != nil {
		charged.Refused = "it could not be completed"
	}
	_, err = run("give up", abandoned{id, charged.Refused})
	return order.Cancelled, err
}

func refusal(o outcome, err error) (string, error) { return o.Refused, err }

type paid struct {
	OrderID   shop.OrderID `json:"order_id"`
	Reference string       `json:"reference"`
}

type abandoned struct {
	OrderID shop.OrderID `json:"order_id"`
	Reason  string       `json:"reason"`
}

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
	if errors.Is(err, payment.ErrDeclined) {
		return outcome{Refused: fault.Of(err).Message}, nil
	}
	return outcome{Reference: receipt.Reference}, err
}

func (s *Service) commitStock(ctx workflow.ActivityContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	err := s.stock.Commit(ctx.Context(), id)
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
	if errors.Is(err, order.ErrTransition) {
		return outcome{Refused: "cancelled while it was charged"}, nil
	}
	return outcome{}, err
}

// giveUp cancels and undoes, in this order, so that nobody sees an order as going on that has no stock any more.
func (s *Service) giveUp(ctx workflow.ActivityContext) (any, error) {
	var in abandoned
	if err := ctx.GetInput(&in); err != nil {
		return nil, err
	}
	if err := s.orders.GiveUp(ctx.Context(), in.OrderID, in.Reason); err != nil {
		return nil, err
	}
	return outcome{}, s.undo(ctx.Context(), in.OrderID)
}
