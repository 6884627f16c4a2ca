// Package invariants checks in the platform's databases what must hold whatever happened: nothing is sold twice, no
// buyer is charged for nothing, and every notification is sent once.
package invariants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Databases are connections to the services' databases.
type Databases struct {
	all map[string]*pgx.Conn
}

var names = []string{"users", "products", "orders", "notifications"}

// Open connects to all four databases. secret returns a secret of the instance by name.
func Open(ctx context.Context, secret func(name string) (string, error)) (*Databases, error) {
	d := &Databases{all: map[string]*pgx.Conn{}}
	for _, name := range names {
		url, err := secret(name + "-database-url")
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		if d.all[name], err = pgx.Connect(ctx, url); err != nil {
			return nil, errors.Join(fmt.Errorf("connect to the database of %s: %w", name, err), d.Close())
		}
	}
	return d, nil
}

// Of is the connection to the database of one service.
func (d *Databases) Of(service string) *pgx.Conn { return d.all[service] }

// Close ends the connections.
func (d *Databases) Close() (err error) {
	for _, conn := range d.all {
		err = errors.Join(err, conn.Close(context.Background()))
	}
	return err
}

// Result is the outcome of one rule.
type Result struct {
	Rule    string
	Checked int      // number of items
	Wrong   []string // the items that break the rule, described
}

// check is one rule. Items that changed after settled may still be in progress; the rule skips them.
type check struct {
	rule string
	run  func(ctx context.Context, d *Databases, f *Result, settled time.Time) error
}

var checks = []check{
	{"the movements of each product add up to its stock", ledger},
	{"reserved stock is the sum of open reservations", reserved},
	{"the stock of an order is sold, and only that", sold},
	{"refunded items with restocking are in stock again, and only those", restocked},
	{"each charge belongs to one paid order, and each paid order has its charge", charged},
	{"no order stays pending", finished},
	{"each step of an order is notified once", notified},
	{"no event waits to be published", published},
	{"no event is a dead letter", deadLetters},
}

// Check checks all rules. Changes within the grace period may still be in progress.
func (d *Databases) Check(ctx context.Context, grace time.Duration) ([]Result, error) {
	var results []Result
	for _, c := range checks {
		r := Result{Rule: c.rule}
		if err := c.run(ctx, d, &r, time.Now().Add(-grace)); err != nil {
			return nil, fmt.Errorf("%s: %w", c.rule, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// Wrong is an error that names the broken rules, or nil.
func Wrong(results []Result) error {
	var errs []error
	for _, f := range results {
		if len(f.Wrong) > 0 {
			examples := f.Wrong[:min(5, len(f.Wrong))]
			errs = append(errs, fmt.Errorf("%s: broken for %d of %d: %.5q", f.Rule, len(f.Wrong), f.Checked, examples))
		}
	}
	return errors.Join(errs...)
}

// rows reads a statement's rows.
func rows[T any](ctx context.Context, d *Databases, database, sql string, args ...any) ([]T, error) {
	found, err := d.all[database].Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByName[T])
}
