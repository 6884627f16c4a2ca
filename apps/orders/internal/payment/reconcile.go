package payment

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Progress is how far the provider's books were compared: once, to Until, and all of it again, to Walked.
type Progress struct{ Until, Backfill time.Time }

// Progress begins with what is three hours old, and walks from a month before the shop's first payment.
func (s *Service) Progress(ctx context.Context) (c Progress, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		c, err = progress(ctx, tx, s.provider.Name())
		return err
	})
	return c, err
}

// SaveProgress keeps how far the books were compared. Until never goes back; Walked begins anew when it has reached Until.
func (s *Service) SaveProgress(ctx context.Context, c Progress) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return saveProgress(ctx, tx, s.provider.Name(), c) })
}

// ListCharges hands over what the provider took in a time and did not wholly give back.
func (s *Service) ListCharges(ctx context.Context, since, until time.Time, fn func(Record) error) error {
	return s.provider.ListCharges(ctx, since, until, fn)
}

// IsCharged asks the provider itself whether an order's payment was made. One of another provider is taken on trust.
func (s *Service) IsCharged(ctx context.Context, id shop.OrderID) (bool, error) {
	p, err := s.Get(ctx, id)
	switch {
	case err != nil:
	case p.Provider != s.provider.Name():
		return true, nil
	default:
		_, err = s.provider.Find(ctx, id, p.Reference)
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDeclined) {
		return false, nil
	}
	return err == nil, err
}

// maxAutoRefunds is how many charges without an order are given back of those found in a day. More of them are no crash
// between two steps: the orders are lost, or another shop uses the same account. Then somebody has to look first.
const maxAutoRefunds = 20

// Repair keeps that something was taken which should not have been, and gives it back. What the provider does not give
// back now stays open, and is tried again.
func (s *Service) Repair(ctx context.Context, kind DiscrepancyKind, t Record) error {
	if err := s.Report(ctx, kind, t); err != nil {
		return err
	}
	if kind == ChargedWithoutOrder {
		n, err := countSameDay(ctx, s.db, kind, t.OrderID)
		if err != nil || n > maxAutoRefunds {
			return err
		}
	}
	if err := s.voidDiscrepancy(ctx, kind, t.OrderID, t.Reference); err != nil {
		slog.ErrorContext(ctx, "what should not have been taken is not given back", "kind", string(kind), "order", t.OrderID, "err", err)
	}
	return nil
}

func (s *Service) voidDiscrepancy(ctx context.Context, kind DiscrepancyKind, id shop.OrderID, reference string) error {
	if err := s.provider.Void(ctx, id, reference, uuid.Nil); err != nil {
		return err
	}
	return s.Resolve(ctx, kind, id)
}

// Resolve notes that a finding is no more.
func (s *Service) Resolve(ctx context.Context, kind DiscrepancyKind, id shop.OrderID) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return resolve(ctx, tx, kind, id) })
}

// RefundDiscrepancy refunds what a finding says was taken and should not have been, because an admin says so. It fails with
// ErrNoFinding, with ErrNotTaken for a finding of another kind, and as the provider does.
func (s *Service) RefundDiscrepancy(ctx context.Context, id int64) (PaymentDiscrepancy, error) {
	f, err := discrepancy(ctx, s.db, id)
	switch {
	case err != nil:
		return f, err
	case f.Kind != ChargedWithoutOrder && f.Kind != ChargedAndCancelled:
		return f, ErrNotRefundable
	case f.Provider != s.provider.Name():
		return f, ErrProvider.WithMessage("the payment was begun with " + f.Provider)
	}
	if err := s.voidDiscrepancy(ctx, f.Kind, f.OrderID, f.Reference); err != nil {
		return f, err
	}
	return discrepancy(ctx, s.db, id)
}

// Postpone has a finding that could not be looked at come again later, and later each time.
func (s *Service) Postpone(ctx context.Context, f PaymentDiscrepancy) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return postpone(ctx, tx, f.ID) })
}

// Unresolved are findings of this provider that are not mended and not postponed, the oldest first, after one of them; 100 at
// a time.
func (s *Service) Unresolved(ctx context.Context, after int64) ([]PaymentDiscrepancy, error) {
	return unresolved(ctx, s.db, s.provider.Name(), after)
}

// Report keeps a finding for somebody to look at, counts it and logs it; found again, it is kept as it was, or open
// again if it was mended.
func (s *Service) Report(ctx context.Context, kind DiscrepancyKind, t Record) error {
	_, err := s.ReportNew(ctx, kind, t)
	return err
}

// ReportNew is Report, and says whether the finding was not open before.
func (s *Service) ReportNew(ctx context.Context, kind DiscrepancyKind, t Record) (fresh bool, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		fresh, err = report(ctx, tx, PaymentDiscrepancy{
			Kind: kind, OrderID: t.OrderID, Provider: s.provider.Name(), Reference: t.Reference, Amount: t.Amount, Currency: t.Currency,
		})
		return err
	})
	if err == nil && fresh {
		slog.ErrorContext(ctx, "the payment provider's books differ", "kind", string(kind), "order", t.OrderID, "reference", t.Reference)
		discrepancies.Add(ctx, 1, metric.WithAttributes(attribute.String("kind", string(kind))))
	}
	return fresh, err
}

var discrepancies = counter()

func counter() metric.Int64Counter {
	c, err := otel.Meter("sidecart/apps/orders/payment").Int64Counter("payment.discrepancies",
		metric.WithDescription("places where the payment provider's books and the shop's did not agree"))
	if err != nil {
		panic(err) // only for a name that cannot be
	}
	return c
}

// ListDiscrepancies are what reconciliation found, the newest first.
func (s *Service) ListDiscrepancies(ctx context.Context, q web.PageQuery) (page web.Page[PaymentDiscrepancy], err error) {
	before := int64(1) << 62
	if err := q.Cursor.Into(&before); err != nil {
		return page, err
	}
	found, err := discrepanciesBefore(ctx, s.db, before, q.Limit+1)
	if err != nil {
		return page, err
	}
	return web.NewPage(found, q.Limit, func(f PaymentDiscrepancy) any { return f.ID })
}
