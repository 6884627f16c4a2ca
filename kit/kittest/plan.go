package kittest

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Explainer is a postgres.Reader that keeps the plan of its last query. A query in pgx's default mode has a generic
// plan, which Postgres may use for frequent queries; a query in another mode has a plan for its own values.
type Explainer struct {
	*pgxpool.Pool
	Plan string
}

// Query returns the rows.
func (e *Explainer) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	err := pgx.BeginFunc(ctx, e.Pool, func(tx pgx.Tx) error {
		explain := "explain " + sql
		values := args
		if _, custom := append(args, nil)[0].(pgx.QueryExecMode); !custom {
			if _, err := tx.Exec(ctx, "set local plan_cache_mode = force_generic_plan; prepare explained as "+sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
			defer tx.Exec(ctx, "deallocate explained") //nolint:errcheck // fails only with the transaction
			nulls := strings.TrimSuffix(strings.Repeat("null, ", len(args)), ", ")
			explain, values = fmt.Sprintf("explain execute explained (%s)", nulls), []any{pgx.QueryExecModeSimpleProtocol}
		}
		rows, err := tx.Query(ctx, explain, values...)
		if err != nil {
			return err
		}
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		e.Plan = strings.Join(plan, "\n")
		return err
	})
	if err != nil {
		return nil, err
	}
	return e.Pool.Query(ctx, sql, args...)
}
