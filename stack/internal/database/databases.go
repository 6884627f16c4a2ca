package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Create creates the missing databases and roles, and sets passwords and privileges. No role can connect to another's
// database.
func (s Server) Create(ctx context.Context, owners []Owner) error {
	return Create(ctx, func(ctx context.Context, database string) (*pgx.Conn, error) {
		return pgx.Connect(ctx, s.URL(database))
	}, owners)
}

// Create does the same on any server. connect connects an administrator to a database. No superuser is needed, and
// the servers of clouds have none: a role that may create roles and databases is enough.
func Create(ctx context.Context, connect func(ctx context.Context, database string) (*pgx.Conn, error), owners []Owner) error {
	conn, err := connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var super bool
	if err := conn.QueryRow(ctx, "select rolsuper from pg_roles where rolname = current_user").Scan(&super); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, closed); err != nil {
		return err
	}
	for _, o := range owners {
		if err := errors.Join(create(ctx, conn, o, super), prepare(ctx, connect, o)); err != nil {
			return fmt.Errorf("database %s: %w", o.Name, err)
		}
	}
	return nil
}

func create(ctx context.Context, conn *pgx.Conn, o Owner, super bool) error {
	statements := o.role()
	if !super {
		statements = append(statements, o.membership()...)
	}
	for _, statement := range append(statements, o.database(), o.private()) {
		if _, err := conn.Exec(ctx, statement); err != nil && !exists(err) {
			return err
		}
	}
	return nil
}

// prepare creates in an owner's database what only an administrator can.
func prepare(ctx context.Context, connect func(ctx context.Context, database string) (*pgx.Conn, error), o Owner) error {
	statements := o.content()
	if len(statements) == 0 {
		return nil
	}
	conn, err := connect(ctx, o.Name)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%w, in %.100s", err, statement)
		}
	}
	return nil
}

// exists reports whether a database was not created because it exists.
func exists(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42P04"
}
