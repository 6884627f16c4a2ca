package sales

import (
	"context"
	"embed"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the sums' tables; they stand on the orders'.
var Migrations = postgres.Migrations{Name: "sales", Files: postgres.Sub(files)}

// AddSale counts an order that is paid in this transaction.
func AddSale(ctx context.Context, tx pgx.Tx, s Sale) error { return add(ctx, tx, s, slot()) }

// AddRefund counts what goes back of an order, on the day it was paid, in the transaction that decides it.
func AddRefund(ctx context.Context, tx pgx.Tx, s Sale) error { return subtract(ctx, tx, s, slot()) }

// Statuses counts the orders that were placed in a time by their status.
type Statuses func(ctx context.Context, from, to time.Time) (map[string]int64, error)

// Service reads the sums.
type Service struct {
	db       *pgxpool.Pool
	statuses Statuses
}

// NewService reads from an open database and asks the orders how many there are of each status.
func NewService(db *pgxpool.Pool, statuses Statuses) *Service { return &Service{db, statuses} }

// Report is what was sold. It fails as invalid for a time that is not one, or longer than 366 days.
func (s *Service) Report(ctx context.Context, q Query) (r SalesReport, err error) {
	if r.From, r.To, err = q.dateRange(time.Now()); err != nil {
		return r, err
	}
	if r.Currencies, err = currencies(ctx, s.db, r.From, r.To); err != nil {
		return r, err
	}
	r.Currency = q.Currency
	if r.Currency == "" {
		r.Currency = "USD"
		if len(r.Currencies) > 0 {
			r.Currency = r.Currencies[0]
		}
	}
	if _, err := (shop.Money{}).In(r.Currency); err != nil {
		return r, errCurrency
	}
	days, err := byDay(ctx, s.db, r.From, r.To, r.Currency)
	if err != nil {
		return r, err
	}
	if r.Days, r.Totals, err = dailyTotals(r.From, r.To, r.Currency, days); err != nil {
		return r, err
	}
	if r.TopProducts, err = top(ctx, s.db, r.From, r.To, r.Currency, q.Top); err != nil {
		return r, err
	}
	r.Statuses, err = s.statuses(ctx, r.From.Time, r.To.AddDate(0, 0, 1))
	return r, err
}
