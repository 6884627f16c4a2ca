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
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, closed); err != nil {
		return err
	}
	for _, o := range owners {
		if err := create(ctx, conn, o); err != nil {
			return fmt.Errorf("database %s: %w", o.Name, err)
		}
		if err := s.prepare(ctx, o); err != nil {
			return fmt.Errorf("database %s: %w", o.Name, err)
		}
	}
	return nil
}

func create(ctx context.Context, conn *pgx.Conn, o Owner) error {
	for _, statement := range append(o.role(), o.database(), o.private()) {
		if _, err := conn.Exec(ctx, statement); err != nil && !exists(err) {
			return err
		}
	}
	return nil
}

// prepare creates in an owner's database what only a superuser can.
func (s Server) prepare(ctx context.Context, o Owner) error {
	statements := o.content()
	if len(statements) == 0 {
		return nil
	}
	conn, err := pgx.Connect(ctx, s.URL(o.Name))
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
