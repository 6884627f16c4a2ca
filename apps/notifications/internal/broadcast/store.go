package broadcast

import (
	"context"
	"embed"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this package.
var Migrations = postgres.Migrations{Name: "broadcast", Files: postgres.Sub(files)}

func insert(ctx context.Context, tx pgx.Tx, b Broadcast) (Broadcast, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowToStructByName[Broadcast], `
		insert into broadcasts (id, title, body, role, total, created_by) values ($1, $2, $3, $4, $5, $6)
		returning id, title, body, role, state, total, notified, last_user, created_by, created_at, finished_at`,
		b.ID, b.Title, b.Body, string(b.Role), b.Total, b.CreatedBy)
}

func get(ctx context.Context, db postgres.Reader, id uuid.UUID) (Broadcast, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[Broadcast], `
		select id, title, body, role, state, total, notified, last_user, created_by, created_at, finished_at
		from broadcasts where id = $1`, id)
}

// lockNext locks the oldest due broadcast that no other replica has locked. It returns the zero Broadcast if there is
// none.
func lockNext(ctx context.Context, tx pgx.Tx) (Broadcast, error) {
	return postgres.One(ctx, tx, nil, pgx.RowToStructByName[Broadcast], `
		select id, title, body, role, state, total, notified, last_user, created_by, created_at, finished_at from broadcasts
		where state = 'running' and due_at <= now() order by created_at limit 1 for update skip locked`)
}

func saveProgress(ctx context.Context, tx pgx.Tx, b Broadcast) error {
	_, err := tx.Exec(ctx, `
		update broadcasts set notified = $2, last_user = $3, state = $4, finished_at = case when $4 = 'done' then now() end
		where id = $1`,
		b.ID, b.Notified, b.LastUser, b.State)
	return err
}

// postpone makes a broadcast due in a minute, so that others are not blocked by it.
func postpone(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	_, err := tx.Exec(ctx, `update broadcasts set due_at = now() + interval '1 minute' where id = $1`, id)
	return err
}
