// Package postgres opens a service's database: a pool, its schema brought up to date, and what its errors mean.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"sidecart/kit/telemetry"
)

// Reader is what a read needs: a pool or a transaction. Writes take pgx.Tx, so that a pool cannot stand in for one.
type Reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// All reads the rows of a query, none as an empty list.
func All[T any](ctx context.Context, db Reader, as pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, as)
}

// One reads the only row of a query. Where there is none it answers the zero T and absent, which may be nil.
func One[T any](ctx context.Context, db Reader, absent error, as pgx.RowToFunc[T], sql string, args ...any) (one T, err error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return one, err
	}
	one, err = pgx.CollectExactlyOneRow(rows, as)
	if errors.Is(err, pgx.ErrNoRows) {
		err = absent
	}
	return one, err
}

// ExecOne changes, or locks, rows. It fails with absent where there are none.
func ExecOne(ctx context.Context, tx pgx.Tx, absent error, sql string, args ...any) error {
	tag, err := tx.Exec(ctx, sql, args...)
	if err == nil && tag.RowsAffected() == 0 {
		err = absent
	}
	return err
}

// ExecInBatches repeats a statement that removes so many rows at most until it finds none: it never holds many, and may end
// anywhere.
func ExecInBatches(ctx context.Context, db *pgxpool.Pool, sql string, args ...any) error {
	for {
		if tag, err := db.Exec(ctx, sql, args...); err != nil || tag.RowsAffected() == 0 {
			return err
		}
	}
}

// Querier is what several reads at once need, in one answer from the server: a pool or a transaction.
type Querier interface {
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// Migrations are the forward-only steps of one noun's tables, kept beside its code.
type Migrations struct {
	Name  string // the noun; each has its own version table, migrations_<noun>
	Files fs.FS  // 0001_orders.sql ... at the root
}

// Open connects to a database and applies migrations, in order, once, also when replicas start together. It retries
// for a while where the server does not answer yet, and fails if that lasts or a migration fails.
func Open(ctx context.Context, url string, migrations ...Migrations) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("postgres: the database URL cannot be read") // err would show the password
	}
	cfg.MinIdleConns = 2
	cfg.MaxConns = max(cfg.MaxConns, 16)
	cfg.MaxConnLifetime = 30 * time.Minute
	cfg.ConnConfig.ConnectTimeout = 3 * time.Second
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = "15000"                   // milliseconds
	cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "15000" // milliseconds
	// A row found by an index costs about what the next row of a table costs: it is in memory, or on a disk without a head to
	// move. With the server's default of 4 small tables are read whole, and those of hot rows are full of old versions.
	cfg.ConnConfig.RuntimeParams["random_page_cost"] = "1.1"
	cfg.ConnConfig.DialFunc = marking(cfg.ConnConfig.DialFunc)
	if telemetry.Exporting() {
		cfg.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithDisableConnectionDetailsInAttributes())
	}
	db, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := waitFor(ctx, db); err != nil {
		db.Close()
		return nil, err
	}
	for _, m := range migrations {
		if err := migrate(ctx, db, m); err != nil {
			db.Close()
			return nil, fmt.Errorf("migrate %s: %w", m.Name, err)
		}
	}
	return db, nil
}

func waitFor(ctx context.Context, db *pgxpool.Pool) (err error) {
	for range 120 {
		if err = db.Ping(ctx); err == nil || !IsUnavailable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
	return err
}

func migrate(ctx context.Context, db *pgxpool.Pool, m Migrations) error {
	store, err := database.NewStore(goose.DialectPostgres, "migrations_"+m.Name)
	if err != nil {
		return err
	}
	replicas, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	conns := stdlib.OpenDBFromPool(db)
	defer conns.Close() //nolint:errcheck // the pool goes on
	provider, err := goose.NewProvider("", conns, m.Files, goose.WithStore(store), goose.WithSessionLocker(replicas))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// IsUnavailable says whether an error means that the database is not there at the moment, rather than that a statement
// was wrong: it does not answer, is starting, stopping or recovering (SQLSTATE classes 08, 53 and 57P). Errors of
// connections to anything else say nothing about it.
func IsUnavailable(err error) bool {
	var connect *pgconn.ConnectError
	var state *pgconn.PgError
	var lost lostError
	switch {
	case errors.As(err, &state):
		class := state.Code[:2]
		return class == "08" || class == "53" || state.Code[:3] == "57P"
	}
	return errors.As(err, &connect) || errors.As(err, &lost) || errors.Is(err, pgconn.ErrConnClosed)
}

// IsConflict says whether an error means that a transaction was ended because others were in its way (a deadlock, or a
// serialization failure). It changed nothing, and the same again may well succeed.
func IsConflict(err error) bool {
	var state *pgconn.PgError
	return errors.As(err, &state) && (state.Code == "40P01" || state.Code == "40001")
}

// IsViolation says whether an error is the refusal of a named constraint, which a store turns into a fault of its noun.
func IsViolation(err error, constraint string) bool {
	var state *pgconn.PgError
	return errors.As(err, &state) && state.ConstraintName == constraint
}

// Sub is the folder migrations of an embedded file system.
func Sub(files fs.FS) fs.FS {
	root, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // only for a path that is not one
	}
	return root
}
