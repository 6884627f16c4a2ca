package session

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/kit/auth"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// insert fails with account.ErrBusy if the account has changed since its password was checked: otherwise a session
// could start after a concurrent change has ended all sessions.
func insert(ctx context.Context, tx pgx.Tx, id uuid.UUID, owner account.Account, from audit.Origin) error {
	return postgres.ExecOne(ctx, tx, account.ErrBusy, `
		insert into sessions (id, account_id, user_agent, address)
		select $1, id, $3, $4 from accounts where id = $2 and active and role = $5 and updated_at = $6 for share`,
		id, owner.ID, from.UserAgent, from.Address, owner.Role, owner.UpdatedAt)
}

// upsertDevice stores a device. It returns true for a new device of an account that has others.
func upsertDevice(ctx context.Context, tx pgx.Tx, user shop.UserID, device []byte) (isNew bool, err error) {
	err = tx.QueryRow(ctx, `
		insert into devices (account_id, fingerprint) values ($1, $2)
		on conflict (account_id, fingerprint) do update set seen_at = now()
		returning xmax = 0 and exists (select from devices where account_id = $1)`, user, device).Scan(&isNew)
	return isNew, err
}

func insertRefreshToken(ctx context.Context, tx pgx.Tx, session uuid.UUID, token []byte, life time.Duration) error {
	return postgres.Exec(ctx, tx, `
		with seen as (update sessions set seen_at = now() where id = $1)
		insert into refresh_tokens (fingerprint, session_id, expires_at) values ($2, $1, now() + $3)`,
		session, token, life)
}

type refreshToken struct {
	SessionID uuid.UUID
	AccountID shop.UserID
	UsedAgo   *time.Duration // time since its use; nil if unused
}

// lockRefreshToken also locks the session, so that its refreshes happen one after another. It fails with
// ErrInvalidRefreshToken unless the token is known, not expired, and of an active session.
// All times are those of the database, because the clocks of replicas may differ.
func lockRefreshToken(ctx context.Context, tx pgx.Tx, token []byte) (refreshToken, error) {
	return postgres.One(ctx, tx, ErrInvalidRefreshToken, pgx.RowToStructByName[refreshToken], `
		select t.session_id, s.account_id, clock_timestamp() - t.used_at as used_ago
		from refresh_tokens t join sessions s on s.id = t.session_id
		where t.fingerprint = $1 and t.expires_at > now() and s.ended_at is null for update`, token)
}

// unusedToken returns the fingerprint of a session's unused token. It fails with ErrInvalidRefreshToken.
func unusedToken(ctx context.Context, tx pgx.Tx, session uuid.UUID) ([]byte, error) {
	return postgres.One(ctx, tx, ErrInvalidRefreshToken, pgx.RowTo[[]byte], `
		select fingerprint from refresh_tokens where session_id = $1 and used_at is null`, session)
}

func markUsed(ctx context.Context, tx pgx.Tx, token []byte) error {
	return postgres.Exec(ctx, tx, `update refresh_tokens set used_at = clock_timestamp() where fingerprint = $1`, token)
}

// list returns the active sessions that can be refreshed.
func list(ctx context.Context, db postgres.Reader, user shop.UserID, before uuid.UUID, limit int) ([]Session, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Session], `
		select id, user_agent as device, address, begun_at, seen_at as last_seen from sessions
		where account_id = $1 and id < $2 and ended_at is null
			and exists (
				select from refresh_tokens where session_id = sessions.id and used_at is null and expires_at > now())
		order by id desc limit $3`, user, before, limit)
}

// end ends the active sessions of a user, only one (nil: all) and not except, and returns them. Rows are locked in
// primary-key order.
func end(
	ctx context.Context, tx pgx.Tx, user shop.UserID, only *uuid.UUID, except uuid.UUID, reason string,
) ([]uuid.UUID, error) {
	return postgres.All(ctx, tx, pgx.RowTo[uuid.UUID], `
		with active as (
			select id from sessions
			where account_id = $1 and ($2::uuid is null or id = $2) and id <> $3 and ended_at is null order by id for update)
		update sessions set ended_at = now(), end_reason = $4, ended_in = pg_current_xact_id()
		from active where sessions.id = active.id
		returning sessions.id`, user, only, except, reason)
}

// erase deletes the addresses and devices of a user.
func erase(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	return postgres.Exec(ctx, tx, `
		with deleted as (delete from devices where account_id = $1)
		update sessions set user_agent = '', address = '' where account_id = $1`, user)
}

