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

// Migrations create the tables of sales. They need those of orders.
var Migrations = postgres.Migrations{Name: "sales", Files: postgres.Sub(files)}

// AddSale adds a paid order in the transaction that marks it as paid.
func AddSale(ctx context.Context, tx pgx.Tx, s Sale) error {
	return add(ctx, tx, s, Totals{Orders: 1, Gross: s.Amount}, 1)
}

// AddRefund subtracts a refund from the day on which its order was paid, in the transaction that creates the refund.
func AddRefund(ctx context.Context, tx pgx.Tx, s Sale) error {
	delta := Totals{Refunded: s.Amount}
	if s.Full {
		delta.Orders = -1
	}
	return add(ctx, tx, s, delta, -1)
}

// Statuses counts the orders that were placed in a time range by status.
type Statuses func(ctx context.Context, from, to time.Time) (map[string]int64, error)

// Service reads the sales.
type Service struct {
	db       *pgxpool.Pool
	statuses Statuses
}

// NewService makes the service of the sales in db.
func NewService(db *pgxpool.Pool, statuses Statuses) *Service { return &Service{db, statuses} }

// Report returns the sales. It fails for a time range that is reversed or longer than 366 days, and an unknown
// currency.
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
	r.Statuses, err = s.statuses(ctx, r.From.t, r.To.t.AddDate(0, 0, 1))
	return r, err
}
