package web

import (
	"context"
	"embed"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the key of Config.CursorKey.
var Migrations = postgres.Migrations{Name: "web", Files: postgres.Sub(files)}

// CursorKey reads the key that all replicas of a service share.
func CursorKey(ctx context.Context, db postgres.Reader) ([]byte, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[[]byte], `select key from cursor_keys`)
}
