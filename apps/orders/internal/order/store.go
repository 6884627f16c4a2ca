package order

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/telemetry"
)

// insert keeps an order and the first step of its history, and sets when it was placed.
func insert(ctx context.Context, tx pgx.Tx, o *Order, paymentToken string) error {
	return tx.QueryRow(ctx, `
		with placed as (
			insert into orders (id, number, user_id, status, items, total, refunded, currency, shipping_address, payment_method, payment_token, trace)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning id, user_id, status, placed_at, updated_at
		), noted as (
			insert into order_history (order_id, status, at, by) select id, status, placed_at, user_id::text from placed
		)
		select placed_at, updated_at from placed`,
		o.ID, o.Number, o.UserID, o.Status, o.Items, o.Total, o.Refunded, o.Currency, o.ShippingAddress, o.PaymentMethod, paymentToken,
		telemetry.TraceParent(ctx)).
		Scan(&o.PlacedAt, &o.UpdatedAt)
}

func list(ctx context.Context, db postgres.Reader, f Filter, before shop.OrderID, limit int) ([]Order, error) {
	rows, err := db.Query(ctx, `
		select id, number, user_id, status, items, total, refunded, currency, shipping_address, payment_method, carrier,
			tracking_number, placed_at, paid_at, shipped_at, delivered_at, updated_at
		from orders where id < $1 and ($2::uuid is null or user_id = $2) and ($3 = '' or status = $3)
		order by id desc limit $4`, before, f.UserID, f.Status, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// scan reads an order. A numeric that is zero comes from the wire without its decimals, and an order that is older than the table
// of currencies may have been kept with fewer.
func scan(row pgx.CollectableRow) (o Order, err error) {
	if o, err = pgx.RowToStructByNameLax[Order](row); err != nil {
		return o, err
	}
	for _, amount := range []*shop.Money{&o.Total, &o.Refunded} {
		if exact, err := amount.In(o.Currency); err == nil { // else it is shown as it was kept
			*amount = exact
		}
	}
	return o, nil
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, id shop.OrderID) (Order, error) {
	rows, err := db.Query(ctx, `
		select id, number, user_id, status, items, total, refunded, currency, shipping_address, payment_method, carrier,
			tracking_number, placed_at, paid_at, shipped_at, delivered_at, updated_at
		from orders where id = $1`, id)
	return one(rows, err)
}

// lock is get, and nobody else changes the order until the transaction ends.
func lock(ctx context.Context, tx pgx.Tx, id shop.OrderID) (Order, error) {
	rows, err := tx.Query(ctx, `
		select id, number, user_id, status, items, total, refunded, currency, shipping_address, payment_method, carrier,
			tracking_number, placed_at, paid_at, shipped_at, delivered_at, updated_at
		from orders where id = $1 for update`, id)
	return one(rows, err)
}

func one(rows pgx.Rows, err error) (Order, error) {
	if err != nil {
		return Order{}, err
	}
	o, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, ErrNotFound
	}
	return o, err
}

func history(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]Step, error) {
	rows, err := db.Query(ctx, `
		select status, at, by, reason from order_history where order_id = $1 order by id`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Step])
}

// setStatus moves an order and notes the step, both at the same moment, which it answers.
func setStatus(ctx context.Context, tx pgx.Tx, id shop.OrderID, to Step) (at time.Time, err error) {
	err = tx.QueryRow(ctx, `
		with moved as (
			update orders set status = $2, updated_at = now(),
				paid_at = case when $2 = 'paid' then now() else paid_at end,
				shipped_at = case when $2 = 'shipped' then now() else shipped_at end,
				delivered_at = case when $2 = 'delivered' then now() else delivered_at end,
				tracking_number = case when erased and $2 in ('delivered', 'cancelled', 'refunded') then '' else tracking_number end,
				shipping_address = case when erased and $2 in ('delivered', 'cancelled', 'refunded')
					then jsonb_build_object('country', shipping_address->'country') else shipping_address end
			where id = $1 returning id, status, updated_at
		)
		insert into order_history (order_id, status, at, by, reason) select id, status, updated_at, $3, $4 from moved
		returning at`, id, to.Status, to.By, to.Reason).Scan(&at)
	return at, err
}

