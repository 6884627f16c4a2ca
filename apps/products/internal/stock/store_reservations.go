package stock

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// reserve inserts the reservation of an order, locks the stock, and reserves all items or none. until is nil if the
// order already has a reservation; of two concurrent calls, the second waits for the first. lines has the result of
// each item.
//
// The three statements are sent in one round trip, so that contended rows are locked for one round trip only. Each
// statement sees what the one before it waited for. Stock is locked in key order, so that orders cannot deadlock.
func reserve(
	ctx context.Context, tx pgx.Tx, order shop.OrderID, hold time.Duration, items []Item,
) (until *time.Time, lines []lineResult, err error) {
	products, quantities := columns(items)
	batch := &pgx.Batch{}
	batch.Queue(`
		insert into reservations (order_id, state, expires_at) values ($1, 'held', now() + $2)
		on conflict (order_id) do nothing returning expires_at`, order, hold).Query(func(rows pgx.Rows) error {
		inserted, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
		if len(inserted) == 1 {
			until = &inserted[0]
		}
		return err
	})
	batch.Queue(lockStock, products)
	batch.Queue(reserveItems, order, products, quantities).Query(func(rows pgx.Rows) (err error) {
		lines, err = pgx.CollectRows(rows, pgx.RowToStructByName[lineResult])
		return err
	})
	err = tx.SendBatch(ctx, batch).Close()
	return until, lines, err
}

// reserveItems reserves all items or none, and selects the result of each item.
const reserveItems = `
	with result as (
		select i.index::int - 1 as index, i.product_id, i.quantity, p.id is not null as known,
			coalesce(s.on_hand - s.reserved >= i.quantity, false) as enough,
			coalesce(s.on_hand - s.reserved, 0) as available, coalesce(p.low_stock_threshold, 0) as threshold,
			coalesce(p.sku, '') as sku, coalesce(p.name, '') as name,
			coalesce(p.price, 0) as unit_price, coalesce(p.currency, '') as currency
		from unnest($2::bigint[], $3::int[]) with ordinality as i (product_id, quantity, index)
		left join products p on p.id = i.product_id and p.archived_at is null
		left join stock s on s.product_id = p.id
	), possible as (
		select where not exists (select from result where not enough)
			and exists (select from reservations where order_id = $1 and state = 'held')
			and not exists (select from reservation_lines where order_id = $1) -- no earlier reservation
	), reserved as (
		update stock s set reserved = s.reserved + r.quantity
		from result r where s.product_id = r.product_id and exists (select from possible)
	), inserted as (
		insert into reservation_lines (order_id, product_id, quantity)
		select $1, product_id, quantity from result where exists (select from possible)
	)
	select index, known, enough, available, threshold, product_id, sku, name, quantity, unit_price, currency
	from result order by index`

func columns(items []Item) (products []int64, quantities []int) {
	for _, i := range items {
		products, quantities = append(products, i.ProductID), append(quantities, i.Quantity)
	}
	return products, quantities
}

// reservation returns the zero Reservation for an order that has none.
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

// queueLock queues the locks of an order's reservation and then of its stock, and reads the state, which stays empty
// for an order without a reservation.
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

// commit makes a held reservation committed and takes its stock from on_hand, in one round trip. It returns the state
// before, and changes nothing in another state.
func commit(ctx context.Context, tx pgx.Tx, order shop.OrderID) (state State, err error) {
	batch := &pgx.Batch{}
	queueLock(batch, order, &state)
	batch.Queue(`
		update stock s set on_hand = s.on_hand - l.quantity, reserved = s.reserved - l.quantity,
			reason = 'sold', order_id = $1
		from reservation_lines l join reservations r using (order_id)
		where l.order_id = $1 and r.state = 'held' and s.product_id = l.product_id`, order)
	batch.Queue(`
		update reservations set state = 'committed', settled_at = now() where order_id = $1 and state = 'held'`, order)
	err = tx.SendBatch(ctx, batch).Close()
	return state, err
}

func setState(ctx context.Context, tx pgx.Tx, order shop.OrderID, state State) error {
	_, err := tx.Exec(ctx, `
		update reservations set state = $2, settled_at = now() where order_id = $1`, order, state)
	return err
}

// releaseHeld makes the stock of a locked, held reservation available.
func releaseHeld(ctx context.Context, tx pgx.Tx, order shop.OrderID) ([]stockChange, error) {
	return postgres.All(ctx, tx, pgx.RowToStructByName[stockChange], `
		update stock s set reserved = s.reserved - l.quantity
		from reservation_lines l join products p on p.id = l.product_id
		where l.order_id = $1 and s.product_id = l.product_id
		returning `+changedColumns+`, s.on_hand - s.reserved - l.quantity as available_before`, order)
}

// restockAll restocks the sold items of a locked reservation that are not restocked yet.
func restockAll(ctx context.Context, tx pgx.Tx, order shop.OrderID) ([]stockChange, error) {
	return postgres.All(ctx, tx, pgx.RowToStructByName[stockChange], `
		with updated as (
			update reservation_lines set returned = quantity where order_id = $1
		)
		update stock s set on_hand = s.on_hand + l.quantity - l.returned, reason = 'returned', order_id = $1
		from reservation_lines l join products p on p.id = l.product_id
		where l.order_id = $1 and s.product_id = l.product_id and l.quantity > l.returned
		returning `+changedColumns+`, s.on_hand - s.reserved - l.quantity + l.returned as available_before`, order)
}

// restock restocks items of a locked reservation up to total quantities. A line with as many restocked stays as it is.
func restock(ctx context.Context, tx pgx.Tx, order shop.OrderID, items []Item) ([]stockChange, error) {
	products, quantities := columns(items)
	return postgres.All(ctx, tx, pgx.RowToStructByName[stockChange], `
		with line as (
			select l.product_id, least(i.quantity, l.quantity) as returned,
				least(i.quantity, l.quantity) - l.returned as quantity
			from reservation_lines l
			join unnest($2::bigint[], $3::int[]) as i (product_id, quantity) using (product_id)
			where l.order_id = $1 and least(i.quantity, l.quantity) > l.returned
		), updated as (
			update reservation_lines l set returned = line.returned
			from line where l.order_id = $1 and l.product_id = line.product_id
		)
		update stock s set on_hand = s.on_hand + line.quantity, reason = 'returned', order_id = $1
		from line join products p on p.id = line.product_id where s.product_id = line.product_id
		returning `+changedColumns+`, s.on_hand - s.reserved - line.quantity as available_before`,
		order, products, quantities)
}

// insertTombstone inserts a released reservation for an order that has none, so that a later one is refused.
func insertTombstone(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		insert into reservations (order_id, state, expires_at, settled_at) values ($1, 'released', now(), now())
		on conflict (order_id) do nothing`, order)
	return err
}

// expired returns at most 500 orders with expired reservations, oldest first.
func expired(ctx context.Context, db postgres.Reader) ([]shop.OrderID, error) {
	return postgres.All(ctx, db, pgx.RowTo[shop.OrderID], `
		select order_id from reservations
		where settled_at is null and expires_at < now() and (due_at is null or due_at < now())
		order by expires_at limit 500`)
}

// postpone hides an expired reservation from expired for ten minutes.
func postpone(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		update reservations set due_at = now() + interval '10 minutes' where order_id = $1 and settled_at is null`, order)
	return err
}
