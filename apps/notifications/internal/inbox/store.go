package inbox

import (
	"context"
	"embed"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this noun.
var Migrations = postgres.Migrations{Name: "message", Files: postgres.Sub(files)}

// Insert puts messages into inboxes, in one round trip, and returns their numbers there. Inboxes that are written to in one
// transaction are so in the order of their owners, or two of these could wait for each other.
func Insert(ctx context.Context, tx pgx.Tx, all ...Notification) (seqs []int64, err error) {
	batch := &pgx.Batch{}
	for _, m := range all {
		batch.Queue(`
			with inbox as (
				insert into inboxes (user_id, last_seq) values ($2, 1)
				on conflict (user_id) do update set last_seq = inboxes.last_seq + 1
				returning last_seq
			)
			insert into messages (id, user_id, seq, kind, title, body, data) select $1, $2, last_seq, $3, $4, $5, $6 from inbox
			returning seq`, m.ID, m.UserID, m.Kind, m.Title, m.Body, m.Data).Query(func(rows pgx.Rows) error {
			seq, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
			seqs = append(seqs, seq)
			return err
		})
	}
	return seqs, tx.SendBatch(ctx, batch).Close()
}

// after reads upwards from a number, which is not among them.
func after(ctx context.Context, db postgres.Reader, owner shop.UserID, seq int64, most int) ([]Notification, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Notification], `
		select id, user_id, seq, kind, title, body, data, read_at, created_at from messages
		where user_id = $1 and seq > $2 order by seq limit $3`, owner, seq, most)
}

// All are all messages of somebody, in their order.
func All(ctx context.Context, db postgres.Reader, owner shop.UserID) ([]Notification, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Notification], `
		select id, user_id, seq, kind, title, body, data, read_at, created_at from messages where user_id = $1 order by seq`, owner)
}

// sequenceOf is the number of a message, or where the inbox ends if it has no such message.
func sequenceOf(ctx context.Context, db postgres.Reader, owner shop.UserID, id ID) (int64, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[int64], `
		select coalesce((select seq from messages where user_id = $1 and id = $2), (select last_seq from inboxes where user_id = $1), 0)`, owner, id)
}

// days counts messages by the day (UTC) on which they came, and how many of them were read.
func days(ctx context.Context, db postgres.Reader, from, until time.Time) ([]Day, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Day], `
		select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD') as day, kind, count(*)::int as sent, count(read_at)::int as opened
		from messages where created_at >= $1 and created_at < $2 group by 1, 2 order by 1 desc, 2`, from, until)
}

// Purge empties somebody's inbox.
func Purge(ctx context.Context, tx pgx.Tx, owner shop.UserID) error {
	_, err := tx.Exec(ctx, `delete from messages where user_id = $1`, owner)
	return err
}

// list reads downwards from before, which is not among them. The filter is in the text, not a parameter, so that the
// planner can use the index of unread messages.
func list(ctx context.Context, db postgres.Reader, owner shop.UserID, unreadOnly bool, before ID, most int) ([]Notification, error) {
	filter := ""
	if unreadOnly {
		filter = `and read_at is null`
	}
	return postgres.All(ctx, db, pgx.RowToStructByName[Notification], `
		select id, user_id, seq, kind, title, body, data, read_at, created_at from messages
		where user_id = $1 and id < $2 `+filter+`
		order by id desc limit $3`, owner, before, most)
}

func countUnread(ctx context.Context, db postgres.Reader, owner shop.UserID) (int, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[int], `select count(*) from messages where user_id = $1 and read_at is null`, owner)
}

func markRead(ctx context.Context, tx pgx.Tx, owner shop.UserID, id ID) (Notification, error) {
	return postgres.One(ctx, tx, ErrNotFound, pgx.RowToStructByName[Notification], `
		update messages set read_at = coalesce(read_at, now()) where id = $1 and user_id = $2
		returning id, user_id, seq, kind, title, body, data, read_at, created_at`, id, owner)
}

// markAllRead locks in the order of ids, so that two of them never wait for each other.
func markAllRead(ctx context.Context, tx pgx.Tx, owner shop.UserID) (int, error) {
	tag, err := tx.Exec(ctx, `
		with unread as (
			select id from messages where user_id = $1 and read_at is null order by id for update
		)
		update messages set read_at = now() from unread where messages.id = unread.id`, owner)
	return int(tag.RowsAffected()), err
}
