package mailtoken

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

func insert(
	ctx context.Context, tx pgx.Tx, id uuid.UUID, user shop.UserID, email string, purpose Purpose, token []byte,
	lifetime time.Duration,
) (expires time.Time, err error) {
	err = tx.QueryRow(ctx, `
		insert into mail_tokens (request_id, account_id, purpose, email, fingerprint, expires_at)
		values ($1, $2, $3, $4, $5, now() + $6)
		returning expires_at`, id, user, purpose, email, token, lifetime).Scan(&expires)
	return expires, err
}

// Revoke closes the open tokens of an account, of one purpose or of all ("").
func Revoke(ctx context.Context, tx pgx.Tx, user shop.UserID, purpose Purpose) error {
	return postgres.Exec(ctx, tx, `
		update mail_tokens set closed_at = now()
		where account_id = $1 and closed_at is null and ($2 = '' or purpose = $2)`, user, purpose)
}

// deleteOld deletes the tokens of an account after a month.
func deleteOld(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	return postgres.Exec(ctx, tx, `
		delete from mail_tokens where account_id = $1 and requested_at < now() - interval '30 days'`, user)
}

// redeem fails with ErrInvalidToken. A concurrent transaction waits and then fails.
func redeem(ctx context.Context, tx pgx.Tx, token []byte, purpose Purpose) (Proof, error) {
	return postgres.One(ctx, tx, ErrInvalidToken, pgx.RowToStructByName[Proof], `
		update mail_tokens set closed_at = now()
		where fingerprint = $1 and purpose = $2 and closed_at is null and expires_at > now()
		returning account_id, email`, token, purpose)
}

// find is redeem without using the token.
func find(ctx context.Context, db postgres.Reader, token []byte, purpose Purpose) (Proof, error) {
	return postgres.One(ctx, db, ErrInvalidToken, pgx.RowToStructByName[Proof], `
		select account_id, email from mail_tokens
		where fingerprint = $1 and purpose = $2 and closed_at is null and expires_at > now()`, token, purpose)
}

type tokenState struct {
	Purpose   Purpose
	ExpiresAt time.Time
	Open      bool
}

// get fails with ErrRequestNotFound.
func get(ctx context.Context, db postgres.Reader, request uuid.UUID) (tokenState, error) {
	return postgres.One(ctx, db, ErrRequestNotFound, pgx.RowToStructByName[tokenState], `
		select purpose, expires_at, closed_at is null and expires_at > now() as open
		from mail_tokens where request_id = $1`, request)
}

// countLastHour counts the tokens that an account requested in the last hour.
func countLastHour(ctx context.Context, tx pgx.Tx, user shop.UserID, purpose Purpose) (n int, err error) {
	err = tx.QueryRow(ctx, `
		select count(*) from mail_tokens
		where account_id = $1 and purpose = $2 and requested_at > now() - interval '1 hour'`, user, purpose).Scan(&n)
	return n, err
}

// Erase deletes all tokens of an account.
func Erase(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	return postgres.Exec(ctx, tx, `delete from mail_tokens where account_id = $1`, user)
}
