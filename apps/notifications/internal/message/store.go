package message

import (
	"context"
	"embed"
	"errors"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this noun.
var Migrations = postgres.Migrations{Name: "message", Files: postgres.Sub(files)}

func insert(ctx context.Context, tx pgx.Tx, m Message) error {
	_, err := tx.Exec(ctx, `
		insert into messages (id, user_id, kind, title, body, data) values ($1, $2, $3, $4, $5, $6)`,
		m.ID, m.UserID, m.Kind, m.Title, m.Body, m.Data)
	return err
}

// list reads downwards from before, which is not among them. The filter is in the text, not a parameter, so that the
// planner can use the index of unread messages.
func list(ctx context.Context, db postgres.Reader, owner shop.UserID, unreadOnly bool, before ID, most int) ([]Message, error) {
	filter := ""
	if unreadOnly {
		filter = `and read_at is null`
	}
	rows, err := db.Query(ctx, `
		select id, user_id, kind, title, body, data, read_at, created_at from messages
		where user_id = $1 and id < $2 `+filter+`
		order by id desc limit $3`, owner, before, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Message])
}

func countUnread(ctx context.Context, db postgres.Reader, owner shop.UserID) (int, error) {
	rows, err := db.Query(ctx, `select count(*) from messages where user_id = $1 and read_at is null`, owner)
	if err != nil {
		return 0, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
}

func markRead(ctx context.Context, tx pgx.Tx, owner shop.UserID, id ID) (Message, error) {
	rows, err := tx.Query(ctx, `
		update messages set read_at = coalesce(read_at, now()) where id = $1 and user_id = $2
		returning id, user_id, kind, title, body, data, read_at, created_at`, id, owner)
	if err != nil {
		return Message{}, err
	}
	m, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Message])
	if errors.Is(err, pgx.ErrNoRows) {
		return Message{}, ErrNotFound
	}
	return m, err
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
