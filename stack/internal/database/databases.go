package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Owner is a service's database and the role that owns it; both have the service's name.
type Owner struct {
	Name       string
	Password   string
	Extensions []string // that only a superuser may create
	Schemas    []string // in addition to public
	Scripts    []string // SQL files, run as superuser at every start, for tables that the service must not own
}

// Create creates the missing databases and roles, and sets passwords and privileges. No role can connect to another's
// database.
func (s Server) Create(ctx context.Context, owners []Owner) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC"); err != nil {
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
	name, password := pgx.Identifier{o.Name}.Sanitize(), "'"+strings.ReplaceAll(o.Password, "'", "''")+"'"
	for _, statement := range []string{
		"CREATE ROLE " + name + " NOSUPERUSER NOCREATEDB NOCREATEROLE",
		"ALTER ROLE " + name + " LOGIN PASSWORD " + password, // takes no parameters
		"CREATE DATABASE " + name + " OWNER " + name,
		"REVOKE ALL ON DATABASE " + name + " FROM PUBLIC",
	} {
		if _, err := conn.Exec(ctx, statement); err != nil && !exists(err) {
			return err
		}
	}
	return nil
}

// prepare creates in an owner's database what only a superuser can.
func (s Server) prepare(ctx context.Context, o Owner) error {
	var statements []string
	for _, e := range o.Extensions {
		statements = append(statements, "CREATE EXTENSION IF NOT EXISTS "+pgx.Identifier{e}.Sanitize())
	}
	for _, schema := range o.Schemas {
		statements = append(statements, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{schema}.Sanitize()+
			" AUTHORIZATION "+pgx.Identifier{o.Name}.Sanitize())
	}
	for _, file := range o.Scripts {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		statements = append(statements, string(text))
	}
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

// exists reports whether a role or database was not created because it exists.
func exists(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42710" || pg.Code == "42P04")
}
