package inbox

import (
	"context"
	"embed"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this package. The name is that of their version table, migrations_message.
var Migrations = postgres.Migrations{Name: "message", Files: postgres.Sub(files)}

// Insert adds notifications to inboxes, in one round trip, and returns their numbers. Pass them in the order of user
// ids, or two transactions may deadlock.
func Insert(ctx context.Context, tx pgx.Tx, notifications ...Notification) (seqs []int64, err error) {
	batch := &pgx.Batch{}
	for _, n := range notifications {
		postgres.Queue(batch, pgx.RowTo[int64], func(seq int64) { seqs = append(seqs, seq) }, `
			with inbox as (
				insert into inboxes (user_id, last_seq) values ($2, 1)
				on conflict (user_id) do update set last_seq = inboxes.last_seq + 1
				returning last_seq
			)
			insert into notifications (id, user_id, seq, kind, title, body, data) select $1, $2, last_seq, $3, $4, $5, $6 from inbox
			returning seq`, n.ID, n.UserID, n.Kind, n.Title, n.Body, n.Data)
	}
	return seqs, tx.SendBatch(ctx, batch).Close()
}

// after reads upwards from a number, exclusive.
func after(ctx context.Context, db postgres.Reader, owner shop.UserID, seq int64, limit int) ([]Notification, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Notification], `
		select id, user_id, seq, kind, title, body, data, read_at, created_at from notifications
		where user_id = $1 and seq > $2 order by seq limit $3`, owner, seq, limit)
}

// All lists the notifications of a user, oldest first.
func All(ctx context.Context, db postgres.Reader, owner shop.UserID) ([]Notification, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Notification], `
		select id, user_id, seq, kind, title, body, data, read_at, created_at from notifications where user_id = $1 order by seq`,
		owner)
}

// position is a number, or that of a notification if seq is nil; but at most the last number of the inbox, also for an
// unknown notification.
func position(ctx context.Context, db postgres.Reader, owner shop.UserID, id ID, seq *int64) (int64, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[int64], `
		with inbox as (select coalesce((select last_seq from inboxes where user_id = $1), 0) as last)
		select least(coalesce($3, (select seq from notifications where user_id = $1 and id = $2), last), last) from inbox`,
		owner, id, seq)
}

// Purge removes the notifications of a user.
func Purge(ctx context.Context, tx pgx.Tx, owner shop.UserID) error {
	_, err := tx.Exec(ctx, `delete from notifications where user_id = $1`, owner)
	return err
}

// list reads downwards from before, exclusive. The filter is in the text, not a parameter, so that the planner uses the
// index of unread messages.
func list(
	ctx context.Context, db postgres.Reader, owner shop.UserID, unreadOnly bool, before ID, limit int,
) ([]Notification, error) {
	filter := ""
	if unreadOnly {
		filter = `and read_at is null`
	}
	return postgres.All(ctx, db, pgx.RowToStructByName[Notification], `
		select id, user_id, seq, kind, title, body, data, read_at, created_at from notifications
		where user_id = $1 and id < $2 `+filter+`
		order by id desc limit $3`, owner, before, limit)
}

func countUnread(ctx context.Context, db postgres.Reader, owner shop.UserID) (int, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[int], `
		select count(*) from notifications where user_id = $1 and read_at is null`, owner)
}

func markRead(ctx context.Context, tx pgx.Tx, owner shop.UserID, id ID) (Notification, error) {
	return postgres.One(ctx, tx, ErrNotFound, pgx.RowToStructByName[Notification], `
		update notifications set read_at = coalesce(read_at, now()) where id = $1 and user_id = $2
		returning id, user_id, seq, kind, title, body, data, read_at, created_at`, id, owner)
}

// markAllRead locks in the order of ids, so that two of them do not deadlock.
func markAllRead(ctx context.Context, tx pgx.Tx, owner shop.UserID) (int, error) {
	tag, err := tx.Exec(ctx, `
		with unread as (
			select id from notifications where user_id = $1 and read_at is null order by id for update
		)
		update notifications set read_at = now() from unread where notifications.id = unread.id`, owner)
	return int(tag.RowsAffected()), err
}
