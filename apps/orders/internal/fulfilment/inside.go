package fulfilment

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/dapr/durabletask-go/api"
	"github.com/dapr/durabletask-go/workflow"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

// LookInside is how far an order's workflow and its payment are. What cannot be had at the moment is nil.
func (s *Service) LookInside(ctx context.Context, id shop.OrderID) (*order.Workflow, *payment.Payment) {
	var paid *payment.Payment
	p, err := s.payments.Get(ctx, id)
	switch {
	case err == nil:
		paid = &p
	case !errors.Is(err, payment.ErrUnknown):
		slog.WarnContext(ctx, "an admin is not shown the payment", "order", id, "err", err)
	}
	return s.workflowOf(ctx, id), paid
}

func (s *Service) workflowOf(ctx context.Context, id shop.OrderID) *order.Workflow {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	known, err := s.engine.FetchWorkflowMetadata(ctx, id.String(), workflow.WithFetchPayloads(false))
	switch {
	case errors.Is(err, api.ErrInstanceNotFound):
		return &order.Workflow{Status: "forgotten"}
	case err != nil:
		slog.WarnContext(ctx, "an admin is not shown the workflow", "order", id, "err", err)
		return nil
	}
	return &order.Workflow{
		Name: known.Name, Status: strings.ToLower(known.String()),
		StartedAt: known.CreatedAt.AsTime(), UpdatedAt: known.LastUpdatedAt.AsTime(),
	}
}
