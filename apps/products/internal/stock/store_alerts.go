package stock

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// setAlert stores the last crossing of a product. A product with enough stock has no alert.
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

// alerts lists the alerts after a cursor; the zero cursor is the start.
func alerts(
	ctx context.Context, db postgres.Reader, kind AlertKind, after alertCursor, limit int,
) ([]StockAlert, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[StockAlert], `
		select a.product_id, p.sku, p.name, a.kind, s.on_hand - s.reserved as available,
			p.low_stock_threshold as threshold, a.since
		from stock_alerts a join products p on p.id = a.product_id join stock s on s.product_id = a.product_id
		where p.archived_at is null and ($1 = '' or a.kind = $1) and (a.kind <> 'back' or a.since > now() - interval '7 days')
			and ($3 = 0 or (a.since, a.product_id) < ($2, $3))
		order by a.since desc, a.product_id desc limit $4`, kind, after.Since, after.ProductID, limit)
}

// lockAvailable returns the available quantity of a product on sale and locks its stock. It fails with ErrNotFound.
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

// deleteWaiters deletes the notification requests for a product and returns their users, earliest request first.
func deleteWaiters(ctx context.Context, tx pgx.Tx, productID int64) ([]shop.UserID, error) {
	return postgres.All(ctx, tx, pgx.RowTo[shop.UserID], `
		with deleted as (delete from stock_waiters where product_id = $1 returning user_id, asked_at)
		select user_id from deleted order by asked_at, user_id`, productID)
}

// deleteUserWaiters deletes a user's notification requests. It locks them in product order, as restocking does.
func deleteUserWaiters(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	batch := &pgx.Batch{}
	batch.Queue(`select from stock_waiters where user_id = $1 order by product_id for update`, user)
	batch.Queue(`delete from stock_waiters where user_id = $1`, user)
	return tx.SendBatch(ctx, batch).Close()
}

func notifyRequests(ctx context.Context, db postgres.Reader, user shop.UserID) ([]NotifyRequest, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[NotifyRequest], `
		select w.product_id, p.sku, p.name, w.asked_at as requested_at
		from stock_waiters w join products p on p.id = w.product_id
		where w.user_id = $1 order by w.product_id`, user)
}