func setParcel(ctx context.Context, tx pgx.Tx, id shop.OrderID, p Parcel) error {
	_, err := tx.Exec(ctx, `
		update orders set carrier = $2, tracking_number = $3 where id = $1`, id, p.Carrier, p.TrackingNumber)
	return err
}

// bill fails with ErrNotFound.
func bill(ctx context.Context, db postgres.Reader, id shop.OrderID) (Bill, error) {
	rows, err := db.Query(ctx, `
		select id as order_id, status, total, currency, payment_method as method, payment_token from orders where id = $1`, id)
	if err != nil {
		return Bill{}, err
	}
	b, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Bill])
	if errors.Is(err, pgx.ErrNoRows) {
		return b, ErrNotFound
	}
	return b, err
}

// statuses counts in the index alone.
func statuses(ctx context.Context, db postgres.Reader, from, to time.Time) (map[string]int64, error) {
	rows, err := db.Query(ctx, `
		select s.status, (select count(*) from orders o where o.status = s.status and o.placed_at >= $1 and o.placed_at < $2)
		from unnest($3::text[]) as s (status)`, from, to,
		[]Status{Pending, Paid, Shipped, Delivered, Cancelled, Refunded, PartiallyRefunded})
	if err != nil {
		return nil, err
	}
	counts, status, n := map[string]int64{}, "", int64(0)
	_, err = pgx.ForEachRow(rows, []any{&status, &n}, func() error {
		counts[status] = n
		return nil
	})
	return counts, err
}

func paidBetween(ctx context.Context, db postgres.Reader, from, to time.Time) ([]Bill, error) {
	rows, err := db.Query(ctx, `
		select id as order_id, status, total, currency, payment_method as method, payment_token from orders
		where paid_at >= $1 and paid_at < $2 and refunded < total and status not in ('cancelled', 'refunded') order by paid_at`, from, to)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Bill])
}

// owe notes what has to go back, and counts it to the order.
func owe(ctx context.Context, tx pgx.Tx, r Refund) error {
	_, err := tx.Exec(ctx, `
		with owed as (
			insert into refunds (id, order_id, items, amount, currency, restock, calls_off, reason, by)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning order_id, amount
		)
		update orders o set refunded = o.refunded + w.amount from owed w where o.id = w.order_id`,
		shop.NewID(), r.OrderID, r.Items, r.Amount, r.Currency, r.Restock, r.CallsOff, r.Reason, r.By)
	return err
}

func refunds(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]Refund, error) {
	rows, err := db.Query(ctx, `
		select id, order_id, items, amount, currency, restock, calls_off, reason, by, at, settled_at, failed_at, failure, retries
		from refunds where order_id = $1 order by id`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Refund])
}

func owed(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]Refund, error) {
	rows, err := db.Query(ctx, `
		select id, order_id, items, amount, currency, restock, calls_off, reason, by, at, settled_at, failed_at, failure, retries
		from refunds where order_id = $1 and settled_at is null and failed_at is null order by id`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Refund])
}

func returned(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]Item, error) {
	rows, err := db.Query(ctx, `
		select i.product_id, sum(i.quantity)::int as quantity
		from refunds r, jsonb_to_recordset(r.items) as i (product_id bigint, quantity int)
		where r.order_id = $1 and r.restock group by i.product_id order by i.product_id`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Item])
}

