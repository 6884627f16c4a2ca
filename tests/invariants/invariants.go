// Package invariants says what must hold in the platform's databases whatever happened, and checks it: nothing sold twice,
// nobody charged for nothing, nothing told twice or not at all.
package invariants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Databases are the services' own, read with the secrets of an instance.
type Databases struct {
	all map[string]*pgx.Conn
}

var names = []string{"users", "products", "orders", "notifications"}

// Open connects to all four. secret gives the secrets of an instance by name.
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

// Finding is what one rule showed.
type Finding struct {
	Rule    string
	Checked int      // how many things were looked at
	Wrong   []string // those for which the rule does not hold, in words
}

// check is one rule. What is younger than settled may still be on its way and is left out.
type check struct {
	rule string
	run  func(ctx context.Context, d *Databases, f *Finding, settled time.Time) error
}

var checks = []check{
	{"the movements of each product add up to what is on the shelf", ledger},
	{"what is reserved is what open reservations hold", reserved},
	{"what an order sold has left the shelf, and only that", sold},
	{"what was given back is on the shelf again, and only that", returned},
	{"each charge is of one paid order, and each paid order has its charge", charged},
	{"every order has come to a final status, or waits for people", finished},
	{"each step of an order was told once", told},
	{"no event waits to be published", published},
	{"no event is a dead letter", heard},
}

// Check looks at everything. What changed within the last moments, the grace, may still be on its way.
func (d *Databases) Check(ctx context.Context, grace time.Duration) ([]Finding, error) {
	var findings []Finding
	for _, c := range checks {
		f := Finding{Rule: c.rule}
		if err := c.run(ctx, d, &f, time.Now().Add(-grace)); err != nil {
			return nil, fmt.Errorf("%s: %w", c.rule, err)
		}
		findings = append(findings, f)
	}
	return findings, nil
}

// Wrong is an error that names what does not hold, or nil.
func Wrong(findings []Finding) error {
	var errs []error
	for _, f := range findings {
		if len(f.Wrong) > 0 {
			errs = append(errs, fmt.Errorf("%s: %d of %d do not: %.5q", f.Rule, len(f.Wrong), f.Checked, f.Wrong[:min(5, len(f.Wrong))]))
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
