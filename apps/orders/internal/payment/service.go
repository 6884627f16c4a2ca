package payment

import (
	"context"
	"embed"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/crash"
	"sidecart/kit/fault"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the tables of payments and the simulated provider's ledger.
var Migrations = postgres.Migrations{Name: "payment", Files: postgres.Sub(files)}

// Service implements the operations on payments.
type Service struct {
	db             *pgxpool.Pool
	provider       Provider
	onSettled      OnSettled
	onRefundFailed OnRefundFailed
}

// OnSettled is called when a webhook settled a payment. The call may be lost.
type OnSettled func(ctx context.Context, id shop.OrderID)

// OnRefundFailed records that a refund failed after the provider had accepted it, and returns the outstanding money.
// found is false if there is no such refund. If it fails, the provider sends the webhook again.
type OnRefundFailed func(
	ctx context.Context, id shop.OrderID, refund uuid.UUID, reason string,
) (outstanding Record, found bool, err error)

// NewService makes the service of the payments in db.
func NewService(
	db *pgxpool.Pool, provider Provider, onSettled OnSettled, onRefundFailed OnRefundFailed,
) *Service {
	return &Service{db, provider, onSettled, onRefundFailed}
}

// Charge charges an order once, however often it is called: after an interruption it looks the charge up before it
// repeats it under the same key. It fails with ErrDeclined, or with ErrTimeout if the result is unknown; other errors
// are temporary. An amount of 0 is approved without the provider.
func (s *Service) Charge(ctx context.Context, c Charge) (Receipt, error) {
	if c.Amount.Sign() == 0 {
		return s.approveFree(ctx, c)
	}
	p, err := postgres.InTx(ctx, s.db, func(tx pgx.Tx) (Payment, error) { return begin(ctx, tx, c, s.provider.Name()) })
	if err != nil || p.State != Pending {
		return orResult(p, err)
	}
	if err := s.checkProvider(p.Provider); err != nil {
		return Receipt{}, err
	}
	var receipt Receipt
	err = ErrNotFound
	if p.Attempts > 1 {
		receipt, err = s.provider.Find(ctx, c.OrderID, p.Reference)
	}
	if errors.Is(err, ErrNotFound) {
		receipt, err = s.provider.Charge(ctx, c)
		crash.At("provider: charged")
	}
	return s.settleWith(ctx, c.OrderID, receipt, err)
}

// noProvider is the provider of payments of 0.
const noProvider = "none"

// approveFree approves the payment of an order that costs nothing, unless it was voided.
func (s *Service) approveFree(ctx context.Context, c Charge) (Receipt, error) {
	return orResult(postgres.InTx(ctx, s.db, func(tx pgx.Tx) (Payment, error) {
		if _, err := begin(ctx, tx, c, noProvider); err != nil {
			return Payment{}, err
		}
		return settle(ctx, tx, WebhookEvent{OrderID: c.OrderID, State: Approved})
	}))
}

// Lookup is Charge that makes no new charge. It fails with ErrNotFound if none was made.
func (s *Service) Lookup(ctx context.Context, id shop.OrderID) (Receipt, error) {
	p, err := s.Get(ctx, id)
	if err != nil || p.State != Pending {
		return orResult(p, err)
	}
	if err := s.checkProvider(p.Provider); err != nil {
		return Receipt{}, err
	}
	receipt, err := s.provider.Find(ctx, id, p.Reference)
	return s.settleWith(ctx, id, receipt, err)
}

func orResult(p Payment, err error) (Receipt, error) {
	if err != nil {
		return Receipt{}, err
	}
	return p.result()
}

// settleWith settles a payment with the provider's response, unless that is a temporary error.
func (s *Service) settleWith(ctx context.Context, id shop.OrderID, receipt Receipt, err error) (Receipt, error) {
	e := WebhookEvent{OrderID: id, State: Approved, Reference: receipt.Reference}
	switch {
	case errors.Is(err, ErrDeclined):
		e.State, e.Cause = Declined, DeclineCause(err)
	case err != nil:
		return Receipt{}, err
	}
	return s.settle(ctx, e)
}

// settle records the result of a charge, unless it is known, and returns the known result. If the payment was voided
// while the provider charged it, it refunds the charge first.
func (s *Service) settle(ctx context.Context, e WebhookEvent) (Receipt, error) {
	p, err := postgres.InTx(ctx, s.db, func(tx pgx.Tx) (Payment, error) { return settle(ctx, tx, e) })
	if err != nil {
		return Receipt{}, err
	}
	if e.State == Approved && p.State != Approved {
		if err := s.provider.Void(ctx, e.OrderID, e.Reference, uuid.Nil); err != nil {
			return Receipt{}, err
		}
	}
	return p.result()
}

// Void refunds what is left of an order's payment and prevents a later charge. refund is the refund's id at the
// provider. It fails with ErrRefused permanently.
func (s *Service) Void(ctx context.Context, id shop.OrderID, refund uuid.UUID) error {
	p, err := postgres.InTx(ctx, s.db, func(tx pgx.Tx) (Payment, error) { return void(ctx, tx, id, s.provider.Name()) })
	if err != nil || p.Amount.Sign() == 0 || p.State == Declined { // a tombstone has no amount
		return err
	}
	if err := s.checkProvider(p.Provider); err != nil {
		return err
	}
	return s.provider.Void(ctx, id, p.Reference, refund)
}

// Refund refunds a part of an order's payment. It fails with ErrRefused permanently, with the reason in its message;
// other errors are temporary. An amount of 0 is refunded without the provider.
func (s *Service) Refund(ctx context.Context, r Refund) error {
	if r.Amount.Sign() == 0 {
		return nil
	}
	p, err := s.Get(ctx, r.OrderID)
	if errors.Is(err, ErrNotFound) {
		return ErrRefused.WithMessage("nothing was charged for this order")
	}
	if err == nil {
		err = s.checkProvider(p.Provider)
	}
	if err != nil {
		return err
	}
	err = s.provider.Refund(ctx, r, p.Reference)
	switch {
	case errors.Is(err, ErrNothingLeft) && p.State == Voided:
		return nil // Void refunded it
	case errors.Is(err, ErrNothingLeft), errors.Is(err, ErrDeclined), errors.Is(err, ErrNotFound) && p.Reference != "":
		return ErrRefused.WithMessage(fault.Of(err).Message)
	}
	return err
}

// checkProvider fails if a payment was made with another provider than the configured one. The operation then waits
// until that provider is configured again, or until an admin does it at the provider.
func (s *Service) checkProvider(name string) error {
	if name != s.provider.Name() {
		return ErrProvider.WithMessage("the payment was made with " + name)
	}
	return nil
}

// Get returns an order's payment. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id shop.OrderID) (Payment, error) {
	return Get(ctx, s.db, id)
}

// HandleWebhook handles a provider's signed message. Messages may be repeated and out of order, because a known result
// is final. It fails with ErrUnknownProvider or ErrSignature, and for a body that cannot be stored.
func (s *Service) HandleWebhook(ctx context.Context, provider string, body []byte, signature string) error {
	if provider != s.provider.Name() {
		return ErrUnknownProvider
	}
	e, err := s.provider.ParseWebhook(body, signature)
	if err == nil {
		err = e.check(body)
	}
	if err != nil {
		return err
	}
	if e.State != "" && e.OrderID.UUID != uuid.Nil {
		if _, err := s.settle(ctx, e); err != nil && !errors.Is(err, ErrDeclined) && !errors.Is(err, ErrNotFound) {
			return err // the provider sends it again
		}
		s.onSettled(ctx, e.OrderID)
	}
	if e.RefundID != uuid.Nil {
		outstanding, found, err := s.onRefundFailed(ctx, e.OrderID, e.RefundID, e.Failure)
		if err == nil && found {
			// After the refund is marked as failed, because the discrepancy of a settled refund is resolved.
			err = s.Report(ctx, RefundRefused, outstanding)
		}
		if err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return recordWebhook(ctx, tx, provider, e) })
}
