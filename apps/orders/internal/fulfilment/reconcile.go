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
	settleTime         = 5 * time.Minute // what is younger may still be on its way
	overlap            = 3 * time.Hour   // that is compared once more: a charge may be made so long after it was begun
	window             = 24 * time.Hour  // of the books, between two notes of how far it has come
	windowsPerRun      = 10              // slices; the next run goes on
	clockSkew          = time.Minute     // by which the provider's may differ from ours
	refundVisibleAfter = time.Hour       // ago, a refund is surely in what the provider says

	maxFailed = 20 // payments that could not be compared in one slice: more of them are no bad rows
)

// Reconcile compares what the provider took with what was bought. Money without an order, or of one that was cancelled,
// goes back; an order that counts as paid without money, or with another amount, is reported, and so are refunds that
// the provider has not made. It goes on where it stopped, however long ago that was, and then walks through all that is
// older again, some days in each run: nothing is too old to be found. What cannot be compared is reported and comes
// again later; it holds up nothing else.
func (s *Service) Reconcile(ctx context.Context, now time.Time) error {
	rest, before := now.Add(-settleTime), now.Add(-refundVisibleAfter)
	return errors.Join(s.recheckDiscrepancies(ctx, before), s.compareRecords(ctx, rest, before))
}

func (s *Service) compareRecords(ctx context.Context, rest, before time.Time) error {
	c, err := s.payments.Progress(ctx)
	if err != nil {
		return err
	}
	for n := 0; n < windowsPerRun && (n == 0 || c.Until.Before(rest)); n++ {
		from := c.Until.Add(-overlap)
		to := earlier(c.Until.Add(window), rest)
		if err := s.compareWindow(ctx, from, to, before); err != nil {
			return err
		}
		c.Until = to
		if err := s.payments.SaveProgress(ctx, c); err != nil {
			return err
		}
	}
	for n := 0; n < windowsPerRun && c.Backfill.Before(c.Until); n++ {
		to := earlier(c.Backfill.Add(window), c.Until)
		if err := s.compareWindow(ctx, c.Backfill, to, before); err != nil {
			return err
		}
		c.Backfill = to
		if err := s.payments.SaveProgress(ctx, c); err != nil {
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

// compareWindow compares what was charged, and what was paid, in a time, with the refunds that were settled before a
// moment.
func (s *Service) compareWindow(ctx context.Context, from, to, before time.Time) error {
	charged, failed := map[shop.OrderID]bool{}, 0
	err := s.payments.ListCharges(ctx, from, to, func(t payment.Record) error {
		charged[t.OrderID] = true
		return s.retryOrReport(ctx, t, &failed, func() error { return s.compare(ctx, t, before) })
	})
	if err != nil {
		return err
	}
	return s.checkPaidOrders(ctx, from, to, charged, &failed)
}

// compare looks for the order of a charge that was not wholly given back, and for the refunds of it that were settled
// before a moment.
func (s *Service) compare(ctx context.Context, t payment.Record, before time.Time) error {
	if t.OrderID.UUID == uuid.Nil {
		return nil // not of this shop
	}
	bill, err := s.orders.Bill(ctx, t.OrderID)
	switch {
	case errors.Is(err, order.ErrNotFound):
		return s.payments.Repair(ctx, payment.ChargedWithoutOrder, t)
	case err != nil:
		return err
	case bill.Status == order.Cancelled:
		open, err := s.orders.HasUnsettledRefunds(ctx, t.OrderID)
		if err != nil || open {
			return err // it is on its way back, or somebody has to look at it already
		}
		return s.payments.Repair(ctx, payment.ChargedAndCancelled, t)
	case !bill.Total.Equal(t.Amount) || bill.Currency != t.Currency:
		return s.payments.Report(ctx, payment.AmountDiffers, t)
	}
	return s.compareRefunds(ctx, t, before)
}

// compareRefunds reports where the buyer got less back than the order says. Where that is in order again, it is noted.
func (s *Service) compareRefunds(ctx context.Context, t payment.Record, before time.Time) error {
	back, err := s.orders.RefundedBefore(ctx, t.OrderID, before)
	if err != nil || back.Sign() == 0 {
		return err
	}
	missing, err := shop.Sum(back, t.Refunded.Negative())
	if err != nil {
		return err
	}
	if missing.Sign() <= 0 {
		return s.payments.Resolve(ctx, payment.RefundMissing, t.OrderID)
	}
	t.Amount = missing
	return s.payments.Report(ctx, payment.RefundMissing, t)
}

// checkPaidOrders asks the provider for each paid order of a time that it did not speak of by itself: its charge may be
// older.
func (s *Service) checkPaidOrders(ctx context.Context, from, to time.Time, charged map[shop.OrderID]bool, failed *int) error {
	paid, err := s.orders.PaidBetween(ctx, from, to)
	for _, id := range paid {
		if err == nil && !charged[id] {
			err = s.retryOrReport(ctx, payment.Record{OrderID: id}, failed, func() error { return s.checkCharged(ctx, id) })
		}
	}
	return err
}

// checkCharged reports an order that counts as paid and is not charged.
func (s *Service) checkCharged(ctx context.Context, id shop.OrderID) error {
	bill, err := s.orders.Bill(ctx, id)
	if err != nil || bill.Status == order.Cancelled || bill.Status == order.Refunded {
		return err
	}
	made, err := s.payments.IsCharged(ctx, id)
	if err == nil && !made {
		err = s.payments.Report(ctx, payment.PaidWithoutCharge, payment.Record{OrderID: id, Amount: bill.Total, Currency: bill.Currency})
	}
	return err
}

// retryOrReport compares something, and once more where that fails: a connection may have ended. What fails twice is kept as
// a finding that is looked at again, so that one bad row does not hold up the others for ever. It fails where that
// cannot be kept either, and where as many have failed that were no finding before: then the provider is busy, and the
// next run begins here again.
func (s *Service) retryOrReport(ctx context.Context, t payment.Record, failed *int, compare func() error) error {
	err := compare()
	if err == nil {
		return nil
	}
	if err = compare(); err == nil {
		return nil
	}
	slog.ErrorContext(ctx, "a payment could not be compared", "order", t.OrderID, "err", err)
	fresh, reportErr := s.payments.ReportNew(ctx, payment.NotCompared, t)
	if fresh {
		*failed++
	}
	if reportErr == nil && *failed >= maxFailed {
		return fmt.Errorf("%d payments could not be compared, the last: %w", *failed, err)
	}
	return reportErr
}

// recheckDiscrepancies is for what is known and not mended: what was to go back and did not, and what may be in order by now. What
// it fails for comes again later, and later each time.
func (s *Service) recheckDiscrepancies(ctx context.Context, before time.Time) error {
	var errs []error
	for after := int64(0); ; {
		found, err := s.payments.Unresolved(ctx, after)
		if err != nil || len(found) == 0 {
			return errors.Join(append(errs, err)...)
		}
		for _, f := range found {
			after = f.ID
			if err := s.recheck(ctx, f, before); err != nil {
				errs = append(errs, fmt.Errorf("%s of %s: %w", f.Kind, f.OrderID, err), s.payments.Postpone(ctx, f))
			}
		}
	}
}

func (s *Service) recheck(ctx context.Context, f payment.PaymentDiscrepancy, before time.Time) error {
	switch f.Kind {
	case payment.ChargedWithoutOrder, payment.ChargedAndCancelled:
		_, err := s.orders.Bill(ctx, f.OrderID)
		if f.Kind == payment.ChargedWithoutOrder && err == nil { // it has come back, from a backup say
			if err := s.payments.Resolve(ctx, f.Kind, f.OrderID); err != nil {
				return err
			}
		}
		return s.compare(ctx, payment.Record{OrderID: f.OrderID, Reference: f.Reference, Amount: f.Amount, Currency: f.Currency}, time.Time{})
	case payment.PaidWithoutCharge:
		bill, err := s.orders.Bill(ctx, f.OrderID)
		if err != nil {
			return err
		}
		paid := bill.Status != order.Cancelled && bill.Status != order.Refunded
		if paid {
			made, err := s.payments.IsCharged(ctx, f.OrderID)
			if err != nil || !made {
				return err
			}
		}
		return s.payments.Resolve(ctx, f.Kind, f.OrderID)
	case payment.RefundRefused:
		open, err := s.orders.HasUnsettledRefunds(ctx, f.OrderID)
		if err != nil || open {
			return err
		}
		return s.payments.Resolve(ctx, f.Kind, f.OrderID)
	case payment.RefundMissing:
		return s.recheckMissingRefund(ctx, f, before)
	case payment.NotCompared:
		return s.recheckNotCompared(ctx, f, before)
	case payment.AmountDiffers: // for people
	}
	return nil
}

// recheckNotCompared compares all of an order's payment that could not be compared before.
func (s *Service) recheckNotCompared(ctx context.Context, f payment.PaymentDiscrepancy, before time.Time) error {
	t := payment.Record{OrderID: f.OrderID, Reference: f.Reference, Amount: f.Amount, Currency: f.Currency}
	_, err := s.payments.Get(ctx, f.OrderID)
	if errors.Is(err, payment.ErrNotFound) {
		err = s.compare(ctx, t, time.Time{})
	} else if err == nil {
		var there bool
		there, err = s.findRecord(ctx, f.OrderID, func(t payment.Record) error { return s.compare(ctx, t, before) })
		if err == nil && !there {
			err = s.checkCharged(ctx, f.OrderID) // it is wholly given back, or was never made
		}
	}
	if err != nil {
		return err
	}
	return s.payments.Resolve(ctx, f.Kind, f.OrderID)
}

// findRecord finds an order's charge in the provider's books. There is none where it was wholly given back.
func (s *Service) findRecord(ctx context.Context, id shop.OrderID, found func(payment.Record) error) (there bool, err error) {
	p, err := s.payments.Get(ctx, id)
	if err != nil {
		return false, err
	}
	until := p.RequestedAt
	if p.SettledAt != nil {
		until = *p.SettledAt
	}
	err = s.payments.ListCharges(ctx, p.RequestedAt.Add(-clockSkew), until.Add(clockSkew), func(t payment.Record) error {
		if t.OrderID != id {
			return nil
		}
		there = true
		return found(t)
	})
	return there, err
}

// recheckMissingRefund compares a charge of which a refund was missing once more. One that the provider does not speak of was
// given back as a whole; and where nothing counts as given back any more, the refund itself has failed by now, which is
// a finding of its own.
func (s *Service) recheckMissingRefund(ctx context.Context, f payment.PaymentDiscrepancy, before time.Time) error {
	back, err := s.orders.RefundedBefore(ctx, f.OrderID, before)
	if err != nil {
		return err
	}
	there := false
	if back.Sign() > 0 {
		there, err = s.findRecord(ctx, f.OrderID, func(t payment.Record) error { return s.compareRefunds(ctx, t, before) })
		if err != nil {
			return err
		}
	}
	if there {
		return nil
	}
	return s.payments.Resolve(ctx, f.Kind, f.OrderID)
}
