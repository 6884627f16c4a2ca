package order

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// insert sets when the order was placed.
func insert(ctx context.Context, tx pgx.Tx, o *Order, paymentToken string) error {
	return tx.QueryRow(ctx, `
		insert into orders (id, number, user_id, status, items, total, currency, shipping_address, payment_method, payment_token)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning placed_at, updated_at`,
		o.ID, o.Number, o.UserID, o.Status, o.Items, o.Total, o.Currency, o.ShippingAddress, o.PaymentMethod, paymentToken).
		Scan(&o.PlacedAt, &o.UpdatedAt)
}

func note(ctx context.Context, tx pgx.Tx, id shop.OrderID, s Step) error {
	_, err := tx.Exec(ctx, `
		insert into order_history (order_id, status, at, by, reason) values ($1, $2, $3, $4, $5)`,
		id, s.Status, s.At, s.By, s.Reason)
	return err
}

func list(ctx context.Context, db postgres.Reader, f Filter, before shop.OrderID, limit int) ([]Order, error) {
	rows, err := db.Query(ctx, `
		select id, number, user_id, status, items, total, currency, shipping_address, payment_method, placed_at, updated_at
		from orders where id < $1 and ($2::uuid is null or user_id = $2) and ($3 = '' or status = $3)
		order by id desc limit $4`, before, f.UserID, f.Status, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByNameLax[Order])
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, id shop.OrderID) (Order, error) {
	rows, err := db.Query(ctx, `
		select id, number, user_id, status, items, total, currency, shipping_address, payment_method, placed_at, updated_at
		from orders where id = $1`, id)
	return one(rows, err)
}

// lock is get, and nobody else changes the order until the transaction ends.
func lock(ctx context.Context, tx pgx.Tx, id shop.OrderID) (Order, error) {
	rows, err := tx.Query(ctx, `
		select id, number, user_id, status, items, total, currency, shipping_address, payment_method, placed_at, updated_at
		from orders where id = $1 for update`, id)
	return one(rows, err)
}

func one(rows pgx.Rows, err error) (Order, error) {
	if err != nil {
		return Order{}, err
	}
	o, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[Order])
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

func setStatus(ctx context.Context, tx pgx.Tx, id shop.OrderID, to Status) (at time.Time, err error) {
	err = tx.QueryRow(ctx, `
		update orders set status = $2, updated_at = now() where id = $1 returning updated_at`, id, to).Scan(&at)
	return at, err
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

func pendingSince(ctx context.Context, db postgres.Reader, before time.Time, limit int) ([]shop.OrderID, error) {
	rows, err := db.Query(ctx, `
		select id from orders where status = 'pending' and placed_at < $1 order by id limit $2`, before, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[shop.OrderID])
}
