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
	"sidecart/kit/auth"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// insert fails with account.ErrBusy where the account is no longer as it was when its password was checked: a session must not
// begin behind the back of whatever ended all of them in between.
func insert(ctx context.Context, tx pgx.Tx, id uuid.UUID, who account.Account, from Device) error {
	return postgres.ExecOne(ctx, tx, account.ErrBusy, `
		insert into sessions (id, account_id, user_agent, address)
		select $1, id, $3, $4 from accounts where id = $2 and active and role = $5 and updated_at = $6 for share`,
		id, who.ID, from.UserAgent, from.Address, who.Role, who.UpdatedAt)
}

// upsertDevice remembers a device. It is true for one that was not known, if others were.
func upsertDevice(ctx context.Context, tx pgx.Tx, who shop.UserID, print []byte) (unknown bool, err error) {
	err = tx.QueryRow(ctx, `
		insert into devices (account_id, fingerprint) values ($1, $2)
		on conflict (account_id, fingerprint) do update set seen_at = now()
		returning xmax = 0 and exists (select from devices where account_id = $1)`, who, print).Scan(&unknown)
	return unknown, err
}

func insertRefreshToken(ctx context.Context, tx pgx.Tx, session uuid.UUID, print []byte, life time.Duration) error {
	_, err := tx.Exec(ctx, `
		with seen as (update sessions set seen_at = now() where id = $1)
		insert into refresh_tokens (fingerprint, session_id, expires_at) values ($2, $1, now() + $3)`, session, print, life)
	return err
}

type refreshToken struct {
	SessionID uuid.UUID
	AccountID shop.UserID
	UsedAgo   *time.Duration // how long ago it was used
}

// lockRefreshToken fails with ErrRefresh unless the token is known, alive, and of a session that goes on. The database's clock says how
// long ago it was used, as it said when that was: replicas' clocks may differ.
func lockRefreshToken(ctx context.Context, tx pgx.Tx, print []byte) (refreshToken, error) {
	return postgres.One(ctx, tx, ErrInvalidRefreshToken, pgx.RowToStructByName[refreshToken], `
		select t.session_id, s.account_id, clock_timestamp() - t.used_at as used_ago
		from refresh_tokens t join sessions s on s.id = t.session_id
		where t.fingerprint = $1 and t.expires_at > now() and s.ended_at is null for update`, print)
}

func markUsed(ctx context.Context, tx pgx.Tx, print []byte) error {
	_, err := tx.Exec(ctx, `update refresh_tokens set used_at = clock_timestamp() where fingerprint = $1`, print)
	return err
}

// list is the sessions that go on and could be refreshed.
func list(ctx context.Context, db postgres.Reader, who shop.UserID, before uuid.UUID, limit int) ([]Session, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Session], `
		select id, user_agent as device, address, begun_at, seen_at as last_seen from sessions
		where account_id = $1 and id < $2 and ended_at is null
			and exists (select from refresh_tokens where session_id = sessions.id and used_at is null and expires_at > now())
		order by id desc limit $3`, who, before, limit)
}

// end ends the sessions of a user that go on, except one, and returns which. Rows are locked in the order of their key.
func end(ctx context.Context, tx pgx.Tx, who shop.UserID, except uuid.UUID, reason string) ([]uuid.UUID, error) {
	return postgres.All(ctx, tx, pgx.RowTo[uuid.UUID], `
		with mine as (
			select id from sessions where account_id = $1 and id <> $2 and ended_at is null order by id for update)
		update sessions set ended_at = now(), end_reason = $3, ended_in = pg_current_xact_id() from mine where sessions.id = mine.id
		returning sessions.id`, who, except, reason)
}

// endOne is false where there is no such session of that user, or it has ended before.
func endOne(ctx context.Context, tx pgx.Tx, who shop.UserID, session uuid.UUID, reason string) (bool, error) {
	tag, err := tx.Exec(ctx, `
		update sessions set ended_at = now(), end_reason = $3, ended_in = pg_current_xact_id()
		where id = $1 and account_id = $2 and ended_at is null`, session, who, reason)
	return tag.RowsAffected() > 0, err
}

// erase takes what could tell where a user was out of their sessions.
func erase(ctx context.Context, tx pgx.Tx, who shop.UserID) error {
	_, err := tx.Exec(ctx, `
		with gone as (delete from devices where account_id = $1)
		update sessions set user_agent = '', address = '' where account_id = $1`, who)
	return err
}

