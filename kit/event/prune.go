package event

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// inboxRetention is how long an inbox knows what was heard. No broker delivers again what is so old, and a dead letter that is
// replayed later was not heard. Dead letters themselves are kept until somebody replays or discards them, or whoever they are
// about is forgotten, and the outbox is empty when all is published.
const inboxRetention = 14 * 24 * time.Hour

// Prune removes what the tables of a service have kept for long enough. A service has the scheduler call it every few
// minutes.
func Prune(ctx context.Context, db *pgxpool.Pool) error {
	return errors.Join(
		postgres.ExecInBatches(ctx, db, `delete from dead_letters where topic <> $1 and exists (
			select from forgotten where user_id::text = substring(event::text from '"user_id\\?"\s*:\s*\\?"([0-9a-f-]{36})'))`,
			shop.UserErased{}.Topic()), // that died after Forget
		postgres.ExecInBatches(ctx, db, `
			delete from sent where id in (select id from sent where sent_at < now() - $1::interval limit 5000)`, Retention),
		postgres.ExecInBatches(ctx, db, `
			delete from inbox where event_id in (select event_id from inbox where heard_at < now() - $1::interval limit 5000)`, inboxRetention),
		postgres.ExecInBatches(ctx, db, `
			delete from failures where event_id in (select event_id from failures where failed_at < now() - $1::interval limit 5000)`, inboxRetention),
		postgres.ExecInBatches(ctx, db, `
			delete from forgotten where user_id in (select user_id from forgotten where at < now() - $1::interval limit 5000)`, inboxRetention))
}
