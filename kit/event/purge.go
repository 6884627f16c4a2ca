package event

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/shop"
)

// PurgeUser deletes the dead letters whose data has the user's user_id, whatever else of them can be decoded. Dead
// letters that arrive later are deleted by Prune. Those of users.erased stay: they hold only an id and still have to be
// handled.
func PurgeUser(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	if _, err := tx.Exec(ctx, `
		insert into erased_users (user_id) values ($1) on conflict (user_id) do update set at = now()`, user); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		delete from dead_letters where topic <> $2 and event::text ~ ('"user_id\\?"\s*:\s*\\?"' || $1::text)`,
		user.String(), shop.UserErased{}.Topic())
	return err
}
