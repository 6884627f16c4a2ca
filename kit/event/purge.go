package event

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/shop"
)

// PurgeUser removes the dead letters about somebody who wants to be forgotten: those whose data has their user_id, whatever else can
// be read of them. What is still on its way and dies later goes with the next pruning. Letters of users.erased stay: they hold
// an id and nothing else, and have yet to be heard.
func PurgeUser(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	if _, err := tx.Exec(ctx, `
		insert into forgotten (user_id) values ($1) on conflict (user_id) do update set at = now()`, user); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		delete from dead_letters where topic <> $2 and event::text ~ ('"user_id\\?"\s*:\s*\\?"' || $1::text)`,
		user.String(), shop.UserErased{}.Topic())
	return err
}
