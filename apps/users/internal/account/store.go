package account

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// lastID is after every id, where the newest accounts begin.
var lastID = shop.UserID{UUID: uuid.Max}

// isFirst says whether there is no account yet. Two at once wait for each other, so that only one is first.
func isFirst(ctx context.Context, tx pgx.Tx) (first bool, err error) {
	if err := tx.QueryRow(ctx, `select not exists (select from accounts)`).Scan(&first); err != nil || !first {
		return false, err
	}
	if _, err := tx.Exec(ctx, `lock table accounts in share row exclusive mode`); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, `select not exists (select from accounts)`).Scan(&first)
	return first, err
}

// insert fails with ErrUsername or ErrEmail.
func insert(ctx context.Context, tx pgx.Tx, in Registration, hash []byte, role shop.Role) (Account, error) {
	rows, err := tx.Query(ctx, `
		insert into accounts (id, username, username_key, email, email_key, full_name, password_hash, role)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		returning id, username, email, full_name, role, active, email_verified, created_at, updated_at`,
		shop.NewID(), in.Username, key(in.Username), in.Email, key(in.Email), in.FullName, hash, role)
	if err != nil {
		return Account{}, err
	}
	a, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Account])
	switch {
	case postgres.Violates(err, "accounts_username_key_key"):
		return a, ErrUsername
	case postgres.Violates(err, "accounts_email_key_key"):
		return a, ErrEmail
	}
	return a, err
}

type withPassword struct {
	Account
	PasswordHash []byte
}

// credentials is empty, with a nil hash, where nobody has that username or e-mail address.
func credentials(ctx context.Context, db postgres.Reader, name string) (withPassword, error) {
	rows, err := db.Query(ctx, `
		select id, username, email, full_name, role, active, email_verified, created_at, updated_at, password_hash
		from accounts where username_key = $1 or email_key = $1 order by username_key = $1 desc limit 1`, key(name))
	if err != nil {
		return withPassword{}, err
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[withPassword])
	if errors.Is(err, pgx.ErrNoRows) {
		return withPassword{}, nil
	}
	return found, err
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, id shop.UserID) (Account, error) {
	rows, err := db.Query(ctx, `
		select id, username, email, full_name, role, active, email_verified, created_at, updated_at
		from accounts where id = $1`, id)
	if err != nil {
		return Account{}, err
	}
	a, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Account])
	if errors.Is(err, pgx.ErrNoRows) {
		return a, ErrNotFound
	}
	return a, err
}

func list(ctx context.Context, db postgres.Reader, before shop.UserID, limit int) ([]Account, error) {
	rows, err := db.Query(ctx, `
		select id, username, email, full_name, role, active, email_verified, created_at, updated_at
		from accounts where id < $1 order by id desc limit $2`, before, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Account])
}

// lockAdmins makes changes of accounts wait for one another, so that two cannot each remove the other admin.
func lockAdmins(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('account.admins'))`)
	return err
}

// update fails with ErrNotFound.
func update(ctx context.Context, tx pgx.Tx, id shop.UserID, in Change) (Account, error) {
	rows, err := tx.Query(ctx, `
		update accounts set role = coalesce($2, role), active = coalesce($3, active), updated_at = now() where id = $1
		returning id, username, email, full_name, role, active, email_verified, created_at, updated_at`, id, in.Role, in.Active)
	if err != nil {
		return Account{}, err
	}
	a, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Account])
	if errors.Is(err, pgx.ErrNoRows) {
		return a, ErrNotFound
	}
	return a, err
}

func countAdmins(ctx context.Context, tx pgx.Tx) (n int, err error) {
	err = tx.QueryRow(ctx, `select count(*) from accounts where role = 'admin' and active`).Scan(&n)
	return n, err
}
