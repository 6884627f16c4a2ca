package session

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/shop"
)

func begin(ctx context.Context, tx pgx.Tx, id uuid.UUID, who shop.UserID, from Device) error {
	_, err := tx.Exec(ctx, `
		insert into sessions (id, account_id, user_agent, address) values ($1, $2, $3, $4)`,
		id, who, from.UserAgent, from.Address)
	return err
}

func keep(ctx context.Context, tx pgx.Tx, session uuid.UUID, print []byte, life time.Duration) error {
	_, err := tx.Exec(ctx, `
		with seen as (update sessions set seen_at = now() where id = $1)
		insert into refresh_tokens (fingerprint, session_id, expires_at) values ($2, $1, now() + $3)`, session, print, life)
	return err
}

type refreshable struct {
	SessionID uuid.UUID
	AccountID shop.UserID
	UsedAt    *time.Time
}

// lock fails with ErrRefresh unless the token is known, alive, and of a session that goes on.
func lock(ctx context.Context, tx pgx.Tx, print []byte) (refreshable, error) {
	rows, err := tx.Query(ctx, `
		select t.session_id, s.account_id, t.used_at from refresh_tokens t join sessions s on s.id = t.session_id
		where t.fingerprint = $1 and t.expires_at > now() and s.ended_at is null for update`, print)
	if err != nil {
		return refreshable{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[refreshable])
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ErrRefresh
	}
	return r, err
}

func use(ctx context.Context, tx pgx.Tx, print []byte) error {
	_, err := tx.Exec(ctx, `update refresh_tokens set used_at = now() where fingerprint = $1`, print)
	return err
}

// end ends the sessions of a user that go on, except one, and returns which. Rows are locked in the order of their key.
func end(ctx context.Context, tx pgx.Tx, who shop.UserID, except uuid.UUID, reason string) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `
		with mine as (
			select id from sessions where account_id = $1 and id <> $2 and ended_at is null order by id for update)
		update sessions set ended_at = now(), end_reason = $3, ended_in = pg_current_xact_id() from mine where sessions.id = mine.id
		returning sessions.id`, who, except, reason)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// endOne is false where there is no such session of that user, or it has ended before.
func endOne(ctx context.Context, tx pgx.Tx, who shop.UserID, session uuid.UUID, reason string) (bool, error) {
	tag, err := tx.Exec(ctx, `
		update sessions set ended_at = now(), end_reason = $3, ended_in = pg_current_xact_id()
		where id = $1 and account_id = $2 and ended_at is null`, session, who, reason)
	return tag.RowsAffected() > 0, err
}
