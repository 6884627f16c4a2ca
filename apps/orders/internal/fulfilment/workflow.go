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

// A workflow's code runs again from its start at each step, against the history that the engine kept, and must decide
// the same again. So it reads nothing but that history: no clock, no configuration, no database. From the first release
// on, a definition that has running instances is not edited: a change of order or kind of its steps is a new function
// under a new name.
const (
	fulfilName = "fulfil"
	refundName = "refund"
)

// A step that failed for now is tried again after these times. The longest stays well below what the recovery sweep
// takes for stuck.
const (
	firstRetry       = 500 * time.Millisecond
	maxRetryInterval = 20 * time.Second
)

// fulfilInput is what an order's workflow knows from its beginning. The times are in it and not in the configuration,
// because they must not change under a running workflow; zero for Ship or Deliver leaves that step to people.
type fulfilInput struct {
	OrderID  shop.OrderID     `json:"order_id"`
	Goods    order.GoodsState `json:"at"`
	PayUntil time.Time        `json:"pay_until"`
	Ship     time.Duration    `json:"ship"`
	Deliver  time.Duration    `json:"deliver"`
}

type refundInput struct {
	OrderID  shop.OrderID `json:"order_id"`
	RefundID uuid.UUID    `json:"refund_id"`
}

// activityResult is how a step ended for good. A step that failed only for now fails, and is tried again.
type activityResult struct {
	Rejected  shop.Cause `json:"refused,omitzero"`    // why the order cannot go on; zero if it can
	Declined  bool       `json:"declined,omitempty"`  // the payment was what was refused
	Unsettled bool       `json:"unsettled,omitempty"` // nobody knows yet what became of the charge: try again
	Reference string     `json:"reference,omitempty"`
}

// runActivity tries a step again and again. Its end is no end: the recovery sweep starts a workflow anew that failed too early,
// with a short history.
func runActivity(ctx *workflow.WorkflowContext, step string, in, result any) error {
	return ctx.CallActivity(step, workflow.WithActivityInput(in), workflow.WithActivityRetryPolicy(&workflow.RetryPolicy{
		MaxAttempts: 100, InitialRetryInterval: firstRetry, BackoffCoefficient: 2, MaxRetryInterval: maxRetryInterval,
	})).Await(result)
}

// fulfil is an order's workflow. It only decides; what it does is done by activities.
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
		return order.Cancelled, runActivity(ctx, "give up", cancelInput{in.OrderID, paid.Rejected, paid.Declined}, nil)
	}
	// Without a look, one step less for every order: it was paid a moment ago. What happened since has left an event,
	// which ends the first wait unless the timer of an earlier one is in the way, as below.
	return shipAndDeliver(ctx, in, order.GoodsState{Status: order.Paid, Since: ctx.CurrentTimeUTC()})
}

// payByDeadline tries to bring the order to paid until that ends for good: again when the provider's message wakes it, else
// after half a second, one, two ... 20 s. It waits for PayUntil at the latest, and from then on no charge is begun. So
// the end of an unpaid order is a timer of its own workflow, and an order that is paid at the first try, as nearly all
// are, costs no timer.
func payByDeadline(ctx *workflow.WorkflowContext, in fulfilInput) (activityResult, error) {
	for pause := firstRetry; ; pause = min(2*pause, maxRetryInterval) {
		var paid activityResult
		overdue := !ctx.CurrentTimeUTC().Before(in.PayUntil)
		err := ctx.CallActivity("pay", workflow.WithActivityInput(payInput{in.OrderID, overdue})).Await(&paid)
		if err == nil && !paid.Unsettled {
			return paid, nil
		}
		wait := pause
		if left := in.PayUntil.Sub(ctx.CurrentTimeUTC()); left > 0 {
			wait = min(wait, left)
		}
		if err := waitForWake(ctx, wait); err != nil {
			return activityResult{}, err
		}
	}
}

// shipAndDeliver ships and delivers the order after the times that the input names, and ends where there is none: what people
// do needs no workflow, and a workflow that waits costs rows, and a timer in the scheduler also where the wait has no
// end. The event of the shipment starts it again where it has to deliver.
func shipAndDeliver(ctx *workflow.WorkflowContext, in fulfilInput, at order.GoodsState) (any, error) {
	for {
		step, after := "", time.Duration(0)
		switch at.Status {
		case order.Paid:
			step, after = "ship", in.Ship
		case order.Shipped:
			step, after = "deliver", in.Deliver
		default:
		}
		if after == 0 {
			return at.Status, nil
		}
		due := at.Since.Add(after)
		err := waitForWake(ctx, max(0, due.Sub(ctx.CurrentTimeUTC())))
		if err == nil && !ctx.CurrentTimeUTC().Before(due) {
			err = runActivity(ctx, step, in.OrderID, nil)
		}
		if err == nil {
			err = runActivity(ctx, "look", in.OrderID, &at)
		}
		if err != nil {
			return nil, err
		}
	}
}

// waitForWake waits for the order to move, at most for so long.
//
// In durabletask-go 0.12.1 the timer of a wait that an event ended fires all the same, and then no event ends the wait
// after it: only its own timer does (dapr/durabletask-go#114). So a wake-up may be late, and never wrong, because
// shipping and delivering look at the order. The recovery sweep starts anew what should have arrived, and ends what
// waits for an order that has ended. Remove this remark with the release that has the fix.
func waitForWake(ctx *workflow.WorkflowContext, most time.Duration) error {
	err := ctx.WaitForExternalEvent(wakeEvent, most).Await(nil)
	if errors.Is(err, task.ErrTaskCanceled) {
		return nil
	}
	return err
}

// refund is the workflow of a refund that is owed.
func refund(ctx *workflow.WorkflowContext) (any, error) {
	var in refundInput
	if err := ctx.GetInput(&in); err != nil {
		return nil, err
	}
	return nil, runActivity(ctx, "refund", in, nil)
}
