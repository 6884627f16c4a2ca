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

// Engine is the sidecar's workflow engine. The instance id of an order's workflow is the order's id, that of a refund's
// the refund's.
type Engine struct{ *workflow.Client }

// wakeEvent is the external event that ends a workflow's wait.
const wakeEvent = "wake"

// Wake wakes an order's workflow. If the event is lost, the recovery sweep restarts the workflow.
func (e Engine) Wake(ctx context.Context, id shop.OrderID) {
	if err := e.RaiseEvent(ctx, id.String(), wakeEvent); err != nil {
		slog.InfoContext(ctx, "workflow not woken", "order", id, "err", err)
	}
}

// StartRefund starts the workflow of a refund. It is idempotent.
func (e Engine) StartRefund(ctx context.Context, id shop.OrderID, refund uuid.UUID) error {
	return e.startOrWake(ctx, refundName, refund, refundInput{id, refund})
}

// startOrWake starts a workflow, also one that has completed before. It wakes one that exists: if its start was
// interrupted, it never begins without an event.
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

// state returns nil if there is no such workflow. It fails if the engine does not respond within 2 s.
func (e Engine) state(ctx context.Context, id uuid.UUID) (*workflow.WorkflowMetadata, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	known, err := e.FetchWorkflowMetadata(ctx, id.String(), workflow.WithFetchPayloads(false))
	if errors.Is(err, api.ErrInstanceNotFound) {
		return nil, nil //nolint:nilnil // nil means that there is none
	}
	return known, err
}

// purge terminates a workflow, unless it is complete, and deletes its history.
func (e Engine) purge(ctx context.Context, id uuid.UUID, complete bool) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // the engine waits for the termination
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

// OrderWorkflow returns the state of an order's workflow, or nil if it is unavailable.
func (e Engine) OrderWorkflow(ctx context.Context, id shop.OrderID) *order.Workflow {
	known, err := e.state(ctx, id.UUID)
	switch {
	case err != nil:
		slog.WarnContext(ctx, "diagnostics without workflow", "order", id, "err", err)
		return nil
	case known == nil:
		return &order.Workflow{Status: "purged"}
	}
	return &order.Workflow{
		Name: known.Name, Status: strings.ToLower(known.String()),
		StartedAt: known.CreatedAt.AsTime(), UpdatedAt: known.LastUpdatedAt.AsTime(),
	}
}
