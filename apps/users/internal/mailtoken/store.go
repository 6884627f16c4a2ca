package mailtoken

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

func insert(ctx context.Context, tx pgx.Tx, id uuid.UUID, who shop.UserID, email string, purpose Purpose, print []byte, life time.Duration) (expires time.Time, err error) {
	err = tx.QueryRow(ctx, `
		insert into mail_tokens (request_id, account_id, purpose, email, fingerprint, expires_at) values ($1, $2, $3, $4, $5, now() + $6)
		returning expires_at`, id, who, purpose, email, print, life).Scan(&expires)
	return expires, err
}

// Revoke makes the open tokens of an account void: those of one purpose, or all ("").
func Revoke(ctx context.Context, tx pgx.Tx, who shop.UserID, purpose Purpose) error {
	_, err := tx.Exec(ctx, `
		update mail_tokens set closed_at = now() where account_id = $1 and closed_at is null and ($2 = '' or purpose = $2)`, who, purpose)
	return err
}

// deleteOld removes what an account asked for long ago.
func deleteOld(ctx context.Context, tx pgx.Tx, who shop.UserID) error {
	_, err := tx.Exec(ctx, `delete from mail_tokens where account_id = $1 and requested_at < now() - interval '30 days'`, who)
	return err
}

// redeem fails with ErrToken. Of two at once, one waits for the other and finds the token used.
func redeem(ctx context.Context, tx pgx.Tx, print []byte, purpose Purpose) (Proof, error) {
	return postgres.One(ctx, tx, ErrInvalidToken, pgx.RowToStructByName[Proof], `
		update mail_tokens set closed_at = now()
		where fingerprint = $1 and purpose = $2 and closed_at is null and expires_at > now()
		returning account_id, email`, print, purpose)
}

// find is use without using it up.
func find(ctx context.Context, db postgres.Reader, print []byte, purpose Purpose) (Proof, error) {
	return postgres.One(ctx, db, ErrInvalidToken, pgx.RowToStructByName[Proof], `
		select account_id, email from mail_tokens
		where fingerprint = $1 and purpose = $2 and closed_at is null and expires_at > now()`, print, purpose)
}

type tokenState struct {
	Purpose   Purpose
	ExpiresAt time.Time
	Open      bool
}

// get fails with ErrRequest.
func get(ctx context.Context, db postgres.Reader, request uuid.UUID) (tokenState, error) {
	return postgres.One(ctx, db, ErrRequestNotFound, pgx.RowToStructByName[tokenState], `
		select purpose, expires_at, closed_at is null and expires_at > now() as open from mail_tokens where request_id = $1`, request)
}

// countSince is how many tokens of a purpose an account has asked for lately.
func countSince(ctx context.Context, tx pgx.Tx, who shop.UserID, purpose Purpose, since time.Duration) (n int, err error) {
	err = tx.QueryRow(ctx, `
		select count(*) from mail_tokens where account_id = $1 and purpose = $2 and requested_at > now() - $3::interval`,
		who, purpose, since).Scan(&n)
	return n, err
}

// Erase removes all that is kept of an account.
func Erase(ctx context.Context, tx pgx.Tx, who shop.UserID) error {
	_, err := tx.Exec(ctx, `delete from mail_tokens where account_id = $1`, who)
	return err
}
