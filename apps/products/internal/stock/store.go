package stock

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// Open gives new products their first stock, in the transaction that creates them. Nobody is notified of one that is
// short from the start: it never crossed anything.
func Open(ctx context.Context, tx pgx.Tx, all []Opening) error {
	if len(all) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		with opened as (
			insert into stock (product_id, on_hand, reserved, reason)
			select product_id, quantity, 0, 'initial' from jsonb_to_recordset($1) as o (product_id bigint, quantity int)
			returning product_id, on_hand)
		insert into stock_alerts (product_id, kind)
		select product_id, case on_hand when 0 then 'out' else 'low' end
		from opened join products p on p.id = product_id where on_hand <= p.low_stock_threshold`, all)
	return err
}

// level fails with ErrNotFound.
func level(ctx context.Context, db postgres.Reader, productID int64) (StockLevel, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[StockLevel], `
		select s.product_id, s.on_hand, s.reserved, s.on_hand - s.reserved as available, p.low_stock_threshold
		from stock s join products p on p.id = s.product_id where s.product_id = $1`, productID)
}

// reserve opens a reservation under the order's id, locks the products, and reserves all wanted lines or none. It answers
// until when they are held, or nil where the id is used already (of two at once, the second waits for the first), and
// for each wanted line whether it can be had.
//
// These are three statements, sent together: each sees what the one before it waited for, and the rows that others want
// are locked for one answer from the server only. Rows are locked in key order, so that two orders with the same products
// cannot deadlock.
func reserve(ctx context.Context, tx pgx.Tx, order shop.OrderID, hold time.Duration, items []Item) (until *time.Time, lines []lineResult, err error) {
	products, quantities := columns(items)
	batch := &pgx.Batch{}
	batch.Queue(`
		insert into reservations (order_id, state, expires_at) values ($1, 'held', now() + $2)
		on conflict (order_id) do nothing returning expires_at`, order, hold).Query(func(rows pgx.Rows) error {
		claimed, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
		if len(claimed) == 1 {
			until = &claimed[0]
		}
		return err
	})
	batch.Queue(`select from stock where product_id = any($1) order by product_id for update`, products)
	batch.Queue(`
		with answer as (
			select w.index::int - 1 as index, w.product_id, w.quantity, p.id is not null as known,
				coalesce(s.on_hand - s.reserved >= w.quantity, false) as enough, coalesce(s.on_hand - s.reserved, 0) as available,
				coalesce(p.low_stock_threshold, 0) as threshold, coalesce(p.sku, '') as sku, coalesce(p.name, '') as name,
				coalesce(p.price, 0) as unit_price, coalesce(p.currency, '') as currency
			from unnest($2::bigint[], $3::int[]) with ordinality as w (product_id, quantity, index)
			left join products p on p.id = w.product_id and p.archived_at is null
			left join stock s on s.product_id = p.id
		), possible as (
			select where not exists (select from answer where not enough)
				and exists (select from reservations where order_id = $1 and state = 'held')
				and not exists (select from reservation_lines where order_id = $1) -- the order has not taken before
		), counted as (
			update stock s set reserved = s.reserved + a.quantity
			from answer a where s.product_id = a.product_id and exists (select from possible)
		), noted as (
			insert into reservation_lines (order_id, product_id, quantity)
			select $1, product_id, quantity from answer where exists (select from possible)
		)
		select index, known, enough, available, threshold, product_id, sku, name, quantity, unit_price, currency
		from answer order by index`, order, products, quantities).Query(func(rows pgx.Rows) (err error) {
		lines, err = pgx.CollectRows(rows, pgx.RowToStructByName[lineResult])
		return err
	})
	err = tx.SendBatch(ctx, batch).Close()
	return until, lines, err
}

func columns(items []Item) (products []int64, quantities []int32) {
	for _, w := range items {
		products, quantities = append(products, w.ProductID), append(quantities, int32(w.Quantity)) //nolint:gosec // at most 1,000,000
	}
	return products, quantities
}

// lockProducts keeps the stock of some products from changing until the transaction ends, in key order. What is then read
// must be read by another statement: only that sees the rows as they are now, and not as they were when this one began to wait.
func lockProducts(ctx context.Context, tx pgx.Tx, products []int64) error {
	_, err := tx.Exec(ctx, `select from stock where product_id = any($1) order by product_id for update`, products)
	return err
}

func lockProductsAndStock(ctx context.Context, tx pgx.Tx, all []Threshold) error {
	products, _ := thresholds(all)
	batch := &pgx.Batch{}
	batch.Queue(`select from products where id = any($1) order by id for no key update`, products)
	batch.Queue(`select from stock where product_id = any($1) order by product_id for update`, products)
	return tx.SendBatch(ctx, batch).Close()
}

func thresholds(all []Threshold) (products []int64, from []int32) {
	for _, t := range all {
		products, from = append(products, t.ProductID), append(from, int32(t.Threshold)) //nolint:gosec // at most 1,000,000,000
	}
	return products, from
}

// reservation answers the zero Reservation for an order that has none.
func reservation(ctx context.Context, db postgres.Reader, order shop.OrderID) (Reservation, error) {
	r, err := postgres.One(ctx, db, nil, pgx.RowToStructByNameLax[Reservation], `
		select r.order_id, r.state, r.expires_at from reservations r where r.order_id = $1`, order)
	if err != nil {
		return r, err
	}
	r.Lines, err = postgres.All(ctx, db, pgx.RowToStructByName[ReservationLine], `
		select l.product_id, p.sku, p.name, l.quantity, p.price as unit_price, p.currency
		from reservation_lines l join products p on p.id = l.product_id where l.order_id = $1 order by l.product_id`, order)
	return r, err
}

// queueLock locks an order's reservation and the stock of its lines, in this order everywhere, and learns its state, which
// stays empty where there is none.
func queueLock(batch *pgx.Batch, order shop.OrderID, state *State) {
	batch.Queue(`select state from reservations where order_id = $1 for update`, order).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowTo[State])
		if len(found) == 1 {
			*state = found[0]
		}
		return err
	})
	batch.Queue(`
		select from stock where product_id in (select product_id from reservation_lines where order_id = $1)
		order by product_id for update`, order)
}

func lock(ctx context.Context, tx pgx.Tx, order shop.OrderID) (state State, err error) {
	batch := &pgx.Batch{}
	queueLock(batch, order, &state)
	err = tx.SendBatch(ctx, batch).Close()
	return state, err
}

// commit takes what is held off the shelf and makes the reservation committed, in one answer from the server as take does.
// It answers the state that it found, and changes nothing unless that is held.
func commit(ctx context.Context, tx pgx.Tx, order shop.OrderID) (state State, err error) {
	batch := &pgx.Batch{}
	queueLock(batch, order, &state)
	batch.Queue(`
		update stock s set on_hand = s.on_hand - l.quantity, reserved = s.reserved - l.quantity, reason = 'sold', order_id = $1
		from reservation_lines l join reservations r using (order_id)
		where l.order_id = $1 and r.state = 'held' and s.product_id = l.product_id`, order)
	batch.Queue(`
		update reservations set state = 'committed', settled_at = now() where order_id = $1 and state = 'held'`, order)
	err = tx.SendBatch(ctx, batch).Close()
	return state, err
}

func setState(ctx context.Context, tx pgx.Tx, order shop.OrderID, state State) error {
	_, err := tx.Exec(ctx, `update reservations set state = $2, settled_at = now() where order_id = $1`, order, state)
	return err
}

// releaseHeld makes what is held available. The reservation is locked.
func releaseHeld(ctx context.Context, tx pgx.Tx, order shop.OrderID) ([]stockChange, error) {
	return postgres.All(ctx, tx, pgx.RowToStructByName[stockChange], `
		update stock s set reserved = s.reserved - l.quantity
		from reservation_lines l join products p on p.id = l.product_id where l.order_id = $1 and s.product_id = l.product_id
		returning p.id as product_id, p.sku, p.name, p.archived_at is null as on_sale, s.on_hand - s.reserved - l.quantity as available_before,
			s.on_hand - s.reserved as available, p.low_stock_threshold as threshold, p.low_stock_threshold as threshold_before`, order)
}

// restockAll puts what was sold, and is not back yet, on the shelf again. The reservation is locked.
func restockAll(ctx context.Context, tx pgx.Tx, order shop.OrderID) ([]stockChange, error) {
	return postgres.All(ctx, tx, pgx.RowToStructByName[stockChange], `
		with noted as (
			update reservation_lines set returned = quantity where order_id = $1
		)
		update stock s set on_hand = s.on_hand + l.quantity - l.returned, reason = 'returned', order_id = $1
		from reservation_lines l join products p on p.id = l.product_id
		where l.order_id = $1 and s.product_id = l.product_id and l.quantity > l.returned
		returning p.id as product_id, p.sku, p.name, p.archived_at is null as on_sale,
			s.on_hand - s.reserved - l.quantity + l.returned as available_before, s.on_hand - s.reserved as available,
			p.low_stock_threshold as threshold, p.low_stock_threshold as threshold_before`, order)
}

// restock makes so many of some sold lines be back on the shelf, all returns taken together; a line that has as many back
// already stays as it is. The reservation is locked.
func restock(ctx context.Context, tx pgx.Tx, order shop.OrderID, lines []Item) ([]stockChange, error) {
	products, quantities := columns(lines)
	return postgres.All(ctx, tx, pgx.RowToStructByName[stockChange], `
		with back as (
			select l.product_id, least(r.quantity, l.quantity) as returned, least(r.quantity, l.quantity) - l.returned as quantity
			from reservation_lines l join unnest($2::bigint[], $3::int[]) as r (product_id, quantity) using (product_id)
			where l.order_id = $1 and least(r.quantity, l.quantity) > l.returned
		), noted as (
			update reservation_lines l set returned = b.returned from back b where l.order_id = $1 and l.product_id = b.product_id
		)
		update stock s set on_hand = s.on_hand + b.quantity, reason = 'returned', order_id = $1
		from back b join products p on p.id = b.product_id where s.product_id = b.product_id
		returning p.id as product_id, p.sku, p.name, p.archived_at is null as on_sale, s.on_hand - s.reserved - b.quantity as available_before,
			s.on_hand - s.reserved as available, p.low_stock_threshold as threshold, p.low_stock_threshold as threshold_before`,
		order, products, quantities)
}

// insertTombstone leaves a mark for an order that has reserved nothing, so that it cannot any more.
func insertTombstone(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		insert into reservations (order_id, state, expires_at, settled_at) values ($1, 'released', now(), now())
		on conflict (order_id) do nothing`, order)
	return err
}

