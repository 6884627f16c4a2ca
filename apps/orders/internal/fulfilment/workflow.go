package fulfilment

import (
	"errors"
	"time"

	"github.com/dapr/durabletask-go/task"
	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
)

// A workflow's code runs again from its start at each step, against the history that the engine kept, and must decide
// the same again. So it asks nothing but that history (no clock, no configuration, no database), and a definition that
// has running instances is never edited: a change of order or kind of its steps is a new function under a new name,
// which start then begins, and the old one stays registered until its last instance ended. While an old replica still
// runs beside a new one, it may be handed a workflow it does not know; that one fails, and upkeep starts it again.
//
// bring is the third definition; fulfil (in workflow_1.go) and carry (in workflow_2.go) are those before it. What they
// share with it is not edited either.
const bringName = "bring"

// journey is what a workflow knows from its beginning. The times are in it and not in the configuration, because they must not
// change under a running workflow; zero leaves a step to people.
type journey struct {
	OrderID shop.OrderID  `json:"order_id"`
	Ship    time.Duration `json:"ship"`
	Deliver time.Duration `json:"deliver"`
}

// outcome is how a step ended for good. A step that failed only for now fails, and is tried again.
type outcome struct {
	Refused   string `json:"refused,omitempty"`   // why the order cannot go on; empty if it can
	Declined  bool   `json:"declined,omitempty"`  // the payment was what was refused
	Unsettled bool   `json:"unsettled,omitempty"` // nobody knows yet what became of the charge: ask again
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

func run(ctx *workflow.WorkflowContext, step string, in any) (result outcome, err error) {
	err = ctx.CallActivity(step, workflow.WithActivityInput(in), patience()).Await(&result)
	return result, err
}

// bring is the workflow. It only decides; what it does is done by activities.
func bring(ctx *workflow.WorkflowContext) (any, error) {
	var j journey
	if err := ctx.GetInput(&j); err != nil {
		return nil, err
	}
	paid, err := untilSettled(ctx, j.OrderID, "bring to paid")
	if err != nil {
		paid.Refused = shop.NotCompleted.Text()
	}
	if paid.Refused != "" {
		_, err = run(ctx, "give up", abandoned{j.OrderID, paid.Refused, paid.Declined})
		return order.Cancelled, err
	}
	return follow(ctx, j)
}

// untilSettled takes a step that charges, and asks again what became of a charge without an answer: when the provider told,
// else after 1 s, 2 s, 4 s ... a minute. It ends at the latest when the unpaid order is cancelled.
func untilSettled(ctx *workflow.WorkflowContext, id shop.OrderID, step string) (outcome, error) {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		charged, err := run(ctx, step, id)
		if err != nil || !charged.Unsettled {
			return charged, err
		}
		if err := untilMoved(ctx, pause); err != nil {
			return charged, err
		}
	}
}

// follow waits until the order is delivered or ended, by people, or by itself where the journey says when. A workflow
// that waits is a few rows in the database and nothing else: no memory, no goroutine, no timer unless there is a time.
//
// It begins without a look, one step less for every order: it was paid a moment ago, and whatever happened since has left
// an event that ends the first wait.
func follow(ctx *workflow.WorkflowContext, j journey) (any, error) {
	at := order.Standing{Goods: order.Paid, Since: ctx.CurrentTimeUTC()}
	for {
		step, after := "", time.Duration(0)
		switch at.Goods {
		case order.Paid:
			step, after = "ship", j.Ship
		case order.Shipped:
			step, after = "deliver", j.Deliver
		default:
			return at.Goods, nil
		}
		wait := time.Duration(-1) // for ever
		if after > 0 {
			wait = max(0, at.Since.Add(after).Sub(ctx.CurrentTimeUTC()))
		}
		err := untilMoved(ctx, wait)
		if err == nil && after > 0 && at.Since.Add(after).Sub(ctx.CurrentTimeUTC()) <= 0 {
			_, err = run(ctx, step, j.OrderID)
		}
		if err == nil {
			err = ctx.CallActivity("look", workflow.WithActivityInput(j.OrderID), patience()).Await(&at)
		}
		if err != nil {
			return nil, err
		}
	}
}

// untilMoved waits for the order to move, at most for so long; less than zero is for ever.
func untilMoved(ctx *workflow.WorkflowContext, most time.Duration) error {
	err := ctx.WaitForExternalEvent(moved, most).Await(nil)
	if errors.Is(err, task.ErrTaskCanceled) {
		return nil
	}
	return err
}

type abandoned struct {
	OrderID  shop.OrderID `json:"order_id"`
	Reason   string       `json:"reason"`
	Declined bool         `json:"declined"`
}