// prune deletes refresh tokens that could no longer be used, nor be found out as stolen, sessions that have no tokens
// left and of which no access token can live, and devices that nobody has seen for a year.
func prune(ctx context.Context, db *pgxpool.Pool, remember time.Duration) error {
	return errors.Join(
		postgres.ExecInBatches(ctx, db, `
			delete from refresh_tokens where fingerprint in (
				select fingerprint from refresh_tokens where expires_at < now() order by fingerprint limit 1000 for update skip locked)`),
		postgres.ExecInBatches(ctx, db, `
			delete from sessions where id in (
				select id from sessions where seen_at < now() - $1::interval and (ended_at is null or ended_at < now() - $1::interval)
					and not exists (select from refresh_tokens where session_id = sessions.id)
				order by id limit 1000 for update skip locked)`, remember),
		postgres.ExecInBatches(ctx, db, `delete from devices where seen_at < now() - interval '1 year'`))
}

// notifyChanged tells all replicas, when the transaction commits, that a session has ended or a key was made.
func notifyChanged(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `notify revocations`)
	return err
}

// listen calls heard once it listens, and again whenever there is something new. It returns when it cannot.
func listen(ctx context.Context, db *pgxpool.Pool, heard func()) error {
	conn, err := db.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `listen revocations`); err != nil {
		return err
	}
	for {
		heard()
		if _, err := conn.Conn().WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

type endedSession struct {
	ID      uuid.UUID
	EndedIn int64 // the transaction that ended it
}

// endedSince is the sessions that ended not longer ago than remember in transactions that were not over at horizon (0: all of
// them), and the horizon now. A horizon that has not come yet is another server's, before a restore: all are told.
func endedSince(ctx context.Context, db postgres.Reader, horizon int64, remember time.Duration) (ended []endedSession, now int64, err error) {
	rows, err := db.Query(ctx, `
		select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, s.id, coalesce(s.ended_in::text::bigint, 0)
		from (select) once left join sessions s on s.ended_at > now() - $2::interval and (coalesce(s.ended_in, '0') >= $1::text::xid8
			or $1::text::xid8 > pg_snapshot_xmax(pg_current_snapshot()))
		order by s.ended_in, s.id`, strconv.FormatInt(horizon, 10), remember)
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

// signingKeys is the keys of which tokens may live, or will.
func signingKeys(ctx context.Context, db postgres.Reader, remember time.Duration) ([]auth.Key, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[auth.Key], `
		select kid as id, salt, signs_from from signing_keys k where not exists (
			select from signing_keys later where later.signs_from > k.signs_from and later.signs_from < now() - $1::interval)
		order by signs_from`, remember)
}

// pendingKey is the key that does not sign yet; the zero Key if there is none. Whoever asks at the same time waits.
func pendingKey(ctx context.Context, tx pgx.Tx) (key auth.Key, err error) {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('session.keys'))`); err != nil {
		return key, err
	}
	return postgres.One(ctx, tx, nil, pgx.RowToStructByName[auth.Key], `
		select kid as id, salt, signs_from from signing_keys where signs_from > clock_timestamp() limit 1`)
}

// insertKey makes a key sign after a while. A key that is there already begins anew.
func insertKey(ctx context.Context, tx pgx.Tx, key auth.Key, after time.Duration) error {
	_, err := tx.Exec(ctx, `
		insert into signing_keys (kid, salt, signs_from) values ($1, $2, clock_timestamp() + $3::interval)
		on conflict (kid) do update set signs_from = excluded.signs_from`, key.ID, key.Salt, after)
	return err
}

// deleteExpiredKeys deletes the keys of which no token can live.
func deleteExpiredKeys(ctx context.Context, tx pgx.Tx, remember time.Duration) error {
	_, err := tx.Exec(ctx, `
		delete from signing_keys k where exists (
			select from signing_keys later where later.signs_from > k.signs_from and later.signs_from < now() - $1::interval)`, remember)
	return err
}

// exportedSession is a session as its owner is given it in an export.
type exportedSession struct {
	ID        uuid.UUID  `json:"id"`
	UserAgent string     `json:"user_agent"`
	Address   string     `json:"address"`
	BegunAt   time.Time  `json:"begun_at"`
	SeenAt    time.Time  `json:"seen_at"`
	EndedAt   *time.Time `json:"ended_at"`
	EndReason *string    `json:"end_reason"`
}

// Export is all that is held of a user's sessions, those that have ended among them.
func Export(ctx context.Context, db postgres.Reader, user shop.UserID) (json.RawMessage, error) {
	all, err := postgres.All(ctx, db, pgx.RowToStructByName[exportedSession], `
		select id, user_agent, address, begun_at, seen_at, ended_at, end_reason from sessions where account_id = $1 order by id`, user)
	if err != nil {
		return nil, err
	}
	return json.Marshal(all)
}
