package device

import (
	"context"
	"embed"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this package.
var Migrations = postgres.Migrations{Name: "device", Files: postgres.Sub(files)}

// QueueAny queues in a batch which users have a device.
func QueueAny(batch *pgx.Batch, users []uuid.UUID, into *map[shop.UserID]bool) {
	found := map[shop.UserID]bool{}
	*into = found
	postgres.Queue(batch, pgx.RowTo[shop.UserID], func(user shop.UserID) { found[user] = true }, `
		select distinct user_id from devices where user_id = any($1)`, users)
}

func list(ctx context.Context, db postgres.Reader, user shop.UserID) ([]Device, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Device], `
		select id, user_id, label, endpoint, p256dh, auth, created_at from devices where user_id = $1 order by id`, user)
}

func insert(ctx context.Context, tx pgx.Tx, d Device) (Device, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowToStructByName[Device], `
		insert into devices (id, user_id, label, endpoint, p256dh, auth) values ($1, $2, $3, $4, $5, $6)
		on conflict (endpoint) do update
		set user_id = excluded.user_id, label = excluded.label, p256dh = excluded.p256dh, auth = excluded.auth
		returning id, user_id, label, endpoint, p256dh, auth, created_at`,
		d.ID, d.UserID, d.Label, d.Endpoint, d.P256DH, d.Auth)
}

func remove(ctx context.Context, tx pgx.Tx, user shop.UserID, id uuid.UUID) error {
	return postgres.ExecOne(ctx, tx, ErrNotFound, `delete from devices where id = $1 and user_id = $2`, id, user)
}

// Purge removes the devices of a user.
func Purge(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	_, err := tx.Exec(ctx, `delete from devices where user_id = $1`, user)
	return err
}
