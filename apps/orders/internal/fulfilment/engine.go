package fulfilment

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/dapr/durabletask-go/api"
	"github.com/dapr/durabletask-go/workflow"
	"github.com/google/uuid"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
)

// Engine is the sidecar's workflow engine. An order's workflow has the order's id there, a refund's the refund's.
type Engine struct{ *workflow.Client }

// wakeEvent is the external event that has a waiting workflow look at its order.
const wakeEvent = "moved"

// Wake is a hint that an order moved. Where it is lost, the recovery sweep mends that.
func (e Engine) Wake(ctx context.Context, id shop.OrderID) {
	if err := e.RaiseEvent(ctx, id.String(), wakeEvent); err != nil {
		slog.InfoContext(ctx, "workflow not woken", "order", id, "err", err)
	}
}

// StartRefund starts the workflow of a refund that is owed. Starting it twice changes nothing more.
func (e Engine) StartRefund(ctx context.Context, id shop.OrderID, refund uuid.UUID) error {
	return e.startOrWake(ctx, refundName, refund, refundInput{id, refund})
}

// startOrWake starts a workflow, also one that came to its end before. It wakes the one that runs: that may have been cut off
// while it was started, and then never begins by itself.
func (e Engine) startOrWake(ctx context.Context, name string, id uuid.UUID, input any) error {
	schedule := func() error {
		_, err := e.ScheduleWorkflow(ctx, name, workflow.WithInstanceID(id.String()), workflow.WithInput(input))
		return err
	}
	err := schedule()
	if err == nil {
		return nil
	}
	known, stateErr := e.state(ctx, id)
	switch {
	case stateErr != nil || known == nil:
		return err
	case !workflow.WorkflowMetadataIsComplete(known):
		return e.RaiseEvent(ctx, id.String(), wakeEvent)
	}
	if err := e.purge(ctx, id, true); err != nil {
		return err
	}
	return schedule()
}

// state is nil where the engine has no such workflow. It fails where the engine does not answer within 2 s.
func (e Engine) state(ctx context.Context, id uuid.UUID) (*workflow.WorkflowMetadata, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	known, err := e.FetchWorkflowMetadata(ctx, id.String(), workflow.WithFetchPayloads(false))
	if errors.Is(err, api.ErrInstanceNotFound) {
		return nil, nil //nolint:nilnil // nothing is what the engine has
	}
	return known, err
}

// purge ends a workflow, if it has not ended, and has the engine drop its history.
func (e Engine) purge(ctx context.Context, id uuid.UUID, complete bool) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // the engine waits until it has ended
	defer cancel()
	if !complete {
		if err := e.TerminateWorkflow(ctx, id.String()); err != nil {
			return err
		}
	}
	err := e.PurgeWorkflowState(ctx, id.String())
	if errors.Is(err, api.ErrInstanceNotFound) {
		return nil
	}
	return err
}

// OrderWorkflow is how far an order's workflow is, for admins; nil where that cannot be had at the moment.
func (e Engine) OrderWorkflow(ctx context.Context, id shop.OrderID) *order.Workflow {
	known, err := e.state(ctx, id.UUID)
	switch {
	case err != nil:
		slog.WarnContext(ctx, "an admin is not shown the workflow", "order", id, "err", err)
		return nil
	case known == nil:
		return &order.Workflow{Status: "forgotten"}
	}
	return &order.Workflow{
		Name: known.Name, Status: strings.ToLower(known.String()),
		StartedAt: known.CreatedAt.AsTime(), UpdatedAt: known.LastUpdatedAt.AsTime(),
	}
}
