package fulfilment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

const (
	settleTime         = 5 * time.Minute // younger charges may not be settled
	overlap            = 3 * time.Hour   // compared twice: a charge may be made so long after it was requested
	window             = 24 * time.Hour  // of records, after which the progress is saved
	windowsPerRun      = 10
	clockSkew          = time.Minute // between the provider's clock and ours
	refundVisibleAfter = time.Hour   // in the provider's records

	maxFailed = 20 // new failed comparisons in one window: more of them are not bad rows
)

// Reconcile compares the provider's records with the orders. A charge without an order, or of a cancelled one, is
// refunded. A paid order without a charge or with another amount is reported, and so is a refund that the provider has
// not made. It continues from the saved progress, and then compares all older records again, some days in each run, so
// that no discrepancy is too old to be found. What cannot be compared is reported and compared again later; it blocks
// nothing else.
func (s *Service) Reconcile(ctx context.Context, now time.Time) error {
	until, refundsBefore := now.Add(-settleTime), now.Add(-refundVisibleAfter)
	return errors.Join(s.recheckDiscrepancies(ctx, refundsBefore), s.compareRecords(ctx, until, refundsBefore))
}

func (s *Service) compareRecords(ctx context.Context, until, refundsBefore time.Time) error {
	p, err := s.payments.Progress(ctx)
	if err != nil {
		return err
	}
	if err := s.advance(ctx, &p, &p.Until, until, overlap, refundsBefore); err != nil {
		return err
	}
	return s.advance(ctx, &p, &p.Backfill, p.Until, 0, refundsBefore)
}

// advance compares window after window from a position of p, and saves p after each.
func (s *Service) advance(
	ctx context.Context, p *payment.Progress, position *time.Time, until time.Time, overlap time.Duration,
	refundsBefore time.Time,
) error {
	for n := 0; n < windowsPerRun && position.Before(until); n++ {
		from := position.Add(-overlap)
		*position = earlier(position.Add(window), until)
		if err := s.compareWindow(ctx, from, *position, refundsBefore); err != nil {
			return err
		}
		if err := s.payments.SaveProgress(ctx, *p); err != nil {
			return err
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// compareWindow compares the charges and the paid orders of a time range.
func (s *Service) compareWindow(ctx context.Context, from, to, refundsBefore time.Time) error {
	charged, failed := map[shop.OrderID]bool{}, 0
	err := s.payments.ListCharges(ctx, from, to, func(r payment.Record) error {
		charged[r.OrderID] = true
		return s.retryOrReport(ctx, r, &failed, func() error { return s.compareCharge(ctx, r, refundsBefore) })
	})
	if err != nil {
		return err
	}
	paid, err := s.orders.PaidBetween(ctx, from, to)
	for _, id := range paid {
		if err == nil && !charged[id] { // its charge may be older
			r := payment.Record{OrderID: id}
			err = s.retryOrReport(ctx, r, &failed, func() error { return s.checkCharged(ctx, id) })
		}
	}
	return err
}

// compareCharge compares a charge that is not fully refunded with its order and with the refunds that were settled
// before a time.
func (s *Service) compareCharge(ctx context.Context, r payment.Record, refundsBefore time.Time) error {
	if r.OrderID.UUID == uuid.Nil {
		return nil // not of this shop
	}
	bill, err := s.orders.Bill(ctx, r.OrderID)
	switch {
	case errors.Is(err, order.ErrNotFound):
		return s.payments.Repair(ctx, payment.ChargedWithoutOrder, r)
	case err != nil:
		return err
	case bill.Status == order.Cancelled:
		unsettled, err := s.orders.HasUnsettledRefunds(ctx, r.OrderID)
		if err != nil || unsettled {
			return err // it is being refunded, or waits for an admin
		}
		return s.payments.Repair(ctx, payment.ChargedAndCancelled, r)
	case !bill.Total.Equal(r.Amount) || bill.Currency != r.Currency:
		return s.payments.Report(ctx, payment.AmountDiffers, r)
	}
	return s.compareRefunds(ctx, r, refundsBefore)
}

// compareRefunds reports a charge of which less was refunded than the order records, and resolves the discrepancy if it
// no longer exists.
func (s *Service) compareRefunds(ctx context.Context, r payment.Record, refundsBefore time.Time) error {
	refunded, err := s.orders.RefundedBefore(ctx, r.OrderID, refundsBefore)
	if err != nil || refunded.Sign() == 0 {
		return err
	}
	missing, err := shop.Sum(refunded, r.Refunded.Negative())
	if err != nil {
		return err
	}
	if missing.Sign() <= 0 {
		return s.payments.Resolve(ctx, payment.RefundMissing, r.OrderID)
	}
	r.Amount = missing
	return s.payments.Report(ctx, payment.RefundMissing, r)
}

// checkCharged reports a paid order that is not charged.
func (s *Service) checkCharged(ctx context.Context, id shop.OrderID) error {
	bill, err := s.orders.Bill(ctx, id)
	if err != nil || bill.Status == order.Cancelled || bill.Status == order.Refunded {
		return err
	}
	charged, err := s.payments.IsCharged(ctx, id)
	if err == nil && !charged {
		err = s.payments.Report(ctx, payment.PaidWithoutCharge,
			payment.Record{OrderID: id, Amount: bill.Total, Currency: bill.Currency})
	}
	return err
}

// retryOrReport runs a comparison, twice if it fails: a connection may have been lost. The second failure is reported
// as a discrepancy, which is compared again later, so that one bad row does not block the others. It fails if the
// report fails, and after maxFailed new reports: then the provider is unavailable, and the next run begins with this
// window.
func (s *Service) retryOrReport(ctx context.Context, r payment.Record, failed *int, do func() error) error {
	if do() == nil {
		return nil
	}
	err := do()
	if err == nil {
		return nil
	}
	slog.ErrorContext(ctx, "payment not compared", "order", r.OrderID, "err", err)
	isNew, reportErr := s.payments.ReportNew(ctx, payment.NotCompared, r)
	if isNew {
		*failed++
	}
	if reportErr == nil && *failed >= maxFailed {
		return fmt.Errorf("%d payments could not be compared, the last: %w", *failed, err)
	}
	return reportErr
}
