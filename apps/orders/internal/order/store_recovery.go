package order

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

// clearWorkflow changes nothing where a refund is tried again meanwhile.
func clearWorkflow(ctx context.Context, tx pgx.Tx, i Instance) error {
	sql := `update orders set has_workflow = false where id = $1`
	if i.RefundID != uuid.Nil {
		sql = `update refunds set has_workflow = false where id = $1 and (settled_at is not null or failed_at is not null)`
	}
	_, err := tx.Exec(ctx, sql, i.ID())
	return err
}

func instances(ctx context.Context, db postgres.Reader, sql string, args ...any) ([]Instance, error) {
	return postgres.All(ctx, db, pgx.RowToStructByPos[Instance], sql, args...)
}

// pageSize is how many workflows the recovery sweep looks at before it reads on. Those that cannot be helped hide none
// that come after them.
const pageSize = 200

func pendingBefore(ctx context.Context, db postgres.Reader, before time.Time, after Instance) ([]Instance, error) {
	return instances(ctx, db, `
		select id, $4::uuid, placed_at from orders
		where status = 'pending' and placed_at < $1 and (placed_at, id) > ($2, $3)
		order by placed_at, id limit $5`, before, after.Since, after.ID(), uuid.Nil, pageSize)
}

func openRefundsBefore(ctx context.Context, db postgres.Reader, before time.Time, after Instance) ([]Instance, error) {
	return instances(ctx, db, `
		select order_id, id, at from refunds
		where settled_at is null and failed_at is null and at < $1 and (at, id) > ($2, $3)
		order by at, id limit $4`, before, after.Since, after.ID(), pageSize)
}

func unshippedBefore(ctx context.Context, db postgres.Reader, before time.Time, after Instance) ([]Instance, error) {
	return instances(ctx, db, `
		select id, $4::uuid, paid_at from orders
		where status in ('paid', 'partially_refunded') and shipped_at is null and paid_at < $1 and (paid_at, id) > ($2, $3)
		order by paid_at, id limit $5`, before, after.Since, after.ID(), uuid.Nil, pageSize)
}

func undeliveredBefore(ctx context.Context, db postgres.Reader, before time.Time, after Instance) ([]Instance, error) {
	return instances(ctx, db, `
		select id, $4::uuid, shipped_at from orders
		where status in ('shipped', 'partially_refunded') and delivered_at is null
			and shipped_at < $1 and (shipped_at, id) > ($2, $3)
		order by shipped_at, id limit $5`, before, after.Since, after.ID(), uuid.Nil, pageSize)
}

func endedBefore(ctx context.Context, db postgres.Reader, before time.Time, after Instance) ([]Instance, error) {
	return instances(ctx, db, `
		select order_id, refund_id, since from (
			(select id as order_id, $4::uuid as refund_id, updated_at as since, id as instance from orders
			where has_workflow and (delivered_at is not null or status in ('cancelled', 'refunded')) and updated_at < $1 and (updated_at, id) > ($2, $3)
			order by updated_at, id limit $5)
			union all
			(select order_id, id, coalesce(settled_at, failed_at), id from refunds
			where has_workflow and coalesce(settled_at, failed_at) < $1 and (coalesce(settled_at, failed_at), id) > ($2, $3)
			order by coalesce(settled_at, failed_at), id limit $5)) e
		order by since, instance limit $5`, before, after.Since, after.ID(), uuid.Nil, pageSize)
}
