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

// claim opens a reservation under the order's id. It answers false where the id is used already; of two at once, the
// second waits for the first.
func claim(ctx context.Context, tx pgx.Tx, order shop.OrderID, hold time.Duration) (bool, error) {
	tag, err := tx.Exec(ctx, `
		insert into reservations (order_id, state, expires_at) values ($1, 'held', now() + $2) on conflict (order_id) do nothing`,
		order, hold)
	return tag.RowsAffected() == 1, err
}

// lockProducts keeps the stock of some products from changing until the transaction ends. Rows are locked in key order,
// so two orders with the same products cannot deadlock. What is then read must be read by another statement: only that
// sees the rows as they are now, and not as they were when this one began to wait.
func lockProducts(ctx context.Context, tx pgx.Tx, products []int64) error {
	_, err := tx.Exec(ctx, `select from stock where product_id = any($1) order by product_id for update`, products)
	return err
}

// take reserves all wanted lines or none, in one statement, and answers for each wanted line whether it can be had. The
// products are locked.
func take(ctx context.Context, tx pgx.Tx, order shop.OrderID, wanted []Wanted) ([]taken, error) {
	products, quantities := columns(wanted)
	rows, err := tx.Query(ctx, `
		with answer as (
			select w.place::int - 1 as place, w.product_id, w.quantity, p.id is not null as known,
				coalesce(s.on_hand - s.reserved >= w.quantity, false) as enough, coalesce(s.on_hand - s.reserved, 0) as available
			from unnest($2::bigint[], $3::int[]) with ordinality as w (product_id, quantity, place)
			left join products p on p.id = w.product_id and p.archived_at is null
			left join stock s on s.product_id = p.id
		), possible as (
			select where not exists (select from answer where not enough)
		), counted as (
			update stock s set reserved = s.reserved + a.quantity
			from answer a where s.product_id = a.product_id and exists (select from possible)
		), noted as (
			insert into reservation_lines (order_id, product_id, quantity)
			select $1, product_id, quantity from answer where exists (select from possible)
		)
		select place, known, enough, available from answer order by place`, order, products, quantities)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[taken])
}

func columns(wanted []Wanted) (products []int64, quantities []int32) {
	for _, w := range wanted {
		products, quantities = append(products, w.ProductID), append(quantities, int32(w.Quantity)) //nolint:gosec // at most 1,000,000
	}
	return products, quantities
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

// lock locks an order's reservation and the stock of its lines, in this order everywhere, and answers its state, empty
// where there is none.
func lock(ctx context.Context, tx pgx.Tx, order shop.OrderID) (state State, err error) {
	err = tx.QueryRow(ctx, `select state from reservations where order_id = $1 for update`, order).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	_, err = tx.Exec(ctx, `
		select from stock where product_id in (select product_id from reservation_lines where order_id = $1)
		order by product_id for update`, order)
	return state, err
}

func setState(ctx context.Context, tx pgx.Tx, order shop.OrderID, state State) error {
	_, err := tx.Exec(ctx, `update reservations set state = $2, settled_at = now() where order_id = $1`, order, state)
	return err
}

// sell takes what is held off the shelf. The reservation is locked.
func sell(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		with sold as (
			update stock s set on_hand = s.on_hand - l.quantity, reserved = s.reserved - l.quantity
			from reservation_lines l where l.order_id = $1 and s.product_id = l.product_id returning l.product_id, l.quantity
		)
		insert into movements (product_id, delta, reason, order_id) select product_id, -quantity, 'sold', $1 from sold`, order)
	return err
}

// free makes what is held available. The reservation is locked.
func free(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		update stock s set reserved = s.reserved - l.quantity
		from reservation_lines l where l.order_id = $1 and s.product_id = l.product_id`, order)
	return err
}

// shelve puts what was sold back on the shelf. The reservation is locked.
func shelve(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		with shelved as (
			update stock s set on_hand = s.on_hand + l.quantity
			from reservation_lines l where l.order_id = $1 and s.product_id = l.product_id returning l.product_id, l.quantity
		)
		insert into movements (product_id, delta, reason, order_id) select product_id, quantity, 'returned', $1 from shelved`, order)
	return err
}

// forestall leaves a mark for an order that has reserved nothing, so that it cannot any more.
func forestall(ctx context.Context, tx pgx.Tx, order shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		insert into reservations (order_id, state, expires_at, settled_at) values ($1, 'released', now(), now())
		on conflict (order_id) do nothing`, order)
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
