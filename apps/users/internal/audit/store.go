package audit

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// insert adds an entry. A trigger sets its number, time and hashes.
func insert(ctx context.Context, tx pgx.Tx, e Entry, details string) error {
	return postgres.Exec(ctx, tx, `
		insert into audit.entries (action, actor_id, user_id, address, user_agent, details)
		values ($1, $2, $3, $4, $5, $6::text::json)`,
		e.Action, orNull(e.Actor), orNull(e.User), e.From.Address, e.From.UserAgent, details)
}

func orNull(id shop.UserID) *uuid.UUID {
	if id.UUID == uuid.Nil {
		return nil
	}
	return &id.UUID
}

const selectEntries = `
	select seq, at, action, actor_id, user_id, address, user_agent, details,
		encode(previous, 'hex') as previous, encode(hash, 'hex') as hash
	from audit.entries`

func list(ctx context.Context, db postgres.Reader, f Filter, before int64, limit int) ([]AuditEntry, error) {
	var c postgres.Conditions
	c.And(`seq < ?`, before)
	postgres.AndSet(&c, `user_id = ?`, f.UserID)
	postgres.AndSet(&c, `actor_id = ?`, f.ActorID)
	postgres.AndSet(&c, `action = ?`, f.Action)
	postgres.AndSet(&c, `at >= ?`, f.From)
	postgres.AndSet(&c, `at < ?`, f.To)
	sql := selectEntries + ` where ` + c.String() + c.Fill(` order by seq desc limit ?`, limit)
	return postgres.All(ctx, db, pgx.RowToStructByName[AuditEntry], sql, c.Args...)
}

// ListByUser returns the newest entries about an account, at most 1000.
func ListByUser(ctx context.Context, db postgres.Reader, id shop.UserID) ([]AuditEntry, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[AuditEntry], selectEntries+`
		where user_id = $1 order by seq desc limit 1000`, id)
}

// listAfter returns the next entries of the chain.
func listAfter(ctx context.Context, db postgres.Reader, seq int64, limit int) ([]AuditEntry, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[AuditEntry], selectEntries+`
		where seq > $1 order by seq limit $2`, seq, limit)
}

// Head is the last entry of the chain.
type Head struct {
	Seq  int64
	Hash string
}

// getHead returns the zero Head if the row was deleted.
func getHead(ctx context.Context, db postgres.Reader) (Head, error) {
	return postgres.One(ctx, db, nil, pgx.RowToStructByName[Head], `
		select seq, encode(hash, 'hex') as hash from audit.head`)
}
