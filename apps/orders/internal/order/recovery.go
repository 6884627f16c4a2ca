package order

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/shop"
)

// Instance is the workflow of an order, or of a refund of it. Since is when it should have gone on, or when it had
// nothing to do any more. The zero value comes before all.
type Instance struct {
	OrderID  shop.OrderID
	RefundID uuid.UUID // nil for the order's own workflow
	Since    time.Time
}

// ID is what the workflow engine knows it by.
func (i Instance) ID() uuid.UUID {
	if i.RefundID != uuid.Nil {
		return i.RefundID
	}
	return i.OrderID.UUID
}

// Recovery finds the workflows that the recovery sweep has to look at: a page of them after another one, the oldest
// first.
type Recovery struct{ db *pgxpool.Pool }

// Recovery looks through all orders.
func (s *Service) Recovery() Recovery { return Recovery{s.db.Pool} }

// Pending are those of orders that have waited to be paid since before a moment.
func (r Recovery) Pending(ctx context.Context, before time.Time, after Instance) ([]Instance, error) {
	return pendingBefore(ctx, r.db, before, after)
}

// OpenRefunds are those of refunds that were decided before a moment and are neither settled nor failed.
func (r Recovery) OpenRefunds(ctx context.Context, before time.Time, after Instance) ([]Instance, error) {
	return openRefundsBefore(ctx, r.db, before, after)
}

// Unshipped are those of orders that were paid before a moment and have not shipped.
func (r Recovery) Unshipped(ctx context.Context, before time.Time, after Instance) ([]Instance, error) {
	return unshippedBefore(ctx, r.db, before, after)
}

// Undelivered are those of orders that shipped before a moment and have not arrived.
func (r Recovery) Undelivered(ctx context.Context, before time.Time, after Instance) ([]Instance, error) {
	return undeliveredBefore(ctx, r.db, before, after)
}

// Ended are those whose order or refund came to its end before a moment, and that were not purged yet.
func (r Recovery) Ended(ctx context.Context, before time.Time, after Instance) ([]Instance, error) {
	return endedBefore(ctx, r.db, before, after)
}

// MarkPurged notes that the engine does not have a workflow any more.
func (r Recovery) MarkPurged(ctx context.Context, i Instance) error {
	return pgx.BeginFunc(ctx, r.db, func(tx pgx.Tx) error { return clearWorkflow(ctx, tx, i) })
}
