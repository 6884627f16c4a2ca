package account

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/users/internal/mailtoken"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// isFirst reports whether there is no account yet. Concurrent registrations wait, so that only one is the first.
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

// insert fails with ErrUsernameTaken or ErrEmailTaken.
func insert(ctx context.Context, tx pgx.Tx, in Registration, hash []byte, role shop.Role) (Account, error) {
	return one(ctx, tx, `
		insert into accounts (id, username, username_key, username_shape, email, email_key, full_name, password_hash, role)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		returning id, username, email, full_name, role, active, email_verified, created_at, updated_at`,
		shop.NewID(), in.Username, canonical(in.Username), skeleton(in.Username), in.Email, canonical(in.Email),
		in.FullName, hash, role)
}

// one fails with ErrNotFound without a row, and with ErrUsernameTaken or ErrEmailTaken if another account has the name.
func one(ctx context.Context, db postgres.Reader, sql string, args ...any) (Account, error) {
	a, err := postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[Account], sql, args...)
	switch {
	case postgres.IsViolation(err, "accounts_username_key_key"),
		postgres.IsViolation(err, "accounts_username_shape_key"):
		return a, ErrUsernameTaken
	case postgres.IsViolation(err, "accounts_email_key_key"):
		return a, ErrEmailTaken
	}
	return a, err
}

type accountWithPassword struct {
	Account
	PasswordHash []byte
}

// getByLogin returns a zero account, with a nil hash, for an unknown username or e-mail address.
func getByLogin(ctx context.Context, db postgres.Reader, name string) (accountWithPassword, error) {
	return postgres.One(ctx, db, nil, pgx.RowToStructByName[accountWithPassword], `
		select id, username, email, full_name, role, active, email_verified, created_at, updated_at, password_hash
		from accounts where username_key = $1 or email_key = $1 order by username_key = $1 desc limit 1`, canonical(name))
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, id shop.UserID) (Account, error) {
	return one(ctx, db, `
		select id, username, email, full_name, role, active, email_verified, created_at, updated_at
		from accounts where id = $1`, id)
}

// getWithPassword fails with ErrNotFound, also for an erased account.
func getWithPassword(ctx context.Context, db postgres.Reader, id shop.UserID) (accountWithPassword, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[accountWithPassword], `
		select id, username, email, full_name, role, active, email_verified, created_at, updated_at, password_hash
		from accounts where id = $1 and erased_at is null`, id)
}

// lock is get with a row lock. It fails with ErrNotFound, also for an erased account.
func lock(ctx context.Context, tx pgx.Tx, id shop.UserID) (accountWithPassword, error) {
	return postgres.One(ctx, tx, ErrNotFound, pgx.RowToStructByName[accountWithPassword], `
		select id, username, email, full_name, role, active, email_verified, created_at, updated_at, password_hash
		from accounts where id = $1 and erased_at is null for update`, id)
}

// list has the query planned for its prefix: a generic plan would not use an index.
func list(ctx context.Context, db postgres.Reader, f Filter, before shop.UserID, limit int) ([]Account, error) {
	var c postgres.Conditions
	c.And(`id < ?`, before)
	if q := canonical(f.Q); q != "" {
		prefix := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(q) + "%"
		c.And(`(username_key like ? or email_key like ? or fold_name(full_name) like fold_name(?))`, prefix, prefix, prefix)
	}
	postgres.AndSet(&c, `role = ?`, f.Role)
	postgres.AndSet(&c, `active = ?`, f.Active)
	sql := `
		select id, username, email, full_name, role, active, email_verified, created_at, updated_at
		from accounts where ` + c.String() + c.Fill(` order by id desc limit ?`, limit)
	args := append([]any{pgx.QueryExecModeCacheDescribe}, c.Args...)
	return postgres.All(ctx, db, pgx.RowToStructByName[Account], sql, args...)
}

// lockAdmins serialises changes of accounts, so that two admins cannot remove each other.
func lockAdmins(ctx context.Context, tx pgx.Tx) error {
	return postgres.Exec(ctx, tx, `select pg_advisory_xact_lock(hashtext('account.admins'))`)
}

func countAdmins(ctx context.Context, tx pgx.Tx) (n int, err error) {
	err = tx.QueryRow(ctx, `select count(*) from accounts where role = 'admin' and active`).Scan(&n)
	return n, err
}

// updateAccount fails with ErrNotFound.
func updateAccount(ctx context.Context, tx pgx.Tx, id shop.UserID, in UserUpdate) (Account, error) {
	return one(ctx, tx, `
		update accounts set role = coalesce($2, role), active = coalesce($3, active), updated_at = now()
		where id = $1 and erased_at is null
		returning id, username, email, full_name, role, active, email_verified, created_at, updated_at`,
		id, in.Role, in.Active)
}

