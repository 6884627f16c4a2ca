package order

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// Instance is the workflow of an order or of a refund. Since is when its next step was due, or when it ended. The zero
// value comes before all others.
type Instance struct {
	OrderID  shop.OrderID
	RefundID uuid.UUID // nil for the order's own workflow
	Since    time.Time
}

// ID is the instance's id in the workflow engine.
func (i Instance) ID() uuid.UUID {
	if i.RefundID != uuid.Nil {
		return i.RefundID
	}
	return i.OrderID.UUID
}

// Recovery finds the workflows that the recovery sweep checks. Each method returns a page of those since before a time,
// oldest first, beginning after an instance.
type Recovery struct{ db *pgxpool.Pool }

// Recovery returns the Recovery of all orders.
func (s *Service) Recovery() Recovery { return Recovery{s.db.Pool} }

// MarkPurged records that the engine no longer has a workflow.
func (s *Service) MarkPurged(ctx context.Context, i Instance) error {
	return s.db.Tx(ctx, func(tx event.TX) error { return clearWorkflow(ctx, tx, i) })
}
