package preference

import (
	"context"
	"embed"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this package.
var Migrations = postgres.Migrations{Name: "preference", Files: postgres.Sub(files)}

// kindPreference is whether a kind is on for a channel.
type kindPreference struct {
	UserID  shop.UserID
	Kind    string
	Channel kind.Channel
	Wanted  bool
}

// Get returns the preferences of a user, or the defaults.
func Get(ctx context.Context, db postgres.Querier, user shop.UserID) (Preferences, error) {
	var all map[shop.UserID]Preferences
	batch := &pgx.Batch{}
	Queue(batch, []uuid.UUID{user.UUID}, &all)
	err := db.SendBatch(ctx, batch).Close()
	return all[user], err
}

// Queue queues Get for several users in a batch.
func Queue(batch *pgx.Batch, users []uuid.UUID, into *map[shop.UserID]Preferences) {
	all := make(map[shop.UserID]Preferences, len(users))
	for _, user := range users {
		all[shop.UserID{UUID: user}] = defaults(shop.UserID{UUID: user})
	}
	*into = all
	postgres.Queue(batch, scanPreferences, func(p Preferences) {
		p.Kinds = all[p.UserID].Kinds
		all[p.UserID] = p
	}, `
		select user_id, language, time_zone, quiet_from, quiet_until, digest, phone, tracking
		from preferences where user_id = any($1)`, users)
	postgres.Queue(batch, pgx.RowToStructByName[kindPreference], func(s kindPreference) {
		kinds := all[s.UserID].Kinds
		if k, err := kind.Of(s.Kind); err == nil && k.Has(s.Channel) && k.Optional() && kinds[s.Kind] != nil {
			kinds[s.Kind][s.Channel] = s.Wanted
		}
	}, `
		select user_id, kind, channel, wanted from preference_kinds where user_id = any($1)`, users)
}

func scanPreferences(row pgx.CollectableRow) (p Preferences, err error) {
	err = row.Scan(&p.UserID, &p.Language, &p.TimeZone, &p.QuietHours.From, &p.QuietHours.Until, &p.Digest,
		&p.Phone, &p.Tracking)
	return p, err
}

// lock locks the preferences of a user, and stores the defaults if there are none.
func lock(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	p := defaults(user)
	_, err := tx.Exec(ctx, `
		insert into preferences (user_id, language, time_zone, digest) values ($1, $2, $3, $4)
		on conflict (user_id) do update set user_id = excluded.user_id`, p.UserID, p.Language, p.TimeZone, p.Digest)
	return err
}

func save(ctx context.Context, tx pgx.Tx, p Preferences) error {
	_, err := tx.Exec(ctx, `
		update preferences set language = $2, time_zone = $3, quiet_from = $4, quiet_until = $5, digest = $6, phone = $7,
			tracking = $8, changed_at = now()
		where user_id = $1`,
		p.UserID, p.Language, p.TimeZone, p.QuietHours.From, p.QuietHours.Until, p.Digest, p.Phone, p.Tracking)
	return err
}

func saveKind(ctx context.Context, tx pgx.Tx, user shop.UserID, name string, channel kind.Channel, on bool) error {
	_, err := tx.Exec(ctx, `
		insert into preference_kinds (user_id, kind, channel, wanted) values ($1, $2, $3, $4)
		on conflict (user_id, kind, channel) do update set wanted = excluded.wanted`, user, name, channel, on)
	return err
}

// Purge removes the preferences of a user.
func Purge(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	if _, err := tx.Exec(ctx, `delete from preferences where user_id = $1`, user); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `delete from preference_kinds where user_id = $1`, user)
	return err
}
