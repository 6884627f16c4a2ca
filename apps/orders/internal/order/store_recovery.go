package order

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

// clearWorkflow changes nothing if the refund is retried meanwhile.
func clearWorkflow(ctx context.Context, tx pgx.Tx, i Instance) error {
	sql := `update orders set has_workflow = false where id = $1`
	if i.RefundID != uuid.Nil {
		sql = `
			update refunds set has_workflow = false where id = $1 and (settled_at is not null or failed_at is not null)`
	}
	return postgres.Exec(ctx, tx, sql, i.ID())
}

// pageSize is the number of instances in a page.
const pageSize = 200

func (r Recovery) page(ctx context.Context, sql string, args ...any) ([]Instance, error) {
	return postgres.All(ctx, r.db, pgx.RowToStructByPos[Instance], sql, args...)
}

// Pending finds the workflows of orders that were placed before a time and are not paid.
func (r Recovery) Pending(ctx context.Context, before time.Time, after Instance) ([]Instance, error) {
	return r.page(ctx, `
		select id, $5::uuid, placed_at from orders
		where status = 'pending' and placed_at < $1 and (placed_at, id) > ($2, $3)
		order by placed_at, id limit $4`, before, after.Since, after.ID(), pageSize, uuid.Nil)
}

// OpenRefunds finds the workflows of refunds that were created before a time and are neither settled nor failed.
func (r Recovery) OpenRefunds(ctx context.Context, before time.Time, after Instance) ([]Instance, error) {
	return r.page(ctx, `
		select order_id, id, at from refunds
		where settled_at is null and failed_at is null and at < $1 and (at, id) > ($2, $3)
		order by at, id limit $4`, before, after.Since, after.ID(), pageSize)
}

// Unshipped finds the workflows of orders that were paid before a time and have not shipped.
func (r Recovery) Unshipped(ctx context.Context, before time.Time, after Instance) ([]Instance, error) {
	return r.page(ctx, `
		select id, $5::uuid, paid_at from orders
		where status in ('paid', 'partially_refunded') and shipped_at is null
			and paid_at < $1 and (paid_at, id) > ($2, $3)
		order by paid_at, id limit $4`, before, after.Since, after.ID(), pageSize, uuid.Nil)
}

// Undelivered finds the workflows of orders that shipped before a time and are not delivered.
func (r Recovery) Undelivered(ctx context.Context, before time.Time, after Instance) ([]Instance, error) {
	return r.page(ctx, `
		select id, $5::uuid, shipped_at from orders
		where status in ('shipped', 'partially_refunded') and delivered_at is null
			and shipped_at < $1 and (shipped_at, id) > ($2, $3)
		order by shipped_at, id limit $4`, before, after.Since, after.ID(), pageSize, uuid.Nil)
}

// Unpurged finds the workflows of orders and refunds that ended before a time and are not purged.
func (r Recovery) Unpurged(ctx context.Context, before time.Time, after Instance) ([]Instance, error) {
	return r.page(ctx, `
		select order_id, refund_id, since from (
			(select id as order_id, $5::uuid as refund_id, updated_at as since, id as instance from orders
			where has_workflow and (delivered_at is not null or status in ('cancelled', 'refunded'))
				and updated_at < $1 and (updated_at, id) > ($2, $3)
			order by updated_at, id limit $4)
			union all
			(select order_id, id, coalesce(settled_at, failed_at), id from refunds
			where has_workflow
				and coalesce(settled_at, failed_at) < $1 and (coalesce(settled_at, failed_at), id) > ($2, $3)
			order by coalesce(settled_at, failed_at), id limit $4)) e
		order by since, instance limit $4`, before, after.Since, after.ID(), pageSize, uuid.Nil)
}
