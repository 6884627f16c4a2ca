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

// moments are the new times of orders' steps, one entry for each.
type moments struct {
	orders, statuses []string
	at               []time.Time
}

// backdate moves orders that were just placed to the times of their plans. The API has no such operation, so this
// updates the databases. Without the folder of the instance, the orders stay where they are.
func (s *shop) backdate(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.dir, "secrets.json"))
	if errors.Is(err, os.ErrNotExist) {
		fmt.Printf("%-12s left out: no secrets.json in the folder of -dir\n", "dates")
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
	defer db.Close() //nolint:errcheck // changes are committed
	if err := awaitSettled(ctx, db); err != nil {
		return err
	}
	n, err := when.move(ctx, db.Of("orders"))
	fmt.Printf("%-12s %d orders moved\n", "dates", n)
	return err
}

// moments are those of orders that still have their original date, which is in their ids.
func (s *shop) moments(ctx context.Context, now time.Time) (m moments, err error) {
	existing, err := s.placed(ctx)
	if err != nil {
		return m, err
	}
	all := plans(s.orderCount)
	err = each(ctx, "dates", len(all), 1, func(ctx context.Context, i int) error {
		p, ok := existing[street(i)]
		if !ok || !hasOriginalDate(p) {
			return nil
		}
		if p, err = s.order(ctx, p.ID); err == nil {
			m.add(p, all[i], now)
		}
		return err
	})
	return m, err
}

func hasOriginalDate(p purchase) bool {
	id, err := uuid.Parse(p.ID)
	if err != nil {
		return false
	}
	seconds, nanos := id.Time().UnixTime()
	return p.PlacedAt.Sub(time.Unix(seconds, nanos)).Abs() < time.Minute
}

// add adds an order's steps with the times of its plan. Steps that are not in the plan get an hour after the step
// before.
func (m *moments) add(p purchase, f plan, now time.Time) {
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

// awaitSettled waits until all invariants hold: of old orders, nothing counts as still on its way. It reports what
// stays wrong, such as an older order that is stuck, and does not wait for it.
func awaitSettled(ctx context.Context, db *invariants.Databases) error {
	var wrong error
	last, changed := "", time.Now()
	for begin := changed; time.Since(begin) < 3*time.Minute && time.Since(changed) < 30*time.Second; {
		found, err := db.Check(ctx, 0)
		if err != nil {
			return err
		}
		if wrong = invariants.Wrong(found); wrong == nil {
			return nil
		}
		if wrong.Error() != last {
			last, changed = wrong.Error(), time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	fmt.Printf("%-12s not settled, continuing: %v\n", "dates", wrong)
	return nil
}

// steps are the moments as a table; orderTimes has one row for each order.
const (
	steps      = `select * from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as step (order_id, status, at)`
	orderTimes = `select order_id, min(at) as placed_at, max(at) as updated_at,
		max(at) filter (where status = 'paid') as paid_at, max(at) filter (where status = 'shipped') as shipped_at,
		max(at) filter (where status = 'delivered') as delivered_at,
		max(at) filter (where status in ('cancelled', 'refunded', 'partially_refunded')) as refunded_at
		from (` + steps + `) s group by order_id`
)

// backdating has a statement for each table with dates of orders; durations stay. Orders come last. These stay
// unchanged: the immutable stock ledger, notifications, and the time in an order's id.
var backdating = []string{`
	update payments p set requested_at = p.requested_at - o.placed_at + l.placed_at,
		settled_at = p.settled_at - o.placed_at + l.placed_at
	from (` + orderTimes + `) l join orders o on o.id = l.order_id where p.order_id = l.order_id`, `
	update payment_webhooks n set received_at = n.received_at - o.placed_at + l.placed_at
	from (` + orderTimes + `) l join orders o on o.id = l.order_id where n.order_id = l.order_id`, `
	update simulated_ledger c set begun_at = c.begun_at - o.placed_at + l.placed_at,
		settled_at = c.settled_at - o.placed_at + l.placed_at, settles_at = c.settles_at - o.placed_at + l.placed_at
	from (` + orderTimes + `) l join orders o on o.id = l.order_id where c.key = l.order_id`, `
	update simulated_refunds r set at = l.refunded_at
	from (` + orderTimes + `) l where r.key = l.order_id and l.refunded_at is not null`, `
	update refunds r set settled_at = r.settled_at - r.at + l.refunded_at, at = l.refunded_at
	from (` + orderTimes + `) l where r.order_id = l.order_id and l.refunded_at is not null`, `
	update order_history h set at = s.at
	from (` + steps + `) s where h.order_id = s.order_id and h.status = s.status`, `
	update orders o set placed_at = l.placed_at, paid_at = l.paid_at, shipped_at = l.shipped_at,
		delivered_at = l.delivered_at, updated_at = l.updated_at
	from (` + orderTimes + `) l where o.id = l.order_id`,
}

// move moves all orders in one transaction. It fails when the databases are not those of the platform that was called.
func (m moments) move(ctx context.Context, orders *pgx.Conn) (n int64, err error) {
	err = pgx.BeginFunc(ctx, orders, func(tx pgx.Tx) error {
		for _, statement := range backdating {
			tag, err := tx.Exec(ctx, statement, m.orders, m.statuses, m.at)
			if err != nil {
				return err
			}
			n = tag.RowsAffected()
		}
		if n == 0 {
			return errors.New("the databases have none of these orders: -dir and -url are of different platforms")
		}
		_, err := tx.Exec(ctx, `select rebuild_sales()`)
		return err
	})
	return n, err
}
