package stock

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// Open creates the stock of new products, in the transaction that creates them. A product that starts low or out of
// stock gets an alert but no event: it has not crossed its threshold.
func Open(ctx context.Context, tx pgx.Tx, openings []Opening) error {
	if len(openings) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		with opened as (
			insert into stock (product_id, on_hand, reserved, reason)
			select product_id, quantity, 0, 'initial' from jsonb_to_recordset($1) as o (product_id bigint, quantity int)
			returning product_id, on_hand)
		insert into stock_alerts (product_id, kind)
		select product_id, case on_hand when 0 then 'out' else 'low' end
		from opened join products p on p.id = product_id where on_hand <= p.low_stock_threshold`, openings)
	return err
}

// Close deletes the alert and the notification requests of a product, in the transaction that archives it. The stock,
// the ledger and existing reservations stay. The order of the deletes is that of recordCrossings.
func Close(ctx context.Context, tx pgx.Tx, productID int64) error {
	batch := &pgx.Batch{}
	batch.Queue(`delete from stock_alerts where product_id = $1`, productID)
	batch.Queue(`delete from stock_waiters where product_id = $1`, productID)
	return tx.SendBatch(ctx, batch).Close()
}

// level fails with ErrNotFound.
func level(ctx context.Context, db postgres.Reader, productID int64) (StockLevel, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[StockLevel], `
		select s.product_id, s.on_hand, s.reserved, s.on_hand - s.reserved as available, p.low_stock_threshold
		from stock s join products p on p.id = s.product_id where s.product_id = $1`, productID)
}

const lockStock = `select from stock where product_id = any($1) order by product_id for update`

// Lock locks the stock of products for the transaction, in key order. A transaction that locks the stock of several
// products calls it once for all of them, before any other lock of stock: two calls could deadlock with another
// transaction. Read what is locked by a later statement: this one may see the rows as of before it waited.
func Lock(ctx context.Context, tx pgx.Tx, products []int64) error {
	if len(products) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, lockStock, products)
	return err
}

func lockProducts(ctx context.Context, tx pgx.Tx, products []int64) error {
	_, err := tx.Exec(ctx, `select from products where id = any($1) order by id for no key update`, products)
	return err
}

// changedColumns are the columns of a stockChange of stock (s) and product (p), except available_before.
const changedColumns = `p.id as product_id, p.sku, p.name, p.archived_at is null as on_sale,
			s.on_hand - s.reserved as available, p.low_stock_threshold as threshold,
			p.low_stock_threshold as threshold_before`

// adjust changes on_hand of a locked product.
func adjust(
	ctx context.Context, tx pgx.Tx, by shop.UserID, productID int64, a StockAdjustment,
) (stockChange, error) {
	return postgres.One(ctx, tx, ErrNotFound, pgx.RowToStructByName[stockChange], `
		update stock s set on_hand = s.on_hand + $2, reason = $3, moved_by = $4
		from products p where s.product_id = $1 and p.id = s.product_id
		returning `+changedColumns+`, s.on_hand - s.reserved - $2 as available_before`,
		productID, a.Delta, a.Reason, by)
}

// setThresholds fails with ErrNotFound if a product is not on sale. Products and stock are locked.
func setThresholds(ctx context.Context, tx pgx.Tx, thresholds []Threshold) ([]stockChange, error) {
	changes, err := postgres.All(ctx, tx, pgx.RowToStructByName[stockChange], `
		with before as (
			select p.id, p.low_stock_threshold, t.threshold
			from jsonb_to_recordset($1) as t (product_id bigint, threshold int) join products p on p.id = t.product_id
			where p.archived_at is null
		)
		update products p set low_stock_threshold = before.threshold, version = version + 1, updated_at = now()
		from before join stock s on s.product_id = before.id where p.id = before.id
		returning p.id as product_id, p.sku, p.name, true as on_sale, s.on_hand - s.reserved as available_before,
			s.on_hand - s.reserved as available, before.low_stock_threshold as threshold_before,
			p.low_stock_threshold as threshold`, thresholds)
	if err == nil && len(changes) < len(thresholds) {
		err = ErrNotFound
	}
	return changes, err
}

// movements lists the movements before an id, newest first.
func movements(ctx context.Context, db postgres.Reader, productID, before int64, limit int) ([]StockMovement, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[StockMovement], `
		select id, product_id, delta, balance, reason, order_id, moved_by as by, moved_at
		from movements where product_id = $1 and id < $2 order by id desc limit $3`, productID, before, limit)
}
