package preference

import (
	"context"
	"embed"
	"errors"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this noun.
var Migrations = postgres.Migrations{Name: "preference", Files: postgres.Sub(files)}

// said is one wish about a kind.
type said struct {
	Kind    string
	Channel kind.Channel
	Wanted  bool
}

// Of are somebody's preferences, the usual ones where they never said any.
func Of(ctx context.Context, db postgres.Reader, user shop.UserID) (Preferences, error) {
	p := usual(user)
	rows, err := db.Query(ctx, `
		select language, time_zone, quiet_from, quiet_until, digest, phone from preferences where user_id = $1`, user)
	if err != nil {
		return p, err
	}
	_, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (struct{}, error) {
		return struct{}{}, row.Scan(&p.Language, &p.TimeZone, &p.QuietHours.From, &p.QuietHours.Until, &p.Digest, &p.Phone)
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return p, err
	}
	if rows, err = db.Query(ctx, `select kind, channel, wanted from preference_kinds where user_id = $1`, user); err != nil {
		return p, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[said])
	for _, s := range all {
		if k, unknown := kind.Of(s.Kind); unknown == nil && k.Has(s.Channel) && k.Optional() && p.Kinds[s.Kind] != nil {
			p.Kinds[s.Kind][s.Channel] = s.Wanted
		}
	}
	return p, err
}

func save(ctx context.Context, tx pgx.Tx, p Preferences) error {
	_, err := tx.Exec(ctx, `
		insert into preferences (user_id, language, time_zone, quiet_from, quiet_until, digest, phone) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (user_id) do update set language = excluded.language, time_zone = excluded.time_zone, quiet_from = excluded.quiet_from,
			quiet_until = excluded.quiet_until, digest = excluded.digest, phone = excluded.phone, changed_at = now()`,
		p.UserID, p.Language, p.TimeZone, p.QuietHours.From, p.QuietHours.Until, p.Digest, p.Phone)
	return err
}

func want(ctx context.Context, tx pgx.Tx, user shop.UserID, name string, channel kind.Channel, wanted bool) error {
	_, err := tx.Exec(ctx, `
		insert into preference_kinds (user_id, kind, channel, wanted) values ($1, $2, $3, $4)
		on conflict (user_id, kind, channel) do update set wanted = excluded.wanted`, user, name, channel, wanted)
	return err
}

func forget(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	if _, err := tx.Exec(ctx, `delete from preferences where user_id = $1`, user); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `delete from preference_kinds where user_id = $1`, user)
	return err
}
