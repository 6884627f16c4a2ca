package kittest

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Explainer is a postgres.Reader that keeps the plan of its last query. A query of pgx's default mode has the plan
// that Postgres makes once for all values, as it may do for a query that is used often; one of another mode, that for
// its own values.
type Explainer struct {
	*pgxpool.Pool
	Plan string
}

// Query answers the rows.
func (e *Explainer) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	err := pgx.BeginFunc(ctx, e.Pool, func(tx pgx.Tx) error {
		explain := "explain " + sql
		values := args
		if _, ofItsOwn := append(args, nil)[0].(pgx.QueryExecMode); !ofItsOwn {
			if _, err := tx.Exec(ctx, "set local plan_cache_mode = force_generic_plan; prepare explained as "+sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
			defer tx.Exec(ctx, "deallocate explained") //nolint:errcheck // or the transaction has failed
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