// expired is at most 500 orders at a time, the oldest first.
func expired(ctx context.Context, db postgres.Reader) ([]shop.OrderID, error) {
	return postgres.All(ctx, db, pgx.RowTo[shop.OrderID], `
		select order_id from reservations
		where settled_at is null and expires_at < now() and (due_at is null or due_at < now()) order by expires_at limit 500`)
}

// postpone lets an expired reservation that cannot be released stand aside: only expired looks at due_at.
func postpone(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		update reservations set due_at = now() + interval '10 minutes' where order_id = $1 and settled_at is null`, order)
	return err
}

// adjust changes on_hand; the product is locked and the change is possible.
func adjust(ctx context.Context, tx pgx.Tx, by shop.UserID, productID int64, a StockAdjustment) (stockChange, error) {
	return postgres.One(ctx, tx, ErrNotFound, pgx.RowToStructByName[stockChange], `
		update stock s set on_hand = s.on_hand + $2, reason = $3, moved_by = $4
		from products p where s.product_id = $1 and p.id = s.product_id
		returning p.id as product_id, p.sku, p.name, p.archived_at is null as on_sale, s.on_hand - s.reserved - $2 as available_before,
			s.on_hand - s.reserved as available, p.low_stock_threshold as threshold, p.low_stock_threshold as threshold_before`,
		productID, a.Delta, a.Reason, by)
}

// setThresholds fails with ErrNotFound if one of the products is not on sale. Their stock is locked.
func setThresholds(ctx context.Context, tx pgx.Tx, all []Threshold) ([]stockChange, error) {
	products, from := thresholds(all)
	changed, err := postgres.All(ctx, tx, pgx.RowToStructByName[stockChange], `
		with was as (
			select p.id, p.low_stock_threshold, t.threshold
			from unnest($1::bigint[], $2::int[]) as t (id, threshold) join products p using (id) where p.archived_at is null
		)
		update products p set low_stock_threshold = was.threshold, version = version + 1, updated_at = now()
		from was join stock s on s.product_id = was.id where p.id = was.id
		returning p.id as product_id, p.sku, p.name, true as on_sale, s.on_hand - s.reserved as available_before,
			s.on_hand - s.reserved as available, p.low_stock_threshold as threshold, was.low_stock_threshold as threshold_before`, products, from)
	if err == nil && len(changed) < len(all) {
		err = ErrNotFound
	}
	return changed, err
}

// movements is newest first. before is the id of the last line seen, 0 at the start.
func movements(ctx context.Context, db postgres.Reader, productID, before int64, limit int) ([]StockMovement, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[StockMovement], `
		select id, product_id, delta, balance, reason, order_id, moved_by as by, moved_at
		from movements where product_id = $1 and ($2 = 0 or id < $2) order by id desc limit $3`, productID, before, limit)
}

// setAlert writes down what a product crossed; one that is well needs none.
func setAlert(ctx context.Context, tx pgx.Tx, productID int64, kind AlertKind) (err error) {
	if kind == enough {
		_, err = tx.Exec(ctx, `delete from stock_alerts where product_id = $1`, productID)
		return err
	}
	_, err = tx.Exec(ctx, `
		insert into stock_alerts (product_id, kind) values ($1, $2)
		on conflict (product_id) do update set kind = excluded.kind, since = excluded.since`, productID, kind)
	return err
}

type alertCursor struct {
	Since     time.Time `json:"since"`
	ProductID int64     `json:"id"`
}

// alerts goes on after last, which is zero at the start.
func alerts(ctx context.Context, db postgres.Reader, kind AlertKind, last alertCursor, limit int) ([]StockAlert, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[StockAlert], `
		select a.product_id, p.sku, p.name, a.kind, s.on_hand - s.reserved as available, p.low_stock_threshold as threshold, a.since
		from stock_alerts a join products p on p.id = a.product_id join stock s on s.product_id = a.product_id
		where p.archived_at is null and ($1 = '' or a.kind = $1) and (a.kind <> 'back' or a.since > now() - interval '7 days')
			and ($3 = 0 or (a.since, a.product_id) < ($2, $3))
		order by a.since desc, a.product_id desc limit $4`, kind, last.Since, last.ProductID, limit)
}

// lockAvailable fails with ErrNotFound, also for what is not on sale. The stock cannot change until the transaction ends.
func lockAvailable(ctx context.Context, tx pgx.Tx, productID int64) (int, error) {
	return postgres.One(ctx, tx, ErrNotFound, pgx.RowTo[int], `
		select s.on_hand - s.reserved from stock s join products p on p.id = s.product_id
		where s.product_id = $1 and p.archived_at is null for update of s`, productID)
}

func insertWaiter(ctx context.Context, tx pgx.Tx, user shop.UserID, productID int64) error {
	_, err := tx.Exec(ctx, `
		insert into stock_waiters (product_id, user_id) values ($1, $2) on conflict do nothing`, productID, user)
	return err
}

// deleteWaiters forgets those who wait, and answers them, who asked first first.
func deleteWaiters(ctx context.Context, tx pgx.Tx, productID int64) ([]shop.UserID, error) {
	return postgres.All(ctx, tx, pgx.RowTo[shop.UserID], `
		with gone as (delete from stock_waiters where product_id = $1 returning user_id, asked_at)
		select user_id from gone order by asked_at, user_id`, productID)
}

// deleteUserWaiters forgets all that a user waits for, one product after the other, as those do who bring them back.
func deleteUserWaiters(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	batch := &pgx.Batch{}
	batch.Queue(`select from stock_waiters where user_id = $1 order by product_id for update`, user)
	batch.Queue(`delete from stock_waiters where user_id = $1`, user)
	return tx.SendBatch(ctx, batch).Close()
}

// notifyRequests never answers nil.
func notifyRequests(ctx context.Context, db postgres.Reader, user shop.UserID) ([]NotifyRequest, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[NotifyRequest], `
		select w.product_id, p.sku, p.name, w.asked_at as requested_at from stock_waiters w join products p on p.id = w.product_id
		where w.user_id = $1 order by w.product_id`, user)
}

// Close forgets who waits for a product and that it is short, in the transaction that archives it, in the order in
// which tell changes that. Its stock and its ledger stay, as do the reservations of orders that have it.
func Close(ctx context.Context, tx pgx.Tx, productID int64) error {
	batch := &pgx.Batch{}
	batch.Queue(`delete from stock_alerts where product_id = $1`, productID)
	batch.Queue(`delete from stock_waiters where product_id = $1`, productID)
	return tx.SendBatch(ctx, batch).Close()
}