// updateProfile fails with ErrUsernameTaken or ErrEmailTaken.
func updateProfile(ctx context.Context, tx pgx.Tx, a Account) (Account, error) {
	return one(ctx, tx, `
		update accounts set username = $2, username_key = $3, username_shape = $4, email = $5, email_key = $6, full_name = $7,
			email_verified = $8, updated_at = now()
		where id = $1
		returning id, username, email, full_name, role, active, email_verified, created_at, updated_at`,
		a.ID, a.Username, canonical(a.Username), skeleton(a.Username), a.Email, canonical(a.Email), a.FullName,
		a.EmailVerified)
}

// verify returns false if the account has another address now, or it was verified before.
func verify(ctx context.Context, tx pgx.Tx, id shop.UserID, email string) (bool, error) {
	tag, err := tx.Exec(ctx, `
		update accounts set email_verified = true, updated_at = now()
		where id = $1 and email = $2 and not email_verified and erased_at is null`, id, email)
	return tag.RowsAffected() > 0, err
}

func setPassword(ctx context.Context, tx pgx.Tx, id shop.UserID, hash []byte) error {
	return postgres.Exec(ctx, tx, `
		update accounts set password_hash = $2, updated_at = now() where id = $1 and erased_at is null`, id, hash)
}

// replaceHash replaces the hash of the same password, unless the password was changed meanwhile.
func replaceHash(ctx context.Context, tx pgx.Tx, id shop.UserID, old, hash []byte) error {
	return postgres.Exec(ctx, tx, `
		update accounts set password_hash = $3 where id = $1 and password_hash = $2`, id, old, hash)
}

// claimLockNotice returns the account if its owner has not been notified of the lock that ends then, or the zero
// Account. It takes the same time for the zero id, of an unknown name.
func claimLockNotice(ctx context.Context, tx pgx.Tx, id shop.UserID, until time.Time) (Account, error) {
	return postgres.One(ctx, tx, nil, pgx.RowToStructByName[Account], `
		update accounts set told_locked_until = $2
		where id = $1 and erased_at is null and (told_locked_until is null or told_locked_until < $2)
		returning id, username, email, full_name, role, active, email_verified, created_at, updated_at`,
		id, until.Truncate(time.Microsecond))
}

// anonymise keeps the row, which orders and the audit refer to.
func anonymise(ctx context.Context, tx pgx.Tx, id shop.UserID) error {
	return postgres.Exec(ctx, tx, `
		update accounts set username = 'erased', username_key = 'erased ' || id, username_shape = 'erased ' || id,
			email = 'erased@invalid', email_key = 'erased ' || id, full_name = '', password_hash = '', role = 'user',
			active = false, email_verified = false, told_locked_until = null, erased_at = now(), updated_at = now()
		where id = $1`, id)
}

// mailRequest is a request for an e-mail to an address.
type mailRequest struct {
	ID        uuid.UUID
	Purpose   mailtoken.Purpose
	EmailKey  string
	Address   string
	UserAgent string
}

func insertMailRequest(ctx context.Context, tx pgx.Tx, r mailRequest) error {
	return postgres.Exec(ctx, tx, `
		insert into mail_requests (id, purpose, email_key, address, user_agent) values ($1, $2, $3, $4, $5)`,
		shop.NewID(), r.Purpose, r.EmailKey, r.Address, r.UserAgent)
}

// takeMailRequest deletes and returns the oldest due request that no other replica processes, or the zero mailRequest.
func takeMailRequest(ctx context.Context, tx pgx.Tx) (mailRequest, error) {
	return postgres.One(ctx, tx, nil, pgx.RowToStructByName[mailRequest], `
		delete from mail_requests where id = (
			select id from mail_requests where due_at <= now() order by id limit 1 for update skip locked)
		returning id, purpose, email_key, address, user_agent`)
}

// postponeMailRequest makes a request due in a minute.
func postponeMailRequest(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	return postgres.Exec(ctx, tx, `update mail_requests set due_at = now() + interval '1 minute' where id = $1`, id)
}

// lockByEmail returns and locks the active account with an address, or the zero Account.
func lockByEmail(ctx context.Context, tx pgx.Tx, emailKey string) (Account, error) {
	return postgres.One(ctx, tx, nil, pgx.RowToStructByName[Account], `
		select id, username, email, full_name, role, active, email_verified, created_at, updated_at
		from accounts where email_key = $1 and active and erased_at is null for update`, emailKey)
}

func deleteMailRequests(ctx context.Context, tx pgx.Tx, email string) error {
	return postgres.Exec(ctx, tx, `delete from mail_requests where email_key = $1`, canonical(email))
}
