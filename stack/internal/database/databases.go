package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Owner is a service's database and the role that owns it; both have the service's name.
type Owner struct {
	Name       string
	Password   string
	Extensions []string // that only a superuser may create
	Schemas    []string // beyond public
	Kept       []string // SQL files for what the service uses and must not own; they may run again
}

// Create makes the databases that are missing and brings passwords and rights to what they must be. No role can connect
// to another's database.
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
		if err := s.furnish(ctx, o); err != nil {
			return fmt.Errorf("database %s: %w", o.Name, err)
		}
	}
	return nil
}

func create(ctx context.Context, conn *pgx.Conn, o Owner) error {
	name := pgx.Identifier{o.Name}.Sanitize()
	if _, err := conn.Exec(ctx, "CREATE ROLE "+name+" NOSUPERUSER NOCREATEDB NOCREATEROLE"); err != nil && !already(err) {
		return err
	}
	// ALTER ROLE takes no parameters.
	alter := fmt.Sprintf("ALTER ROLE %s LOGIN PASSWORD '%s'", name, strings.ReplaceAll(o.Password, "'", "''"))
	if _, err := conn.Exec(ctx, alter); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name+" OWNER "+name); err != nil && !already(err) {
		return err
	}
	_, err := conn.Exec(ctx, "REVOKE ALL ON DATABASE "+name+" FROM PUBLIC")
	return err
}

func (s Server) furnish(ctx context.Context, o Owner) error {
	if len(o.Extensions)+len(o.Schemas)+len(o.Kept) == 0 {
		return nil
	}
	conn, err := pgx.Connect(ctx, s.URL(o.Name))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, e := range o.Extensions {
		if _, err := conn.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS "+pgx.Identifier{e}.Sanitize()); err != nil {
			return err
		}
	}
	for _, sch := range o.Schemas {
		stmt := "CREATE SCHEMA IF NOT EXISTS " + pgx.Identifier{sch}.Sanitize() + " AUTHORIZATION " + pgx.Identifier{o.Name}.Sanitize()
		if _, err := conn.Exec(ctx, stmt); err != nil {
			return err
		}
	}
	for _, file := range o.Kept {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, string(text)); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

// already says whether a thing could not be made because it is there.
func already(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42710" || pg.Code == "42P04")
}
