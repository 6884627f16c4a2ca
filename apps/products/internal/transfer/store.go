package transfer

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

func insert(ctx context.Context, tx pgx.Tx, id uuid.UUID, by shop.UserID) (startedAt time.Time, err error) {
	err = tx.QueryRow(ctx, `insert into imports (id, by) values ($1, $2) returning started_at`, id, by).Scan(&startedAt)
	return startedAt, err
}

func update(ctx context.Context, tx pgx.Tx, i Import) (seenAt time.Time, err error) {
	err = tx.QueryRow(ctx, `
		update imports set state = $2, rows = $3, created = $4, updated = $5, unchanged = $6, failed = $7, seen_at = now()
		where id = $1 returning seen_at`, i.ID, i.State, i.Rows, i.Created, i.Updated, i.Unchanged, i.Failed).Scan(&seenAt)
	return seenAt, err
}

// imports goes on before an id, which is zero at the start. Ids grow with time.
func imports(ctx context.Context, db postgres.Reader, before uuid.UUID, limit int) ([]Import, error) {
	rows, err := db.Query(ctx, `
		select id, case when state = 'running' and seen_at < now() - interval '2 minutes' then 'broken' else state end as state,
			rows, created, updated, unchanged, failed, started_at, seen_at
		from imports where $1 = '00000000-0000-0000-0000-000000000000'::uuid or id < $1 order by id desc limit $2`, before, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Import])
}

// categoryOf is nil where no category has the slug.
func categoryOf(ctx context.Context, db postgres.Reader, slug string) (*int64, error) {
	rows, err := db.Query(ctx, `select id from categories where slug = $1`, slug)
	if err != nil {
		return nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return &ids[0], nil
}

// page is the next thousand goods on sale after an id.
func page(ctx context.Context, db postgres.Reader, after int64) ([]goods, error) {
	rows, err := db.Query(ctx, `
		select p.id, p.sku, p.name, p.description, p.slug, p.price, p.currency, c.slug as category, p.brand, p.attributes, p.metadata,
			s.on_hand as initial_quantity, p.low_stock_threshold
		from products p join stock s on s.product_id = p.id join categories c on c.id = p.category_id
		where p.archived_at is null and p.id > $1 order by p.id limit 1000`, after)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[goods])
}
