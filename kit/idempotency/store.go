package idempotency

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// take answers whether the call is the one to do the work. Where another is doing it, it waits for that one's end.
func take(ctx context.Context, tx pgx.Tx, k Key) (mine bool, err error) {
	tag, err := tx.Exec(ctx, `
		insert into idempotency_keys (owner, route, key, request, id, expires_at)
		values ($1, $2, $3, $4, gen_random_uuid(), now() + interval '24 hours')
		on conflict (owner, route, key) do update
		set request = excluded.request, answer = null, expires_at = excluded.expires_at
		where idempotency_keys.answer is null or idempotency_keys.expires_at < now()`,
		k.owner, k.route, k.key, k.request)
	return tag.RowsAffected() == 1, err
}

// claim notes which id a call's work goes under. A claim of another request, or one that is a minute old and came to
// nothing, is taken over: what was asked for under its id may be over by then.
func claim(ctx context.Context, tx pgx.Tx, k Key, id uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		insert into idempotency_keys (owner, route, key, request, id, expires_at)
		values ($1, $2, $3, $4, $5, now() + interval '24 hours')
		on conflict (owner, route, key) do update
		set request = excluded.request, id = excluded.id, claimed_at = now(), answer = null, expires_at = excluded.expires_at
		where idempotency_keys.expires_at < now() or idempotency_keys.answer is null and
			(idempotency_keys.request <> excluded.request or idempotency_keys.claimed_at < now() - interval '1 minute')`,
		k.owner, k.route, k.key, k.request, id)
	return err
}

func find(ctx context.Context, tx pgx.Tx, k Key) (record, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowToStructByName[record], `
		select id, request, answer from idempotency_keys where owner = $1 and route = $2 and key = $3`,
		k.owner, k.route, k.key)
}

func keep(ctx context.Context, tx pgx.Tx, k Key, answer []byte) error {
	_, err := tx.Exec(ctx, `
		update idempotency_keys set answer = $4 where owner = $1 and route = $2 and key = $3`,
		k.owner, k.route, k.key, answer)
	return err
}

func abandon(ctx context.Context, tx pgx.Tx, k Key, id uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		delete from idempotency_keys where owner = $1 and route = $2 and key = $3 and id = $4 and answer is null`,
		k.owner, k.route, k.key, id)
	return err
}

// prune removes keys whose time is over. A row that somebody else has locked is left to them.
func prune(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		delete from idempotency_keys where (owner, route, key) in (
			select owner, route, key from idempotency_keys where expires_at < now() for update skip locked)`)
	return err
}

func forget(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	_, err := tx.Exec(ctx, `delete from idempotency_keys where owner = $1`, user)
	return err
}
