package fulfilment

import (
	"errors"
	"time"

	"github.com/dapr/durabletask-go/task"
	"github.com/dapr/durabletask-go/workflow"
	"github.com/google/uuid"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
)

// The engine replays a workflow's code from its start against the stored history after each activity, and the code must
// decide the same again. So it reads only that history: no clock, no configuration, no database. From the first release
// on, a definition with running instances is not edited: other activities, or another order of them, need a new
// function with a new name.
const (
	fulfilName = "fulfil"
	refundName = "refund"
)

// The intervals between the retries of an activity. The longest stays well below stuckAfter.
const (
	firstRetryInterval = 500 * time.Millisecond
	maxRetryInterval   = 20 * time.Second
)

// fulfilInput is the input of an order's workflow. It contains the times, because they must not change while the
// workflow runs; zero for Ship or Deliver leaves the transition to admins.
type fulfilInput struct {
	OrderID  shop.OrderID     `json:"order_id"`
	Goods    order.GoodsState `json:"goods"`
	PayUntil time.Time        `json:"pay_until"`
	Ship     time.Duration    `json:"ship"`
	Deliver  time.Duration    `json:"deliver"`
}

type refundInput struct {
	OrderID  shop.OrderID `json:"order_id"`
	RefundID uuid.UUID    `json:"refund_id"`
}

// activityResult is the permanent result of an activity. An activity that fails temporarily returns an error.
type activityResult struct {
	Rejected  shop.Cause `json:"rejected,omitzero"`   // why the order cannot continue; zero if it can
	Declined  bool       `json:"declined,omitempty"`  // the payment was declined
	Unsettled bool       `json:"unsettled,omitempty"` // the result of the charge is not known yet: retry
	Reference string     `json:"reference,omitempty"`
}

// runActivity retries an activity. After the last attempt the workflow fails, and the recovery sweep restarts it with
// an empty history.
func runActivity(ctx *workflow.WorkflowContext, name string, in, result any) error {
	policy := workflow.RetryPolicy{
		MaxAttempts: 100, InitialRetryInterval: firstRetryInterval, BackoffCoefficient: 2,
		MaxRetryInterval: maxRetryInterval,
	}
	return ctx.CallActivity(name, workflow.WithActivityInput(in), workflow.WithActivityRetryPolicy(&policy)).
		Await(result)
}

// fulfil is an order's workflow. It decides; the activities act.
func fulfil(ctx *workflow.WorkflowContext) (any, error) {
	var in fulfilInput
	if err := ctx.GetInput(&in); err != nil {
		return nil, err
	}
	if in.Goods.Status != order.Pending {
		return shipAndDeliver(ctx, in, in.Goods)
	}
	paid, err := payByDeadline(ctx, in)
	if err != nil {
		return nil, err
	}
	if paid.Rejected != (shop.Cause{}) {
		return order.Cancelled, runActivity(ctx, "cancel", cancelInput{in.OrderID, paid.Rejected, paid.Declined}, nil)
	}
	// The order was just paid, so its state is not read: that saves an activity for every order. A later change
	// has raised an event, which ends the first wait, unless the timer of an earlier wait is in the way; see
	// waitForWake.
	return shipAndDeliver(ctx, in, order.GoodsState{Status: order.Paid, Since: ctx.CurrentTimeUTC()})
}

// payByDeadline runs the activity pay until its result is permanent: again when the provider's webhook wakes the
// workflow, otherwise after 0.5 s, 1 s, 2 s ... 20 s. After PayUntil it makes no new charge. So the deadline of an
// unpaid order is a timer of its own workflow, and an order that is paid at the first attempt, as nearly all are, costs
// no timer.
func payByDeadline(ctx *workflow.WorkflowContext, in fulfilInput) (activityResult, error) {
	for interval := firstRetryInterval; ; interval = min(2*interval, maxRetryInterval) {
		var paid activityResult
		overdue := !ctx.CurrentTimeUTC().Before(in.PayUntil)
		err := ctx.CallActivity("pay", workflow.WithActivityInput(payInput{in.OrderID, overdue})).Await(&paid)
		if err == nil && !paid.Unsettled {
			return paid, nil
		}
		wait := interval
		if left := in.PayUntil.Sub(ctx.CurrentTimeUTC()); left > 0 {
			wait = min(wait, left)
		}
		if err := waitForWake(ctx, wait); err != nil {
			return activityResult{}, err
		}
	}
}

// shipAndDeliver ships and delivers the order after the times of the input, and ends at a transition without a time: a
// waiting workflow costs rows, and a timer in the scheduler even without a deadline. The event of a shipment by an
// admin starts the workflow again if it has to deliver.
func shipAndDeliver(ctx *workflow.WorkflowContext, in fulfilInput, goods order.GoodsState) (any, error) {
	for {
		activity, after := "", time.Duration(0)
		switch goods.Status {
		case order.Paid:
			activity, after = "ship", in.Ship
		case order.Shipped:
			activity, after = "deliver", in.Deliver
		default:
		}
		if after == 0 {
			return goods.Status, nil
		}
		due := goods.Since.Add(after)
		err := waitForWake(ctx, max(0, due.Sub(ctx.CurrentTimeUTC())))
		if err == nil && !ctx.CurrentTimeUTC().Before(due) {
			err = runActivity(ctx, activity, in.OrderID, nil)
		}
		if err == nil {
			err = runActivity(ctx, "get goods state", in.OrderID, &goods)
		}
		if err != nil {
			return nil, err
		}
	}
}

// waitForWake waits for the wake event, at most for timeout.
//
// In durabletask-go 0.12.1 the timer of a wait that an event ended still fires, and then no event ends the next wait:
// only its own timer does (dapr/durabletask-go#114). So a wake-up may be late. The decisions stay right, because the
// activities check the order; the recovery sweep restarts a late workflow and purges one whose order has ended. Remove
// this comment with the release that has the fix.
func waitForWake(ctx *workflow.WorkflowContext, timeout time.Duration) error {
	err := ctx.WaitForExternalEvent(wakeEvent, timeout).Await(nil)
	if errors.Is(err, task.ErrTaskCanceled) {
		return nil
	}
	return err
}

// refund is the workflow of a refund.
func refund(ctx *workflow.WorkflowContext) (any, error) {
	var in refundInput
	if err := ctx.GetInput(&in); err != nil {
		return nil, err
	}
	return nil, runActivity(ctx, "refund", in, nil)
}
