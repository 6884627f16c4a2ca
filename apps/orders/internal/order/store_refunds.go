package order

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// insertRefund stores a refund and adds its amount to the order's.
func insertRefund(ctx context.Context, tx pgx.Tx, r Refund) error {
	return postgres.Exec(ctx, tx, `
		with created as (
			insert into refunds (id, order_id, items, amount, currency, restock, void, reason, reason_code, by)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning order_id, amount
		)
		update orders o set refunded = o.refunded + c.amount from created c where o.id = c.order_id`,
		shop.NewID(), r.OrderID, r.Items, r.Amount, r.Currency, r.Restock, r.Void, r.Reason, r.ReasonCode, r.By)
}

func refunds(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]Refund, error) {
	return postgres.All(ctx, db, scanRefund, `
		select id, order_id, items, amount, currency, restock, void, reason, reason_code, by, at,
			settled_at, failed_at, failure, retries
		from refunds where order_id = $1 order by id`, id)
}

// scanRefund gives the amount the currency's decimals, as scan does.
func scanRefund(row pgx.CollectableRow) (Refund, error) {
	r, err := pgx.RowToStructByName[Refund](row)
	r.Reason = shop.Cause{Code: r.ReasonCode, Words: r.Reason}.Text()
	if exact, err := r.Amount.In(r.Currency); err == nil { // otherwise it is shown as stored
		r.Amount = exact
	}
	return r, err
}

// RestockedItems returns the items that all refunds of an order restock.
func (s *Service) RestockedItems(ctx context.Context, id shop.OrderID) ([]OrderItem, error) {
	return postgres.All(ctx, s.db, pgx.RowToStructByName[OrderItem], `
		select i.product_id, sum(i.quantity)::int as quantity
		from refunds r, jsonb_to_recordset(r.items) as i (product_id bigint, quantity int)
		where r.order_id = $1 and r.restock group by i.product_id order by i.product_id`, id)
}

// RefundedBefore returns the amount of the refunds of an order that were settled before a time.
func (s *Service) RefundedBefore(ctx context.Context, id shop.OrderID, before time.Time) (shop.Money, error) {
	return postgres.One(ctx, s.db, pgx.ErrNoRows, pgx.RowTo[shop.Money], `
		select coalesce(sum(amount), 0) from refunds where order_id = $1 and settled_at < $2`, id, before)
}

// settleRefund changes nothing if the refund has ended, or was retried meanwhile.
func settleRefund(ctx context.Context, tx pgx.Tx, r Refund) error {
	return postgres.Exec(ctx, tx, `
		update refunds set settled_at = now()
		where id = $1 and retries = $2 and settled_at is null and failed_at is null`, r.ID, r.Retries)
}

// failRefund ends a refund that cannot be made, and records that in the order's history under its current status. It
// changes nothing if the refund has failed, or was retried meanwhile, or is settled, unless late is true.
func failRefund(ctx context.Context, tx pgx.Tx, r Refund, reason string, late bool) error {
	return postgres.Exec(ctx, tx, `
		with failed as (
			update refunds set settled_at = null, failed_at = now(), failure = $2
			where id = $1 and retries = $3 and failed_at is null and (settled_at is null or $4)
			returning order_id, amount, currency, failed_at
		)
		insert into order_history (order_id, status, at, by, reason)
		select f.order_id, o.status, f.failed_at, 'system',
			'the refund of ' || f.amount || ' ' || f.currency || ' failed: ' || $2
		from failed f join orders o on o.id = f.order_id`, r.ID, reason, r.Retries, late)
}

// retryRefund reopens a failed refund of an order. It fails with ErrNotFailed.
func retryRefund(ctx context.Context, tx pgx.Tx, id shop.OrderID, refund uuid.UUID, by string) error {
	return postgres.ExecOne(ctx, tx, ErrNotFailed, `
		with retried as (
			update refunds set failed_at = null, failure = '', retries = retries + 1, has_workflow = true
			where id = $2 and order_id = $1 and failed_at is not null
			returning order_id, amount, currency
		)
		insert into order_history (order_id, status, at, by, reason)
		select r.order_id, o.status, now(), $3, 'the refund of ' || r.amount || ' ' || r.currency || ' is retried'
		from retried r join orders o on o.id = r.order_id`, id, refund, by)
}
