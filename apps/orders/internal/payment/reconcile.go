package payment

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Progress is how far the provider's records are compared: everything before Until once, and before Backfill again.
type Progress struct{ Until, Backfill time.Time }

// Progress returns the stored progress. It begins three hours ago, and the backfill a month before the first payment.
func (s *Service) Progress(ctx context.Context) (Progress, error) {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) (Progress, error) { return progress(ctx, tx, s.provider.Name()) })
}

// SaveProgress stores the progress. Until never decreases; the backfill restarts when it has reached Until.
func (s *Service) SaveProgress(ctx context.Context, p Progress) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return saveProgress(ctx, tx, s.provider.Name(), p) })
}

// ListCharges calls fn with the provider's charges of a time range that are not fully refunded.
func (s *Service) ListCharges(ctx context.Context, since, until time.Time, fn func(Record) error) error {
	return s.provider.ListCharges(ctx, since, until, fn)
}

// IsCharged reports whether an order was charged, according to the provider. A payment with another provider counts as
// charged.
func (s *Service) IsCharged(ctx context.Context, id shop.OrderID) (bool, error) {
	p, err := s.Get(ctx, id)
	if err == nil {
		if p.Provider != s.provider.Name() {
			return true, nil
		}
		_, err = s.provider.Find(ctx, id, p.Reference)
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDeclined) {
		return false, nil
	}
	return err == nil, err
}

// maxAutoRefunds is the number of charges without an order that are refunded automatically in a day. More of them are
// not the crash of a process: orders are lost, or another shop uses the account. Then an admin decides.
const maxAutoRefunds = 20

// Repair reports a charge that should not exist and refunds it. If the refund fails, the discrepancy stays unresolved,
// and the refund is retried.
func (s *Service) Repair(ctx context.Context, kind DiscrepancyKind, r Record) error {
	if err := s.Report(ctx, kind, r); err != nil {
		return err
	}
	if kind == ChargedWithoutOrder {
		n, err := countSameDay(ctx, s.db, kind, r.OrderID)
		if err != nil || n > maxAutoRefunds {
			return err
		}
	}
	if err := s.refundDiscrepancy(ctx, kind, r.OrderID, r.Reference); err != nil {
		slog.ErrorContext(ctx, "discrepancy not refunded", "kind", string(kind), "order", r.OrderID, "err", err)
	}
	return nil
}

func (s *Service) refundDiscrepancy(ctx context.Context, kind DiscrepancyKind, id shop.OrderID, reference string) error {
	if err := s.provider.Void(ctx, id, reference, uuid.Nil); err != nil {
		return err
	}
	return s.Resolve(ctx, kind, id)
}

// Resolve marks a discrepancy as resolved.
func (s *Service) Resolve(ctx context.Context, kind DiscrepancyKind, id shop.OrderID) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return resolve(ctx, tx, kind, id) })
}

// RefundDiscrepancy refunds the charge of a discrepancy for an admin. It fails with ErrDiscrepancyNotFound, with
// ErrNotRefundable for a discrepancy of another kind, and as the provider does.
func (s *Service) RefundDiscrepancy(ctx context.Context, id int64) (PaymentDiscrepancy, error) {
	d, err := discrepancy(ctx, s.db, id)
	if err != nil {
		return d, err
	}
	if d.Kind != ChargedWithoutOrder && d.Kind != ChargedAndCancelled {
		return d, ErrNotRefundable
	}
	if err := s.checkProvider(d.Provider); err != nil {
		return d, err
	}
	if err := s.refundDiscrepancy(ctx, d.Kind, d.OrderID, d.Reference); err != nil {
		return d, err
	}
	return discrepancy(ctx, s.db, id)
}

// Postpone delays the next check of a discrepancy, longer each time.
func (s *Service) Postpone(ctx context.Context, d PaymentDiscrepancy) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return postpone(ctx, tx, d.ID) })
}

// Report stores a discrepancy, logs and counts it. An unresolved one of the same kind and order stays as it is; a
// resolved one becomes unresolved again.
func (s *Service) Report(ctx context.Context, kind DiscrepancyKind, r Record) error {
	_, err := s.ReportNew(ctx, kind, r)
	return err
}

// ReportNew is Report that also returns whether the discrepancy is new.
func (s *Service) ReportNew(ctx context.Context, kind DiscrepancyKind, r Record) (isNew bool, err error) {
	isNew, err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) (bool, error) {
		return report(ctx, tx, kind, s.provider.Name(), r)
	})
	if err == nil && isNew {
		slog.ErrorContext(ctx, "payment discrepancy", "kind", string(kind), "order", r.OrderID, "reference", r.Reference)
		discrepancies.Add(ctx, 1, metric.WithAttributes(attribute.String("kind", string(kind))))
	}
	return isNew, err
}

var discrepancies = counter()

func counter() metric.Int64Counter {
	c, err := otel.Meter("sidecart/apps/orders/payment").Int64Counter("payment.discrepancies",
		metric.WithDescription("differences between the payment provider's records and the shop's"))
	if err != nil {
		panic(err) // only for an invalid name
	}
	return c
}

// ListDiscrepancies returns the discrepancies, newest first.
func (s *Service) ListDiscrepancies(ctx context.Context, q web.PageQuery) (web.Page[PaymentDiscrepancy], error) {
	read := func(before int64, limit int) ([]PaymentDiscrepancy, error) {
		return discrepanciesBefore(ctx, s.db, before, limit)
	}
	return web.PageOf(q, int64(math.MaxInt64), read, func(d PaymentDiscrepancy) int64 { return d.ID })
}