// prune deletes expired refresh tokens, sessions whose tokens have all expired, and devices not seen for a year.
func prune(ctx context.Context, db *pgxpool.Pool, ttl time.Duration) error {
	return errors.Join(
		postgres.ExecInBatches(ctx, db, `
			delete from refresh_tokens where fingerprint in (
				select fingerprint from refresh_tokens where expires_at < now()
				order by fingerprint limit 1000 for update skip locked)`),
		postgres.ExecInBatches(ctx, db, `
			delete from sessions where id in (
				select id from sessions
				where seen_at < now() - $1::interval and (ended_at is null or ended_at < now() - $1::interval)
					and not exists (select from refresh_tokens where session_id = sessions.id)
				order by id limit 1000 for update skip locked)`, ttl),
		postgres.ExecInBatches(ctx, db, `delete from devices where seen_at < now() - interval '1 year'`))
}

// notifyChanged notifies all replicas at the commit that sessions ended or a key was added.
func notifyChanged(ctx context.Context, tx pgx.Tx) error {
	return postgres.Exec(ctx, tx, `notify revocations`)
}

// listen calls onChange when it starts to listen and after each notification. It returns when the connection fails.
func listen(ctx context.Context, db *pgxpool.Pool, onChange func()) error {
	conn, err := db.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `listen revocations`); err != nil {
		return err
	}
	for {
		onChange()
		if _, err := conn.Conn().WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

type endedSession struct {
	ID      uuid.UUID
	EndedIn int64 // the transaction that ended it
}

// endedSince returns the sessions that ended within ttl, in transactions that had not ended at horizon (0: all), and
// the current horizon. A horizon in the future is from before a restore of the database: all sessions are returned.
func endedSince(
	ctx context.Context, db postgres.Reader, horizon int64, ttl time.Duration,
) (ended []endedSession, now int64, err error) {
	rows, err := db.Query(ctx, `
		select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, s.id, coalesce(s.ended_in::text::bigint, 0)
		from (select) once left join sessions s on s.ended_at > now() - $2::interval
			and (coalesce(s.ended_in, '0') >= $1::text::xid8 or $1::text::xid8 > pg_snapshot_xmax(pg_current_snapshot()))
		order by s.ended_in, s.id`, strconv.FormatInt(horizon, 10), ttl)
	if err != nil {
		return nil, 0, err
	}
	var id *uuid.UUID
	var in int64
	_, err = pgx.ForEachRow(rows, []any{&now, &id, &in}, func() error {
		if id != nil {
			ended = append(ended, endedSession{*id, in})
		}
		return nil
	})
	return ended, now, err
}

// signingKeys returns the keys whose tokens may not have expired, and the pending one.
func signingKeys(ctx context.Context, db postgres.Reader, ttl time.Duration) ([]auth.Key, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[auth.Key], `
		select kid as id, salt, signs_from from signing_keys k where not exists (
			select from signing_keys later where later.signs_from > k.signs_from and later.signs_from < now() - $1::interval)
		order by signs_from`, ttl)
}

// pendingKey returns the key that does not sign yet, or the zero Key. Concurrent transactions wait.
func pendingKey(ctx context.Context, tx pgx.Tx) (key auth.Key, err error) {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('session.keys'))`); err != nil {
		return key, err
	}
	return postgres.One(ctx, tx, nil, pgx.RowToStructByName[auth.Key], `
		select kid as id, salt, signs_from from signing_keys where signs_from > clock_timestamp() limit 1`)
}

// insertKey stores a key that signs after a delay.
func insertKey(ctx context.Context, tx pgx.Tx, key auth.Key, delay time.Duration) (auth.Key, error) {
	return postgres.One(ctx, tx, nil, pgx.RowToStructByName[auth.Key], `
		insert into signing_keys (kid, salt, signs_from) values ($1, $2, clock_timestamp() + $3::interval)
		on conflict (kid) do update set signs_from = excluded.signs_from
		returning kid as id, salt, signs_from`, key.ID, key.Salt, delay)
}

// deleteExpiredKeys deletes the keys whose tokens have expired.
func deleteExpiredKeys(ctx context.Context, tx pgx.Tx, ttl time.Duration) error {
	return postgres.Exec(ctx, tx, `
		delete from signing_keys k where exists (
			select from signing_keys later where later.signs_from > k.signs_from and later.signs_from < now() - $1::interval)`, ttl)
}

// Export returns all sessions of a user as JSON, including ended ones.
func Export(ctx context.Context, db postgres.Reader, user shop.UserID) (json.RawMessage, error) {
	return postgres.One(ctx, db, nil, pgx.RowTo[json.RawMessage], `
		select coalesce(json_agg(s order by id), '[]') from (
			select id, user_agent, address, begun_at, seen_at, ended_at, end_reason from sessions where account_id = $1
		) s`, user)
}
