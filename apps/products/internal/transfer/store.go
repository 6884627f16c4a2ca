package transfer

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

// insert returns false if the user has an import with the same key.
func insert(ctx context.Context, tx pgx.Tx, i *ProductImport, u *upload) (inserted bool, err error) {
	i.StartedAt, err = postgres.One(ctx, tx, nil, pgx.RowTo[time.Time], `
		insert into imports (id, by, key) values ($1, $2, $3) on conflict (by, key) where key is not null do nothing
		returning started_at`, i.ID, u.by, u.key)
	return !i.StartedAt.IsZero(), err
}

func deleteExpiredKeys(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		update imports set key = null, digest = null, report = null
		where key is not null and started_at < now() - interval '24 hours'`)
	return err
}

// importColumns are the columns of a ProductImport. An import without progress for two minutes is broken.
const importColumns = `
	id, case when state = 'running' and seen_at < now() - interval '2 minutes' then 'broken' else state end as state,
	rows, created, updated, unchanged, failed, started_at, seen_at`

func lockByKey(ctx context.Context, tx pgx.Tx, u *upload) (keyedImport, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowToStructByName[keyedImport],
		`select `+importColumns+`, digest, report from imports where by = $1 and key = $2 for update`, u.by, u.key)
}

func restart(ctx context.Context, tx pgx.Tx, i *ProductImport) error {
	return tx.QueryRow(ctx, `
		update imports set state = 'running', rows = 0, created = 0, updated = 0, unchanged = 0, failed = 0,
			started_at = now(), seen_at = now()
		where id = $1 returning started_at`, i.ID).Scan(&i.StartedAt)
}

func saveReport(ctx context.Context, tx pgx.Tx, r *ProductImportReport, digest []byte) error {
	_, err := tx.Exec(ctx, `update imports set digest = $2, report = $3 where id = $1`, r.ID, digest, r)
	return err
}

// saveProgress stores the state and the counts, and sets SeenAt.
func saveProgress(ctx context.Context, tx pgx.Tx, r *ProductImportReport) error {
	return tx.QueryRow(ctx, `
		update imports set state = $2, rows = $3, created = $4, updated = $5, unchanged = $6, failed = $7, seen_at = now()
		where id = $1 returning seen_at`,
		r.ID, r.State, r.Rows, r.Created, r.Updated, r.Unchanged, r.Failed).Scan(&r.SeenAt)
}

// list returns the imports before an id, newest first. Ids grow with time.
func list(ctx context.Context, db postgres.Reader, before uuid.UUID, limit int) ([]ProductImport, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[ProductImport], `select `+importColumns+` from imports
		where id < $1 order by id desc limit $2`, before, limit)
}

// categoryID fails with ErrNoCategory.
func categoryID(ctx context.Context, db postgres.Reader, slug string) (int64, error) {
	return postgres.One(ctx, db, ErrNoCategory, pgx.RowTo[int64], `select id from categories where slug = $1`, slug)
}

// exportPage returns the next thousand products on sale after an id.
func exportPage(ctx context.Context, db postgres.Reader, after int64) ([]exportRow, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[exportRow], `
		select p.id, p.sku, p.name, p.description, p.slug, p.price, p.currency, c.slug as category, p.brand, p.language,
			p.attributes, p.metadata, s.on_hand as initial_quantity, p.low_stock_threshold
		from products p join stock s on s.product_id = p.id join categories c on c.id = p.category_id
		where p.archived_at is null and p.id > $1 order by p.id limit 1000`, after)
}
