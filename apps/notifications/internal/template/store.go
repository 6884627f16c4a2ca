package template

import (
	"context"
	"embed"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this package.
var Migrations = postgres.Migrations{Name: "template", Files: postgres.Sub(files)}

// newest is the newest version of an admin. It fails with pgx.ErrNoRows if there is none.
func newest(ctx context.Context, db postgres.Reader, at Selector) (Template, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowToStructByName[Template], `
		select kind, channel, language, version, title, body, html, changed_by, changed_at from templates
		where kind = $1 and channel = $2 and language = $3 order by version desc limit 1`,
		at.Kind, at.Channel, at.Language)
}

// getVersion is a version of an admin. It fails with ErrNotFound.
func getVersion(ctx context.Context, db postgres.Reader, at Selector, version int) (Template, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[Template], `
		select kind, channel, language, version, title, body, html, changed_by, changed_at from templates
		where kind = $1 and channel = $2 and language = $3 and version = $4`,
		at.Kind, at.Channel, at.Language, version)
}

// insert fails with ErrPreconditionFailed if that version exists.
func insert(ctx context.Context, tx pgx.Tx, t Template) (Template, error) {
	return postgres.One(ctx, tx, ErrPreconditionFailed, pgx.RowToStructByName[Template], `
		insert into templates (kind, channel, language, version, title, body, html, changed_by)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict do nothing
		returning kind, channel, language, version, title, body, html, changed_by, changed_at`,
		t.Kind, t.Channel, t.Language, t.Version, t.Title, t.Body, t.HTML, t.ChangedBy)
}