// givenBack is how much of an order the provider was believed to have given back before a moment.
func givenBack(ctx context.Context, db postgres.Reader, id shop.OrderID, before time.Time) (shop.Money, error) {
	rows, err := db.Query(ctx, `select coalesce(sum(amount), 0) from refunds where order_id = $1 and settled_at < $2`, id, before)
	if err != nil {
		return shop.Money{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[shop.Money])
}

// settle changes nothing where the refund is at its end, or was tried again meanwhile.
func settle(ctx context.Context, tx pgx.Tx, r Refund) error {
	_, err := tx.Exec(ctx, `
		update refunds set settled_at = now() where id = $1 and retries = $2 and settled_at is null and failed_at is null`, r.ID, r.Retries)
	return err
}

// fail ends a refund that cannot be made, and notes it in the order's history, whose status stays as it is. It changes nothing where
// the refund failed, or was tried again meanwhile; one that was settled fails only late.
func fail(ctx context.Context, tx pgx.Tx, r Refund, why string, late bool) error {
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

// retry takes up a refund that failed. It answers false where that did not fail, or is not of the order.
func retry(ctx context.Context, tx pgx.Tx, id shop.OrderID, refund uuid.UUID, by string) (bool, error) {
	tag, err := tx.Exec(ctx, `
		with again as (
			update refunds set failed_at = null, failure = '', retries = retries + 1 where id = $2 and order_id = $1 and failed_at is not null
			returning order_id, amount, currency
		)
		insert into order_history (order_id, status, at, by, reason)
		select a.order_id, o.status, now(), $3, 'the refund of ' || a.amount || ' ' || a.currency || ' is tried again'
		from again a join orders o on o.id = a.order_id`, id, refund, by)
	return tag.RowsAffected() == 1, err
}

func anyUnsettled(ctx context.Context, db postgres.Reader, id shop.OrderID) (bool, error) {
	rows, err := db.Query(ctx, `select exists (select from refunds where order_id = $1 and settled_at is null)`, id)
	if err != nil {
		return false, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[bool])
}

func forget(ctx context.Context, tx pgx.Tx, id shop.OrderID) error {
	_, err := tx.Exec(ctx, `update orders set followed = false where id = $1`, id)
	return err
}

func ids(ctx context.Context, db postgres.Reader, sql string, args ...any) ([]shop.OrderID, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[shop.OrderID])
}

func pendingSince(ctx context.Context, db postgres.Reader, before time.Time) ([]shop.OrderID, error) {
	return ids(ctx, db, `
		select id from orders where status = 'pending' and placed_at < $1 order by placed_at limit 500`, before)
}

func unshippedSince(ctx context.Context, db postgres.Reader, before time.Time) ([]shop.OrderID, error) {
	return ids(ctx, db, `
		select id from orders where status in ('paid', 'partially_refunded') and shipped_at is null and paid_at < $1
		order by paid_at limit 100`, before)
}

func undeliveredSince(ctx context.Context, db postgres.Reader, before time.Time) ([]shop.OrderID, error) {
	return ids(ctx, db, `
		select id from orders where status in ('shipped', 'partially_refunded') and delivered_at is null and shipped_at < $1
		order by shipped_at limit 100`, before)
}

func owingSince(ctx context.Context, db postgres.Reader, before time.Time) ([]shop.OrderID, error) {
	return ids(ctx, db, `
		select order_id from refunds where settled_at is null and failed_at is null and at < $1 group by order_id order by min(at) limit 100`, before)
}

func endedSince(ctx context.Context, db postgres.Reader, before time.Time, after Ended) ([]Ended, error) {
	rows, err := db.Query(ctx, `
		select id, updated_at from orders
		where followed and (delivered_at is not null or status in ('cancelled', 'refunded')) and updated_at < $1 and (updated_at, id) > ($2, $3)
		order by updated_at, id limit 100`, before, after.UpdatedAt, after.ID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Ended])
}

func trace(ctx context.Context, db postgres.Reader, id shop.OrderID) (string, error) {
	rows, err := db.Query(ctx, `select trace from orders where id = $1`, id)
	if err != nil {
		return "", err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
}

// told are the events of an order, the oldest first: those in the outbox, and those that the broker got and that are still remembered.
func told(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]Sent, error) {
	rows, err := db.Query(ctx, `
		select topic, emitted_at, sent_at from (
			select id, topic, emitted_at, null as sent_at from outbox where key = $1
			union all select id, topic, emitted_at, sent_at from sent where key = $1) e
		order by emitted_at, id`, id.String())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Sent])
}

// erase marks somebody's orders, and takes what is personal out of those that are at their end.
func erase(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	_, err := tx.Exec(ctx, `
		update orders set erased = true, carrier = '', tracking_number = '',
			payment_token = case status when 'pending' then payment_token else '' end,
			shipping_address = case when delivered_at is not null or status in ('cancelled', 'refunded')
				then jsonb_build_object('country', shipping_address->'country') else shipping_address end
		where user_id = $1`, user)
	return err
}

// eraseReasons takes out what people wrote; what the platform wrote of itself stays.
func eraseReasons(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	_, err := tx.Exec(ctx, `
		with history as (
			update order_history set reason = '' where by <> 'system' and order_id in (select id from orders where user_id = $1)
		)
		update refunds set reason = '' where by <> 'system' and order_id in (select id from orders where user_id = $1)`, user)
	return err
}
