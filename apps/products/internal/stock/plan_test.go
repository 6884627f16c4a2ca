package stock_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/products/internal/stock"
)

// TestReservationPlans: reservations are read by primary key, although the statistics show few held ones.
func TestReservationPlans(t *testing.T) {
	db, s := open(t, time.Hour, 10)
	order := newOrder()
	if _, err := s.Reserve(t.Context(), order, items(1, 1)); err != nil {
		t.Fatal(err)
	}
	_, err := db.Exec(t.Context(), `
		insert into reservations (order_id, state, expires_at, settled_at)
		select gen_random_uuid(), 'committed', now(), now() from generate_series(1, 5000)`)
	if err == nil {
		_, err = db.Exec(t.Context(), `analyze reservations`)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, statements := range map[string]func(pgx.Tx) error{
		"reserve": func(tx pgx.Tx) error {
			_, _, err := stock.Reserve(t.Context(), tx, newOrder(), time.Hour, items(1, 1))
			return err
		},
		"commit": func(tx pgx.Tx) error {
			_, err := stock.Commit(t.Context(), tx, order)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var plans []string
			err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error { return statements(explaining{tx, &plans}) })
			text := strings.Join(plans, "\n")
			if err != nil || !strings.Contains(text, "reservations_pkey") {
				t.Errorf("%v\n%s", err, text)
			}
			for _, slow := range []string{"reservations_to_expire", "reservations_unsettled", "Seq Scan on reservations"} {
				if strings.Contains(text, slow) {
					t.Errorf("%s:\n%s", slow, text)
				}
			}
		})
	}
}

// explaining explains each statement of a batch before it sends the batch.
type explaining struct {
	pgx.Tx
	plans *[]string
}

func (e explaining) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	for _, q := range b.QueuedQueries {
		rows, err := e.Query(ctx, "explain "+q.SQL, append([]any{pgx.QueryExecModeCacheDescribe}, q.Arguments...)...)
		if err == nil {
			var plan []string
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
			*e.plans = append(*e.plans, plan...)
		}
		if err != nil {
			*e.plans = append(*e.plans, err.Error())
		}
	}
	return e.Tx.SendBatch(ctx, b)
}
