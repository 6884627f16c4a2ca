package stock

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

func open(ctx context.Context, tx pgx.Tx, productID int64, quantity int) error {
	_, err := tx.Exec(ctx, `
		with opened as (
			insert into stock (product_id, on_hand, reserved) values ($1, $2, 0) returning product_id, on_hand)
		insert into movements (product_id, delta, reason) select product_id, on_hand, 'initial' from opened where on_hand > 0`,
		productID, quantity)
	return err
}

// level fails with ErrNotFound.
func level(ctx context.Context, db postgres.Reader, productID int64) (Level, error) {
	rows, err := db.Query(ctx, `
		select product_id, on_hand, reserved, on_hand - reserved as available from stock where product_id = $1`, productID)
	if err != nil {
		return Level{}, err
	}
	l, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Level])
	if errors.Is(err, pgx.ErrNoRows) {
		return l, ErrNotFound
	}
	return l, err
}

// take reserves all wanted lines or none, in one statement. The claim on the order's id makes a repetition do nothing;
// rows are locked in key order, so two orders with the same products cannot deadlock; availability is read from the
// locked rows, so it cannot change before they are written. It answers each wanted line; where one cannot be had
// nothing was taken, and the caller must roll back to give up the claim.
func take(ctx context.Context, tx pgx.Tx, order shop.OrderID, wanted []Wanted, hold time.Duration) ([]taken, error) {
	products, quantities := make([]int64, len(wanted)), make([]int32, len(wanted))
	for i, w := range wanted {
		products[i], quantities[i] = w.ProductID, int32(w.Quantity) //nolint:gosec // validated: at most 1,000,000
	}
	rows, err := tx.Query(ctx, `
		with claim as (
			insert into reservations (order_id, state, expires_at) values ($1, 'held', now() + $4)
			on conflict (order_id) do nothing returning order_id
		), wanted as (
			select product_id, quantity, place::int - 1 as place
			from unnest($2::bigint[], $3::int[]) with ordinality as w (product_id, quantity, place)
		), locked as (
			select s.product_id, s.on_hand - s.reserved as available
			from stock s join products p on p.id = s.product_id
			where s.product_id in (select product_id from wanted) and p.archived_at is null and exists (select from claim)
			order by s.product_id for update of s
		), answer as (
			select w.place, w.product_id, w.quantity, l.product_id is not null as known,
				coalesce(l.available >= w.quantity, false) as enough, coalesce(l.available, 0) as available
			from wanted w left join locked l using (product_id) where exists (select from claim)
		), possible as (
			select where not exists (select from answer where not enough)
		), counted as (
			update stock s set reserved = s.reserved + a.quantity
			from answer a where s.product_id = a.product_id and exists (select from possible)
		), noted as (
			insert into reservation_lines (order_id, product_id, quantity)
			select $1, product_id, quantity from answer where exists (select from possible)
		)
		select place, known, enough, available from answer order by place`,
		order, products, quantities, hold)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[taken])
}

// reservation answers the zero Reservation for an order that has none.
func reservation(ctx context.Context, db postgres.Reader, order shop.OrderID) (Reservation, error) {
	rows, err := db.Query(ctx, `
		select r.order_id, r.state, r.expires_at from reservations r where r.order_id = $1`, order)
	if err != nil {
		return Reservation{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[Reservation])
	if errors.Is(err, pgx.ErrNoRows) {
		return Reservation{}, nil
	}
	if err != nil {
		return r, err
	}
	rows, err = db.Query(ctx, `
		select l.product_id, p.sku, p.name, l.quantity, p.price as unit_price, p.currency
		from reservation_lines l join products p on p.id = l.product_id where l.order_id = $1 order by l.product_id`, order)
	if err != nil {
		return r, err
	}
	r.Lines, err = pgx.CollectRows(rows, pgx.RowToStructByName[Held])
	return r, err
}

// commit sells what is held; anything else is left as it is.
func commit(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		with done as (
			update reservations set state = 'committed', settled_at = now()
			where order_id = $1 and state = 'held' returning order_id
		), locked as (
			select s.product_id, l.quantity from stock s
			join reservation_lines l on l.product_id = s.product_id join done on done.order_id = l.order_id
			order by s.product_id for update of s
		), sold as (
			update stock s set on_hand = s.on_hand - l.quantity, reserved = s.reserved - l.quantity
			from locked l where s.product_id = l.product_id
		)
		insert into movements (product_id, delta, reason, order_id)
		select product_id, -quantity, 'sold', $1 from locked`, order)
	return err
}

// forestall leaves a mark for an order that has reserved nothing, so that it cannot any more.
func forestall(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		insert into reservations (order_id, state, expires_at, settled_at) values ($1, 'released', now(), now())
		on conflict (order_id) do nothing`, order)
	return err
}

// release gives back what is held; anything else is left as it is.
func release(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		with done as (
			update reservations set state = 'released', settled_at = now()
			where order_id = $1 and state = 'held' returning order_id
		), locked as (
			select s.product_id, l.quantity from stock s
			join reservation_lines l on l.product_id = s.product_id join done on done.order_id = l.order_id
			order by s.product_id for update of s
		)
		update stock s set reserved = s.reserved - l.quantity from locked l where s.product_id = l.product_id`, order)
	return err
}

// takeBack puts what was sold back on the shelf; anything else is left as it is.
func takeBack(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		with done as (
			update reservations set state = 'returned', settled_at = now()
			where order_id = $1 and state = 'committed' returning order_id
		), locked as (
			select s.product_id, l.quantity from stock s
			join reservation_lines l on l.product_id = s.product_id join done on done.order_id = l.order_id
			order by s.product_id for update of s
		), shelved as (
			update stock s set on_hand = s.on_hand + l.quantity from locked l where s.product_id = l.product_id
		)
		insert into movements (product_id, delta, reason, order_id)
		select product_id, quantity, 'returned', $1 from locked`, order)
	return err
}

// expired is at most 500 orders at a time, the oldest first.
func expired(ctx context.Context, db postgres.Reader) ([]shop.OrderID, error) {
	rows, err := db.Query(ctx, `
		select order_id from reservations where state = 'held' and expires_at < now() order by expires_at limit 500`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[shop.OrderID])
}
