package order

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// insertRefund notes what has to go back, and counts it to the order.
func insertRefund(ctx context.Context, tx pgx.Tx, r Refund) error {
	_, err := tx.Exec(ctx, `
		with owed as (
			insert into refunds (id, order_id, items, amount, currency, restock, void, reason, reason_code, by)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning order_id, amount
		)
		update orders o set refunded = o.refunded + w.amount from owed w where o.id = w.order_id`,
		shop.NewID(), r.OrderID, r.Items, r.Amount, r.Currency, r.Restock, r.Void, r.Reason, r.ReasonCode, r.By)
	return err
}

func refunds(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]Refund, error) {
	return postgres.All(ctx, db, scanRefund, `
		select id, order_id, items, amount, currency, restock, void, reason, reason_code, by, at, settled_at, failed_at, failure, retries
		from refunds where order_id = $1 order by id`, id)
}

func scanRefund(row pgx.CollectableRow) (Refund, error) {
	r, err := pgx.RowToStructByName[Refund](row)
	r.Reason = shop.Cause{Code: r.ReasonCode, Words: r.Reason}.Text()
	return r, err
}

func openRefunds(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]Refund, error) {
	return postgres.All(ctx, db, scanRefund, `
		select id, order_id, items, amount, currency, restock, void, reason, reason_code, by, at, settled_at, failed_at, failure, retries
		from refunds where order_id = $1 and settled_at is null and failed_at is null order by id`, id)
}

func restockedItems(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]OrderItem, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[OrderItem], `
		select i.product_id, sum(i.quantity)::int as quantity
		from refunds r, jsonb_to_recordset(r.items) as i (product_id bigint, quantity int)
		where r.order_id = $1 and r.restock group by i.product_id order by i.product_id`, id)
}

// refundedBefore is how much of an order the provider was believed to have given back before a moment.
func refundedBefore(ctx context.Context, db postgres.Reader, id shop.OrderID, before time.Time) (shop.Money, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[shop.Money], `select coalesce(sum(amount), 0) from refunds where order_id = $1 and settled_at < $2`, id, before)
}

// settleRefund changes nothing where the refund is at its end, or was tried again meanwhile.
func settleRefund(ctx context.Context, tx pgx.Tx, r Refund) error {
	_, err := tx.Exec(ctx, `
		update refunds set settled_at = now() where id = $1 and retries = $2 and settled_at is null and failed_at is null`, r.ID, r.Retries)
	return err
}

// failRefund ends a refund that cannot be made, and notes it in the order's history, whose status stays as it is. It changes
// nothing where the refund failed, or was tried again meanwhile; one that was settled fails only late.
func failRefund(ctx context.Context, tx pgx.Tx, r Refund, why string, late bool) error {
	_, err := tx.Exec(ctx, `
		with failed as (
			update refunds set settled_at = null, failed_at = now(), failure = $2
			where id = $1 and retries = $3 and failed_at is null and (settled_at is null or $4)
			returning order_id, amount, currency, failed_at
		)
		insert into order_history (order_id, status, at, by, reason)
		select f.order_id, o.status, f.failed_at, 'system', 'the refund of ' || f.amount || ' ' || f.currency || ' failed: ' || $2
		from failed f join orders o on o.id = f.order_id`, r.ID, why, r.Retries, late)
	return err
}

// retryRefund takes up a refund that failed. It answers false where that did not fail, or is not of the order.
func retryRefund(ctx context.Context, tx pgx.Tx, id shop.OrderID, refund uuid.UUID, by string) (bool, error) {
	tag, err := tx.Exec(ctx, `
		with again as (
			update refunds set failed_at = null, failure = '', retries = retries + 1, has_workflow = true where id = $2 and order_id = $1 and failed_at is not null
			returning order_id, amount, currency
		)
		insert into order_history (order_id, status, at, by, reason)
		select a.order_id, o.status, now(), $3, 'the refund of ' || a.amount || ' ' || a.currency || ' is tried again'
		from again a join orders o on o.id = a.order_id`, id, refund, by)
	return tag.RowsAffected() == 1, err
}

func hasUnsettledRefunds(ctx context.Context, db postgres.Reader, id shop.OrderID) (bool, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[bool], `select exists (select from refunds where order_id = $1 and settled_at is null)`, id)
}
