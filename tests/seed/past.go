package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/tests/invariants"
)

// moments are when orders took their steps, one entry for each.
type moments struct {
	orders, statuses []string
	at               []time.Time
}

// past moves the orders that were placed just now to when their fates have them, by whoever holds the platform's databases: the
// API places an order now, and nobody else may say otherwise. Without the folder of the instance they stay of today.
func (s *shop) past(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.dir, "secrets.json"))
	if errors.Is(err, os.ErrNotExist) {
		fmt.Printf("%-12s left out: the platform's databases are not known here (-dir)\n", "past")
		return nil
	}
	var secrets map[string]string
	if err == nil {
		err = json.Unmarshal(text, &secrets)
	}
	if err != nil {
		return err
	}
	when, err := s.moments(ctx, time.Now())
	if err != nil || len(when.orders) == 0 {
		return err
	}
	db, err := invariants.Open(ctx, func(name string) (string, error) { return secrets[name], nil })
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // what was written is committed
	if err := atRest(ctx, db); err != nil {
		return err
	}
	n, err := when.move(ctx, db.Of("orders"))
	fmt.Printf("%-12s %d orders moved\n", "past", n)
	return err
}

// moments are of the orders that still have the date at which they were placed, which is in their ids.
func (s *shop) moments(ctx context.Context, now time.Time) (m moments, err error) {
	there, err := s.placed(ctx)
	if err != nil {
		return m, err
	}
	all := fates(s.howMany)
	err = each(ctx, "past", len(all), 1, func(ctx context.Context, i int) error {
		p, ok := there[street(i)]
		if !ok || !untouched(p) {
			return nil
		}
		if p, err = s.order(ctx, p.ID); err == nil {
			m.add(p, all[i], now)
		}
		return err
	})
	return m, err
}

func untouched(p purchase) bool {
	id, err := uuid.Parse(p.ID)
	if err != nil {
		return false
	}
	seconds, nanos := id.Time().UnixTime()
	return p.PlacedAt.Sub(time.Unix(seconds, nanos)).Abs() < time.Minute
}

// add has each step of an order at the moment of its fate; what else happened to it follows an hour later.
func (m *moments) add(p purchase, f fate, now time.Time) {
	placed := now.Add(-f.ago)
	at := placed
	for i, h := range p.History {
		planned := at.Add(time.Hour)
		for _, s := range f.steps {
			if s.status == h.Status {
				planned = placed.Add(s.after)
			}
		}
		if i == 0 {
			planned = placed
		}
		if at = planned; at.After(now) {
			at = now
		}
		m.orders, m.statuses, m.at = append(m.orders, p.ID), append(m.statuses, h.Status), append(m.at, at)
	}
}

// atRest waits until nothing is on its way any more: of what is said to be old, nobody asks whether it is late. What
// does not move, such as an older order that is stuck, is told and not waited for.
func atRest(ctx context.Context, db *invariants.Databases) error {
	var wrong error
	said, moved := "", time.Now()
	for begin := moved; time.Since(begin) < 3*time.Minute && time.Since(moved) < 30*time.Second; {
		found, err := db.Check(ctx, 0)
		if err != nil {
			return err
		}
		if wrong = invariants.Wrong(found); wrong == nil {
			return nil
		}
		if wrong.Error() != said {
			said, moved = wrong.Error(), time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	fmt.Printf("%-12s not waited for any longer: %v\n", "past", wrong)
	return nil
}

// steps are the moments as a table; lives is one row for each order, first and last steps and those between.
const (
	steps = `select * from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as step (order_id, status, at)`
	lives = `select order_id, min(at) as placed_at, max(at) as updated_at, max(at) filter (where status = 'paid') as paid_at,
		max(at) filter (where status = 'shipped') as shipped_at, max(at) filter (where status = 'delivered') as delivered_at,
		max(at) filter (where status in ('cancelled', 'refunded', 'partially_refunded')) as back_at from (` + steps + `) s group by order_id`
)

// moved is what has a date of an order, one statement for each table. How long things took stays as it was. Orders come last but
// for the sums, which the service's own statement makes of them. What stays of today: the ledger of stock, which nobody can
// change, what buyers were told, and the moment in an order's id.
var moved = []string{`
	update payments p set requested_at = p.requested_at - o.placed_at + l.placed_at, settled_at = p.settled_at - o.placed_at + l.placed_at
	from (` + lives + `) l join orders o on o.id = l.order_id where p.order_id = l.order_id`, `
	update payment_webhooks n set received_at = n.received_at - o.placed_at + l.placed_at
	from (` + lives + `) l join orders o on o.id = l.order_id where n.order_id = l.order_id`, `
	update simulated_ledger c set begun_at = c.begun_at - o.placed_at + l.placed_at, settled_at = c.settled_at - o.placed_at + l.placed_at,
		settles_at = c.settles_at - o.placed_at + l.placed_at
	from (` + lives + `) l join orders o on o.id = l.order_id where c.key = l.order_id`, `
	update simulated_refunds r set at = l.back_at from (` + lives + `) l where r.key = l.order_id and l.back_at is not null`, `
	update refunds r set settled_at = r.settled_at - r.at + l.back_at, at = l.back_at
	from (` + lives + `) l where r.order_id = l.order_id and l.back_at is not null`, `
	update order_history h set at = s.at from (` + steps + `) s where h.order_id = s.order_id and h.status = s.status`, `
	update orders o set placed_at = l.placed_at, paid_at = l.paid_at, shipped_at = l.shipped_at, delivered_at = l.delivered_at, updated_at = l.updated_at
	from (` + lives + `) l where o.id = l.order_id`,
}

// move takes all orders or none. It fails where the databases are not those of the platform that was called.
func (m moments) move(ctx context.Context, orders *pgx.Conn) (n int64, err error) {
	err = pgx.BeginFunc(ctx, orders, func(tx pgx.Tx) error {
		for _, statement := range moved {
			tag, err := tx.Exec(ctx, statement, m.orders, m.statuses, m.at)
			if err != nil {
				return err
			}
			n = tag.RowsAffected()
		}
		if n == 0 {
			return errors.New("the databases know none of these orders: -dir and -url are of two platforms")
		}
		_, err := tx.Exec(ctx, `select rebuild_sales()`)
		return err
	})
	return n, err
}
