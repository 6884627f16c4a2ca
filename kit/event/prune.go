package event

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// inboxRetention is longer than any broker takes to deliver an event again. Dead letters have no retention: operators
// replay or discard them.
const inboxRetention = 14 * 24 * time.Hour

// Prune deletes rows past their retention. A service runs it as a job every few minutes.
func Prune(ctx context.Context, db *pgxpool.Pool) error {
	return errors.Join(
		postgres.ExecInBatches(ctx, db, `delete from dead_letters where topic <> $1 and exists (
			select from erased_users where user_id::text = substring(event::text from '"user_id\\?"\s*:\s*\\?"([0-9a-f-]{36})'))`,
			shop.UserErased{}.Topic()), // that arrived after PurgeUser
		postgres.ExecInBatches(ctx, db, `
			delete from published
			where id in (select id from published where published_at < now() - $1::interval limit 5000)`, Retention),
		postgres.ExecInBatches(ctx, db, `
			delete from inbox
			where event_id in (select event_id from inbox where handled_at < now() - $1::interval limit 5000)`, inboxRetention),
		postgres.ExecInBatches(ctx, db, `
			delete from failures
			where event_id in (select event_id from failures where failed_at < now() - $1::interval limit 5000)`, inboxRetention),
		postgres.ExecInBatches(ctx, db, `
			delete from erased_users
			where user_id in (select user_id from erased_users where at < now() - $1::interval limit 5000)`, inboxRetention))
}
