package fulfilment

import (
	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
)

// fulfilName is the first definition's, as it stands in the histories that the engine keeps.
const fulfilName = "fulfil"

// fulfil is the first definition of the workflow, which ends when an order is paid. It is not started any more; it stays
// as it was, to the step, for instances that an earlier version began.
func fulfil(ctx *workflow.WorkflowContext) (any, error) {
	var id shop.OrderID
	if err := ctx.GetInput(&id); err != nil {
		return nil, err
	}
	charged, err := run(ctx, "charge", id)
	if err == nil && charged.Refused == "" {
		charged.Refused, err = refusal(run(ctx, "commit stock", id))
	}
	if err == nil && charged.Refused == "" {
		charged.Refused, err = refusal(run(ctx, "mark paid", paid{id, charged.Reference}))
	}
	if err == nil && charged.Refused == "" {
		return order.Paid, nil
	}
	if err != nil {
		charged.Refused = "it could not be completed"
	}
	_, err = run(ctx, "give up", abandoned{OrderID: id, Reason: charged.Refused})
	return order.Cancelled, err
}

func refusal(o outcome, err error) (string, error) { return o.Refused, err }
