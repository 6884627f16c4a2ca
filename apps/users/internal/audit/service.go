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

// Migrations are the table and its chain. The service does not apply them: whoever makes its database does (stack, the
// composition), so that the service's role does not own what it may only add to. Tests apply them as a superuser.
var Migrations = postgres.Migrations{Name: "audit", Files: postgres.Sub(files)}

// Service shows the list.
type Service struct{ db *pgxpool.Pool }

// Open finds the list in an open database. It fails where nobody has made it there.
func Open(ctx context.Context, db *pgxpool.Pool) (*Service, error) {
	if head, err := getHead(ctx, db); err != nil || head.Hash == "" {
		return nil, errors.Join(errors.New("the database has no audit: apply apps/users/internal/audit/migrations/*.sql as its administrator"), err)
	}
	return &Service{db}, nil
}

// Record adds an entry in the transaction that does what it tells of: both are kept, or neither. Call it last, after
// every other lock of the transaction is taken: from here to the commit others who record wait, so that entries follow
// one another, and whoever locked a row after it could wait for somebody who waits for them.
func Record(ctx context.Context, tx pgx.Tx, e Entry) error {
	details := []byte("{}")
	if len(e.Details) > 0 {
		var err error
		if details, err = json.Marshal(e.Details); err != nil {
			return err
		}
	}
	e.From = e.From.truncated()
	return insert(ctx, tx, e, string(details))
}

// truncated cuts what a client may have made long; the database refuses text that is not UTF-8.
func (o Origin) truncated() Origin {
	cut := func(s string, most int) string {
		if len(s) > most {
			s = s[:most]
		}
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return Origin{Address: cut(o.Address, 64), UserAgent: cut(o.UserAgent, 400)}
}

// List is the entries that a filter lets through, the newest first.
func (s *Service) List(ctx context.Context, f Filter, q web.PageQuery) (web.Page[AuditEntry], error) {
	return web.PageOf(q, math.MaxInt64, func(before int64, most int) ([]AuditEntry, error) {
		return list(ctx, s.db, f, before, most)
	}, func(k AuditEntry) int64 { return k.Seq })
}
