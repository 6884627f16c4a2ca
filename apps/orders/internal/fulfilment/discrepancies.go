package fulfilment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

// recheckDiscrepancies retries the refunds of unresolved discrepancies and resolves those that no longer exist. One
// that fails is postponed, longer each time.
func (s *Service) recheckDiscrepancies(ctx context.Context, refundsBefore time.Time) error {
	var errs []error
	for after := int64(0); ; {
		page, err := s.payments.Unresolved(ctx, after)
		if err != nil || len(page) == 0 {
			return errors.Join(append(errs, err)...)
		}
		for _, d := range page {
			after = d.ID
			if err := s.recheck(ctx, d, refundsBefore); err != nil {
				errs = append(errs, fmt.Errorf("%s of %s: %w", d.Kind, d.OrderID, err), s.payments.Postpone(ctx, d))
			}
		}
	}
}

func (s *Service) recheck(ctx context.Context, d payment.PaymentDiscrepancy, refundsBefore time.Time) error {
	resolved := false
	var err error
	switch d.Kind {
	case payment.ChargedWithoutOrder, payment.ChargedAndCancelled:
		return s.recheckCharge(ctx, d)
	case payment.PaidWithoutCharge:
		var bill order.Bill
		if bill, err = s.orders.Bill(ctx, d.OrderID); err == nil {
			resolved = bill.Status == order.Cancelled || bill.Status == order.Refunded
		}
		if err == nil && !resolved {
			resolved, err = s.payments.IsCharged(ctx, d.OrderID)
		}
	case payment.RefundRefused:
		var unsettled bool
		unsettled, err = s.orders.HasUnsettledRefunds(ctx, d.OrderID)
		resolved = !unsettled
	case payment.RefundMissing:
		resolved, err = s.recheckMissingRefund(ctx, d, refundsBefore)
	case payment.NotCompared:
		resolved, err = true, s.recheckNotCompared(ctx, d, refundsBefore)
	case payment.AmountDiffers: // for admins
	}
	if err != nil || !resolved {
		return err
	}
	return s.payments.Resolve(ctx, d.Kind, d.OrderID)
}

// recheckCharge compares a charge without an order, or of a cancelled one, again. The order may have been restored,
// from a backup for example.
func (s *Service) recheckCharge(ctx context.Context, d payment.PaymentDiscrepancy) error {
	if d.Kind == payment.ChargedWithoutOrder {
		if _, err := s.orders.Bill(ctx, d.OrderID); err == nil {
			if err := s.payments.Resolve(ctx, d.Kind, d.OrderID); err != nil {
				return err
			}
		}
	}
	return s.compareCharge(ctx, recordOf(d), time.Time{})
}

func recordOf(d payment.PaymentDiscrepancy) payment.Record {
	return payment.Record{OrderID: d.OrderID, Reference: d.Reference, Amount: d.Amount, Currency: d.Currency}
}

// recheckNotCompared compares a payment again whose comparison failed.
func (s *Service) recheckNotCompared(ctx context.Context, d payment.PaymentDiscrepancy, refundsBefore time.Time) error {
	found, err := s.findRecord(ctx, d.OrderID, func(r payment.Record) error {
		return s.compareCharge(ctx, r, refundsBefore)
	})
	if errors.Is(err, payment.ErrNotFound) {
		return s.compareCharge(ctx, recordOf(d), time.Time{})
	}
	if err == nil && !found {
		err = s.checkCharged(ctx, d.OrderID) // the charge is fully refunded, or was never made
	}
	return err
}

// findRecord calls fn with the provider's record of an order's charge. There is none if the charge is fully refunded.
// It fails with payment.ErrNotFound if the order has no payment.
func (s *Service) findRecord(
	ctx context.Context, id shop.OrderID, fn func(payment.Record) error,
) (found bool, err error) {
	p, err := s.payments.Get(ctx, id)
	if err != nil {
		return false, err
	}
	until := p.RequestedAt
	if p.SettledAt != nil {
		until = *p.SettledAt
	}
	from := p.RequestedAt.Add(-clockSkew)
	err = s.payments.ListCharges(ctx, from, until.Add(clockSkew), func(r payment.Record) error {
		if r.OrderID != id {
			return nil
		}
		found = true
		return fn(r)
	})
	return found, err
}

// recheckMissingRefund compares a charge with a missing refund again. The discrepancy is resolved if the charge is
// fully refunded, and if the order no longer counts it as refunded: then the refund has failed, which is another
// discrepancy.
func (s *Service) recheckMissingRefund(
	ctx context.Context, d payment.PaymentDiscrepancy, refundsBefore time.Time,
) (resolved bool, err error) {
	refunded, err := s.orders.RefundedBefore(ctx, d.OrderID, refundsBefore)
	if err != nil || refunded.Sign() <= 0 {
		return err == nil, err
	}
	found, err := s.findRecord(ctx, d.OrderID, func(r payment.Record) error {
		return s.compareRefunds(ctx, r, refundsBefore) // resolves it, if it can
	})
	return !found, err
}
