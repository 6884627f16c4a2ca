package audit

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/postgres"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the table and its chain. An administrator of the database applies them, not the service: its role
// must not own the table. Tests apply them as a superuser.
var Migrations = postgres.Migrations{Name: "audit", Files: postgres.Sub(files)}

// Service lists entries.
type Service struct{ db *pgxpool.Pool }

// Open fails if the database does not have the audit's tables.
func Open(ctx context.Context, db *pgxpool.Pool) (*Service, error) {
	if head, err := getHead(ctx, db); err != nil || head.Hash == "" {
		missing := errors.New("the database has no audit: " +
			"apply apps/users/internal/audit/migrations/*.sql as its administrator")
		return nil, errors.Join(missing, err)
	}
	return &Service{db}, nil
}

// Record adds an entry in the caller's transaction. Call it last, after the transaction has taken all other locks: it
// locks the head of the chain until the commit, and a later lock of a row could be a deadlock.
func Record(ctx context.Context, tx pgx.Tx, e Entry) error {
	if e.Details == nil {
		e.Details = map[string]string{}
	}
	details, err := json.Marshal(e.Details)
	if err != nil {
		return err
	}
	e.From = e.From.truncated()
	return insert(ctx, tx, e, string(details))
}

// truncated limits what the client sent. The database refuses text that is not UTF-8.
func (o Origin) truncated() Origin {
	truncate := func(s string, limit int) string { return strings.ToValidUTF8(s[:min(len(s), limit)], "\uFFFD") }
	return Origin{Address: truncate(o.Address, 64), UserAgent: truncate(o.UserAgent, 400)}
}

// List returns the entries that match a filter, newest first.
func (s *Service) List(ctx context.Context, f Filter, q web.PageQuery) (web.Page[AuditEntry], error) {
	return web.PageOf(q, math.MaxInt64, func(before int64, limit int) ([]AuditEntry, error) {
		return list(ctx, s.db, f, before, limit)
	}, func(e AuditEntry) int64 { return e.Seq })
}
