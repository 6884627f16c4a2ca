package order

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/telemetry"
)

// insert stores an order and the first entry of its history, and sets PlacedAt and UpdatedAt.
func insert(ctx context.Context, tx pgx.Tx, o *Order, paymentToken string) error {
	return tx.QueryRow(ctx, `
		with placed as (
			insert into orders (id, number, user_id, status, items, total, refunded, currency, shipping_address,
				payment_method, payment_token, trace)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			returning id, user_id, status, placed_at, updated_at
		), recorded as (
			insert into order_history (order_id, status, at, by) select id, status, placed_at, user_id::text from placed
		)
		select placed_at, updated_at from placed`,
		o.ID, o.Number, o.UserID, o.Status, o.Items, o.Total, o.Refunded, o.Currency, o.ShippingAddress,
		o.PaymentMethod, paymentToken, telemetry.TraceParent(ctx)).
		Scan(&o.PlacedAt, &o.UpdatedAt)
}

func list(ctx context.Context, db postgres.Reader, f Filter, before shop.OrderID, limit int) ([]Order, error) {
	sql, args := listQuery(f, before, limit)
	return postgres.All(ctx, db, scan, sql, args...)
}

const columns = `id, number, user_id, status, items, total, refunded, currency, shipping_address, payment_method,
	carrier, tracking_number, placed_at, paid_at, shipped_at, delivered_at, updated_at`

// listQuery names only the columns of the filter, so that Postgres plans with the index on them.
func listQuery(f Filter, before shop.OrderID, limit int) (sql string, args []any) {
	var c postgres.Conditions
	c.And(`id < ?`, before)
	postgres.AndSet(&c, `user_id = ?`, f.UserID)
	postgres.AndSet(&c, `status = ?`, f.Status)
	return `select ` + columns + ` from orders where ` + c.String() + c.Fill(` order by id desc limit ?`, limit), c.Args
}

// scan reads an order and gives its amounts the currency's decimals: Postgres sends a zero without them, and an order
// may predate the table of currencies.
func scan(row pgx.CollectableRow) (o Order, err error) {
	if o, err = pgx.RowToStructByNameLax[Order](row); err != nil {
		return o, err
	}
	for _, amount := range []*shop.Money{&o.Total, &o.Refunded} {
		if exact, err := amount.In(o.Currency); err == nil { // otherwise it is shown as stored
			*amount = exact
		}
	}
	return o, nil
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, id shop.OrderID) (Order, error) {
	return postgres.One(ctx, db, ErrNotFound, scan, `select `+columns+` from orders where id = $1`, id)
}

// lock is get that locks the order until the transaction ends.
func lock(ctx context.Context, tx pgx.Tx, id shop.OrderID) (Order, error) {
	return postgres.One(ctx, tx, ErrNotFound, scan, `select `+columns+` from orders where id = $1 for update`, id)
}

func history(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]StatusChange, error) {
	return postgres.All(ctx, db, scanStatusChange, `
		select status, at, by, reason, reason_code from order_history where order_id = $1 order by id`, id)
}

func scanStatusChange(row pgx.CollectableRow) (StatusChange, error) {
	change, err := pgx.RowToStructByName[StatusChange](row)
	change.Reason = shop.Cause{Code: change.ReasonCode, Words: change.Reason}.Text()
	return change, err
}

// updateStatus changes an order's status and records the change. It returns the time of both.
func updateStatus(ctx context.Context, tx pgx.Tx, id shop.OrderID, to StatusChange) (at time.Time, err error) {
	err = tx.QueryRow(ctx, `
		with changed as (
			update orders set status = $2, updated_at = now(),
				paid_at = case when $2 = 'paid' then now() else paid_at end,
				shipped_at = case when $2 = 'shipped' then now() else shipped_at end,
				delivered_at = case when $2 = 'delivered' then now() else delivered_at end,
				tracking_number = case when erased and $2 in ('delivered', 'cancelled', 'refunded')
					then '' else tracking_number end,
				shipping_address = case when erased and $2 in ('delivered', 'cancelled', 'refunded')
					then jsonb_build_object('country', shipping_address->'country') else shipping_address end
			where id = $1 returning id, status, updated_at
		)
		insert into order_history (order_id, status, at, by, reason, reason_code)
		select id, status, updated_at, $3, $4, $5 from changed returning at`,
		id, to.Status, to.By, to.Reason, to.ReasonCode).Scan(&at)
	return at, err
}

func updateShipment(ctx context.Context, tx pgx.Tx, id shop.OrderID, s Shipment) error {
	return postgres.Exec(ctx, tx, `
		update orders set carrier = $2, tracking_number = $3 where id = $1`, id, s.Carrier, s.TrackingNumber)
}

// Bill returns what is charged for an order. It fails with ErrNotFound.
func (s *Service) Bill(ctx context.Context, id shop.OrderID) (Bill, error) {
	return postgres.One(ctx, s.db, ErrNotFound, pgx.RowToStructByName[Bill], `
		select status, total, currency, payment_token from orders where id = $1`, id)
}

// Statuses counts the orders that were placed in a time range by status, with index-only scans.
func (s *Service) Statuses(ctx context.Context, from, to time.Time) (map[string]int64, error) {
	rows, err := s.db.Query(ctx, `
		select s.status, (
			select count(*) from orders o where o.status = s.status and o.placed_at >= $1 and o.placed_at < $2)
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

// PaidBetween returns the orders that were paid in a time range and are not fully refunded.
func (s *Service) PaidBetween(ctx context.Context, from, to time.Time) ([]shop.OrderID, error) {
	return postgres.All(ctx, s.db, pgx.RowTo[shop.OrderID], `
		select id from orders
		where paid_at >= $1 and paid_at < $2 and refunded < total and status not in ('cancelled', 'refunded')
		order by paid_at`, from, to)
}

func trace(ctx context.Context, db postgres.Reader, id shop.OrderID) (string, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[string], `select trace from orders where id = $1`, id)
}

// events are the events of an order, oldest first: those in the outbox, and the published ones that are still stored.
func events(ctx context.Context, db postgres.Reader, id shop.OrderID) ([]OrderEvent, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[OrderEvent], `
		select topic, emitted_at, published_at from (
			select id, topic, emitted_at, null as published_at from outbox where key = $1
			union all select id, topic, emitted_at, published_at from published where key = $1) e
		order by emitted_at, id`, id.String())
}

// erase marks a user's orders and erases the personal data of those that have ended. It locks the orders.
func erase(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	return postgres.Exec(ctx, tx, `
		update orders set erased = true, carrier = '', tracking_number = '',
			payment_token = case status when 'pending' then payment_token else '' end,
			shipping_address = case when delivered_at is not null or status in ('cancelled', 'refunded')
				then jsonb_build_object('country', shipping_address->'country') else shipping_address end
		where user_id = $1`, user)
}

// eraseReasons erases the texts that users wrote about a user's orders. It is a statement of its own after erase: one
// that waited for the orders' locks would not see the texts of the transactions that held them.
func eraseReasons(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	return postgres.Exec(ctx, tx, `
		with history as (
			update order_history set reason = ''
			where by <> 'system' and order_id in (select id from orders where user_id = $1)
		)
		update refunds set reason = ''
		where by <> 'system' and order_id in (select id from orders where user_id = $1)`, user)
}
