package order

import (
	"context"
	"errors"
	"time"

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
	sql, args := listQuery(f, before, limit)
	return postgres.All(ctx, db, scan, sql, args...)
}

// listQuery names only what is filtered by, so that Postgres plans with the index for that.
func listQuery(f Filter, before shop.OrderID, limit int) (sql string, args []any) {
	var c postgres.Conditions
	c.And(`id < ?`, before)
	if f.UserID != nil {
		c.And(`user_id = ?`, *f.UserID)
	}
	if f.Status != "" {
		c.And(`status = ?`, f.Status)
	}
	return `
		select id, number, user_id, status, items, total, refunded, currency, shipping_address, payment_method, carrier,
			tracking_number, placed_at, paid_at, shipped_at, delivered_at, updated_at
		from orders where ` + c.String() + c.Fill(` order by id desc limit ?`, limit), c.Args
}

// scan reads an order. A numeric that is zero comes from the wire without its decimals, and an order that is older than
// the table of currencies may have been kept with fewer.
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

func history(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]StatusChange, error) {
	rows, err := db.Query(ctx, `
		select status, at, by, reason, reason_code from order_history where order_id = $1 order by id`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (StatusChange, error) {
		step, err := pgx.RowToStructByName[StatusChange](row)
		step.Reason = shop.Cause{Code: step.ReasonCode, Words: step.Reason}.Text()
		return step, err
	})
}

// updateStatus moves an order and notes the step, both at the same moment, which it answers.
func updateStatus(ctx context.Context, tx pgx.Tx, id shop.OrderID, to StatusChange) (at time.Time, err error) {
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
		insert into order_history (order_id, status, at, by, reason, reason_code) select id, status, updated_at, $3, $4, $5 from moved
		returning at`, id, to.Status, to.By, to.Reason, to.ReasonCode).Scan(&at)
	return at, err
}

func updateShipment(ctx context.Context, tx pgx.Tx, id shop.OrderID, p Shipment) error {
	_, err := tx.Exec(ctx, `
		update orders set carrier = $2, tracking_number = $3 where id = $1`, id, p.Carrier, p.TrackingNumber)
	return err
}

// bill fails with ErrNotFound.
func bill(ctx context.Context, db postgres.Reader, id shop.OrderID) (Bill, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[Bill], `
		select id as order_id, status, total, currency, payment_method as method, payment_token from orders where id = $1`, id)
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

func paidBetween(ctx context.Context, db postgres.Reader, from, to time.Time) ([]shop.OrderID, error) {
	return postgres.All(ctx, db, pgx.RowTo[shop.OrderID], `
		select id from orders
		where paid_at >= $1 and paid_at < $2 and refunded < total and status not in ('cancelled', 'refunded') order by paid_at`, from, to)
}

func trace(ctx context.Context, db postgres.Reader, id shop.OrderID) (string, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[string], `select trace from orders where id = $1`, id)
}

// events are the events of an order, the oldest first: those in the outbox, and those that the broker got and that are
// still remembered.
func events(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]PublishedEvent, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[PublishedEvent], `
		select topic, emitted_at, published_at from (
			select id, topic, emitted_at, null as published_at from outbox where key = $1
			union all select id, topic, emitted_at, published_at from published where key = $1) e
		order by emitted_at, id`, id.String())
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
