package template

import (
	"context"
	"embed"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this noun.
var Migrations = postgres.Migrations{Name: "template", Files: postgres.Sub(files)}

// newest is what an admin wrote last. It fails with pgx.ErrNoRows where none did.
func newest(ctx context.Context, db postgres.Reader, name string, channel kind.Channel, language Language) (Template, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowToStructByName[Template], `
		select kind, channel, language, version, title, body, html, changed_by, changed_at from templates
		where kind = $1 and channel = $2 and language = $3 order by version desc limit 1`, name, channel, language)
}

// getVersion is one version of what admins wrote. It fails with ErrNotFound.
func getVersion(ctx context.Context, db postgres.Reader, name string, channel kind.Channel, language Language, version int) (Template, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[Template], `
		select kind, channel, language, version, title, body, html, changed_by, changed_at from templates
		where kind = $1 and channel = $2 and language = $3 and version = $4`, name, channel, language, version)
}

// insert keeps a new version. It fails with ErrPreconditionFailed if that version is there already.
func insert(ctx context.Context, tx pgx.Tx, t Template) (Template, error) {
	return postgres.One(ctx, tx, ErrPreconditionFailed, pgx.RowToStructByName[Template], `
		insert into templates (kind, channel, language, version, title, body, html, changed_by) values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict do nothing
		returning kind, channel, language, version, title, body, html, changed_by, changed_at`,
		t.Kind, t.Channel, t.Language, t.Version, t.Title, t.Body, t.HTML, t.ChangedBy)
}
