// Package postgres opens a service's database, migrates its schema and classifies its errors.
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

// Reader is a pool or a transaction, for reads. Writes take pgx.Tx.
type Reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// All reads the rows of a query; no rows give an empty list.
func All[T any](ctx context.Context, db Reader, as pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, as)
}

// One reads the only row of a query. Without a row it returns the zero T and notFound, which may be nil.
func One[T any](ctx context.Context, db Reader, notFound error, as pgx.RowToFunc[T], sql string, args ...any) (one T, err error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return one, err
	}
	one, err = pgx.CollectExactlyOneRow(rows, as)
	if errors.Is(err, pgx.ErrNoRows) {
		err = notFound
	}
	return one, err
}

// InTx runs fn in a transaction and returns its result. The transaction is rolled back if fn fails.
func InTx[T any](ctx context.Context, db *pgxpool.Pool, fn func(tx pgx.Tx) (T, error)) (result T, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		result, err = fn(tx)
		return err
	})
	return result, err
}

// Exec executes a statement that may affect any number of rows.
func Exec(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	_, err := tx.Exec(ctx, sql, args...)
	return err
}

// ExecOne executes a statement. It fails with notFound if no row is affected.
func ExecOne(ctx context.Context, tx pgx.Tx, notFound error, sql string, args ...any) error {
	tag, err := tx.Exec(ctx, sql, args...)
	if err == nil && tag.RowsAffected() == 0 {
		err = notFound
	}
	return err
}

// ExecInBatches repeats a statement with a limit until it affects no row, so that it never locks many rows. It may stop
// halfway.
func ExecInBatches(ctx context.Context, db *pgxpool.Pool, sql string, args ...any) error {
	for {
		if tag, err := db.Exec(ctx, sql, args...); err != nil || tag.RowsAffected() == 0 {
			return err
		}
	}
}

// Querier is a pool or a transaction, for several reads in one round trip.
type Querier interface {
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// Queue queues a query in a batch, which calls each for every row.
func Queue[T any](batch *pgx.Batch, as pgx.RowToFunc[T], each func(T), sql string, args ...any) {
	batch.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		all, err := pgx.CollectRows(rows, as)
		for _, row := range all {
			each(row)
		}
		return err
	})
}

// Migrations are the forward-only migrations of a package's tables.
type Migrations struct {
	Name  string // of the package; its version table is migrations_<name>
	Files fs.FS  // 0001_orders.sql ... at the root
}

// Open connects to a database and applies migrations in order, once, also when replicas start concurrently. It waits up
// to half a minute for the server, and fails after that or if a migration fails.
func Open(ctx context.Context, url string, migrations ...Migrations) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("postgres: the database URL cannot be read") // err contains the password
	}
	cfg.MinIdleConns = 2
	cfg.MaxConns = max(cfg.MaxConns, 16)
	cfg.MaxConnLifetime = 30 * time.Minute
	cfg.ConnConfig.ConnectTimeout = 3 * time.Second
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = "15000"                   // milliseconds
	cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "15000" // milliseconds
	// Data is in memory or on a solid-state disk, so a random read costs about as much as a sequential one. With the
	// default of 4, Postgres scans small tables with many dead rows instead of using an index.
	cfg.ConnConfig.RuntimeParams["random_page_cost"] = "1.1"
	cfg.ConnConfig.DialFunc = markConnections(cfg.ConnConfig.DialFunc)
	if telemetry.Exporting() {
		cfg.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithDisableConnectionDetailsInAttributes())
	}
	db, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := waitForServer(ctx, db); err != nil {
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

func waitForServer(ctx context.Context, db *pgxpool.Pool) (err error) {
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
	sqlDB := stdlib.OpenDBFromPool(db)
	defer sqlDB.Close() //nolint:errcheck // the pool stays open
	provider, err := goose.NewProvider("", sqlDB, m.Files, goose.WithStore(store), goose.WithSessionLocker(replicas))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// IsUnavailable reports whether an error means that the database is unavailable: it does not respond, is starting,
// stopping or recovering (SQLSTATE classes 08, 53 and 57P). Errors of other connections do not count.
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

// IsConflict reports whether a transaction was rolled back because of a deadlock or a serialization failure. A retry
// may succeed.
func IsConflict(err error) bool {
	var state *pgconn.PgError
	return errors.As(err, &state) && (state.Code == "40P01" || state.Code == "40001")
}

// IsViolation reports whether an error is a violation of the named constraint.
func IsViolation(err error, constraint string) bool {
	var state *pgconn.PgError
	return errors.As(err, &state) && state.ConstraintName == constraint
}

// Sub returns the folder migrations of an embedded file system.
func Sub(files fs.FS) fs.FS {
	root, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // only for an invalid path
	}
	return root
}
