package fulfilment

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// reconcileJob is the scheduler's name for having the provider's books compared with the shop's.
const reconcileJob = "reconcile-payments"

const (
	lookBack = 3 * time.Hour   // how far a comparison goes; it runs every ten minutes
	atRest   = 5 * time.Minute // what is younger may still be on its way
)

// ScheduleReconcile asks the scheduler to have payments compared every ten minutes.
func (s *Service) ScheduleReconcile(ctx context.Context, every sidecar.Schedule) error {
	return every(ctx, reconcileJob, "@every 10m")
}

func (s *Service) handleReconcile(ctx context.Context, _ shop.Caller, _ web.None) (web.None, error) {
	return web.None{}, s.Reconcile(ctx, time.Now())
}

// Reconcile compares what the provider took with what was bought. Money without an order, or of one that was cancelled, goes
// back; an order that counts as paid without money, or with another amount, is reported.
func (s *Service) Reconcile(ctx context.Context, now time.Time) error {
	charged := map[shop.OrderID]bool{}
	err := s.payments.Since(ctx, now.Add(-lookBack), func(t payment.Taken) error {
		charged[t.Key] = true
		if now.Sub(t.At) < atRest {
			return nil
		}
		return s.compare(ctx, t)
	})
	if err != nil {
		return err
	}
	return s.confirmPaid(ctx, now, charged)
}

// compare looks for the order of a charge that was not wholly given back.
func (s *Service) compare(ctx context.Context, t payment.Taken) error {
	if t.Key.UUID == uuid.Nil {
		return nil // not of this shop
	}
	bill, err := s.orders.Bill(ctx, t.Key)
	switch {
	case errors.Is(err, order.ErrNotFound):
		return s.payments.Mend(ctx, payment.WithoutOrder, t)
	case err != nil:
		return err
	case bill.Status == order.Cancelled:
		owed, err := s.orders.Owed(ctx, t.Key)
		if err != nil || len(owed) > 0 {
			return err // it is on its way back
		}
		return s.payments.Mend(ctx, payment.OfCancelled, t)
	case !bill.Total.Equal(t.Amount) || bill.Currency != t.Currency:
		return s.payments.Report(ctx, payment.AmountDiffers, t)
	}
	return nil
}

// confirmPaid asks the provider for each paid order that it did not speak of by itself.
func (s *Service) confirmPaid(ctx context.Context, now time.Time, charged map[shop.OrderID]bool) error {
	// Two hours less than the provider was asked for, because a charge may be older than its order's status.
	paid, err := s.orders.Upkeep().PaidBetween(ctx, now.Add(-lookBack/3), now.Add(-atRest))
	for _, b := range paid {
		if err != nil {
			return err
		}
		if charged[b.OrderID] {
			continue
		}
		var made bool
		if made, err = s.payments.Confirm(ctx, b.OrderID); err == nil && !made {
			err = s.payments.Report(ctx, payment.WithoutCharge, payment.Taken{Key: b.OrderID, Amount: b.Total, Currency: b.Currency})
		}
	}
	return err
}
