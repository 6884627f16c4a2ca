package fulfilment

import (
	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
)

// carryName is the second definition's, as it stands in the histories that the engine keeps.
const carryName = "carry"

// carry is the second definition of the workflow: charge, commit stock and mark paid are a step each, which the engine keeps
// one by one. It is not started any more; it stays as it was, to the step, for instances that an earlier version began.
func carry(ctx *workflow.WorkflowContext) (any, error) {
	var j journey
	if err := ctx.GetInput(&j); err != nil {
		return nil, err
	}
	paid, err := pay(ctx, j.OrderID)
	if err != nil {
		paid.Refused = "it could not be completed"
	}
	if paid.Refused != "" {
		_, err = run(ctx, "give up", abandoned{j.OrderID, paid.Refused, paid.Declined})
		return order.Cancelled, err
	}
	return follow(ctx, j)
}

// pay is charge, commit stock, mark paid. It ends early with what refused the order.
func pay(ctx *workflow.WorkflowContext, id shop.OrderID) (outcome, error) {
	charged, err := untilSettled(ctx, id, "take payment")
	if err != nil || charged.Refused != "" {
		return charged, err
	}
	sold, err := run(ctx, "commit stock", id)
	if err != nil || sold.Refused != "" {
		return sold, err
	}
	return run(ctx, "mark paid", paid{id, charged.Reference})
}

type paid struct {
	OrderID   shop.OrderID `json:"order_id"`
	Reference string       `json:"reference"`
}
