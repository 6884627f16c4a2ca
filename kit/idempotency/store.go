package idempotency

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// acquire reports whether the request is the one to do the work. It waits for a concurrent request with the same key.
func acquire(ctx context.Context, tx pgx.Tx, k Key) (acquired bool, err error) {
	tag, err := tx.Exec(ctx, `
		insert into idempotency_keys (owner, route, key, request, id, expires_at)
		values ($1, $2, $3, $4, gen_random_uuid(), now() + interval '24 hours')
		on conflict (owner, route, key) do update
		set request = excluded.request, answer = null, expires_at = excluded.expires_at
		where idempotency_keys.answer is null or idempotency_keys.expires_at < now()`,
		k.owner, k.route, k.key, k.request)
	return tag.RowsAffected() == 1, err
}

// claim stores the id of a request's work. A claim of another request, or one without a response after a minute, is
// replaced: reservations under its id may have expired by then.
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
		select id, request, answer as response from idempotency_keys where owner = $1 and route = $2 and key = $3`,
		k.owner, k.route, k.key)
}

func saveResponse(ctx context.Context, tx pgx.Tx, k Key, response []byte) error {
	_, err := tx.Exec(ctx, `
		update idempotency_keys set answer = $4 where owner = $1 and route = $2 and key = $3`,
		k.owner, k.route, k.key, response)
	return err
}

func abandon(ctx context.Context, tx pgx.Tx, k Key, id uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		delete from idempotency_keys where owner = $1 and route = $2 and key = $3 and id = $4 and answer is null`,
		k.owner, k.route, k.key, id)
	return err
}

// prune deletes expired keys. Rows that another transaction has locked are skipped.
func prune(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		delete from idempotency_keys where (owner, route, key) in (
			select owner, route, key from idempotency_keys where expires_at < now() for update skip locked)`)
	return err
}

func purgeUser(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	_, err := tx.Exec(ctx, `delete from idempotency_keys where owner = $1`, user)
	return err
}
