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

// Migrations are the payments' tables and the simulated provider's ledger.
var Migrations = postgres.Migrations{Name: "payment", Files: postgres.Sub(files)}

// Service does what can be done with payments.
type Service struct {
	db             *pgxpool.Pool
	provider       Provider
	onSettled      OnSettled
	onRefundFailed OnRefundFailed
}

// OnSettled is called when a provider's message settled a payment. It is a hint: nothing may depend on it.
type OnSettled func(ctx context.Context, id shop.OrderID)

// OnRefundFailed notes that a refund failed after the provider had taken it on, and answers what did not go back; found
// is false where there is no such refund. Where it fails, the provider sends its message again.
type OnRefundFailed func(ctx context.Context, id shop.OrderID, refund uuid.UUID, why string) (kept Record, found bool, err error)

// NewService keeps payments in an open database and has a provider make them.
func NewService(db *pgxpool.Pool, provider Provider, settled OnSettled, refundFailed OnRefundFailed) *Service {
	return &Service{db, provider, settled, refundFailed}
}

// Charge takes the money of an order, once, however often it is called and wherever it was cut off before: what was
// asked and not answered is asked for, and asked again only under the same key. It fails with ErrDeclined for good,
// with ErrNoAnswer where nobody knows yet, with anything else for now.
func (s *Service) Charge(ctx context.Context, c Charge) (Receipt, error) {
	p, err := s.begin(ctx, c)
	if err != nil || p.State != Pending {
		return orElse(p.result, err)
	}
	if err := s.checkProvider(p); err != nil {
		return Receipt{}, err
	}
	var receipt Receipt
	err = ErrNotFound
	if p.Attempts > 1 {
		receipt, err = s.provider.Find(ctx, c.OrderID, p.Reference)
	}
	if errors.Is(err, ErrNotFound) {
		receipt, err = s.provider.Charge(ctx, c)
		crash.At("charge: taken")
	}
	return s.settleAs(ctx, c.OrderID, receipt, err)
}

// Lookup is Charge where no charge may begin any more: it looks up, at the provider, one that was not settled. It fails
// with ErrUnknown where none was made.
func (s *Service) Lookup(ctx context.Context, id shop.OrderID) (Receipt, error) {
	p, err := s.Get(ctx, id)
	if err != nil || p.State != Pending {
		return orElse(p.result, err)
	}
	if err := s.checkProvider(p); err != nil {
		return Receipt{}, err
	}
	receipt, err := s.provider.Find(ctx, id, p.Reference)
	return s.settleAs(ctx, id, receipt, err)
}

// settleAs settles a payment as the provider answered. An answer that is not for good it hands on.
func (s *Service) settleAs(ctx context.Context, id shop.OrderID, receipt Receipt, err error) (Receipt, error) {
	switch {
	case err == nil:
		return s.settle(ctx, WebhookEvent{OrderID: id, State: Approved, Reference: receipt.Reference})
	case errors.Is(err, ErrDeclined):
		return s.settle(ctx, WebhookEvent{OrderID: id, State: Declined, Cause: DeclineCause(err), Reference: receipt.Reference})
	}
	return Receipt{}, err
}

func orElse(outcome func() (Receipt, error), err error) (Receipt, error) {
	if err != nil {
		return Receipt{}, err
	}
	return outcome()
}

// begin notes that a provider is asked, before it is.
func (s *Service) begin(ctx context.Context, c Charge) (p Payment, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		p, err = begin(ctx, tx, c, s.provider.Name())
		return err
	})
	return p, err
}

// settle notes what became of a payment, unless that is known already, and answers what is known then. Where the order
// was called off while the provider took the money, the money goes back first.
func (s *Service) settle(ctx context.Context, n WebhookEvent) (Receipt, error) {
	var p Payment
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		p, err = settle(ctx, tx, n)
		return err
	})
	if err != nil {
		return Receipt{}, err
	}
	if n.State == Approved && p.State != Approved {
		if err := s.provider.Void(ctx, n.OrderID, n.Reference, uuid.Nil); err != nil {
			return Receipt{}, err
		}
	}
	return p.result()
}

// Void refunds what is left of an order's payment, if one was made, and makes sure that none can be made later.
// The refund is what the provider knows that by. It fails with ErrRefused for good.
func (s *Service) Void(ctx context.Context, id shop.OrderID, refund uuid.UUID) error {
	var p Payment
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		p, err = void(ctx, tx, id, s.provider.Name())
		return err
	})
	if err != nil || p.Attempts == 0 || p.State == Declined {
		return err
	}
	if err := s.checkProvider(p); err != nil {
		return err
	}
	return s.provider.Void(ctx, id, p.Reference, refund)
}

// Refund refunds a part of an order's payment. It fails with ErrRefused for good, and says why; with anything else
// for now.
func (s *Service) Refund(ctx context.Context, r Refund) error {
	p, err := get(ctx, s.db, r.OrderID)
	if errors.Is(err, ErrNotFound) {
		return ErrRefused.WithMessage("nothing was charged for this order")
	}
	if err == nil {
		err = s.checkProvider(p)
	}
	if err != nil {
		return err
	}
	err = s.provider.Refund(ctx, r, p.Reference)
	switch {
	case errors.Is(err, ErrNothingLeft) && p.State == Voided:
		return nil // with the rest of it
	case errors.Is(err, ErrNothingLeft), errors.Is(err, ErrDeclined), errors.Is(err, ErrNotFound) && p.Reference != "":
		return ErrRefused.WithMessage(fault.Of(err).Message)
	}
	return err
}

// checkProvider fails where a payment was begun with another provider than today's: this one cannot speak for it. What is to be
// done waits until the other is back, or somebody does it by hand.
func (s *Service) checkProvider(p Payment) error {
	if p.Provider != s.provider.Name() {
		return ErrProvider.WithMessage("the payment was begun with " + p.Provider)
	}
	return nil
}

// Get is what is known of an order's payment. It fails with ErrUnknown where there is none.
func (s *Service) Get(ctx context.Context, id shop.OrderID) (Payment, error) {
	return Of(ctx, s.db, id)
}

// Of is Get for whoever has the database and no provider.
func Of(ctx context.Context, db postgres.Reader, id shop.OrderID) (Payment, error) {
	return get(ctx, db, id)
}

// HandleWebhook takes a provider's message: signed, once, and in whatever order messages come, because what is known for good
// does not change any more. It fails with ErrNoProvider or ErrSignature.
func (s *Service) HandleWebhook(ctx context.Context, provider string, body []byte, signature string) error {
	if provider != s.provider.Name() {
		return ErrUnknownProvider
	}
	n, err := s.provider.ParseWebhook(body, signature)
	if err != nil {
		return err
	}
	if n.State != "" && n.OrderID.UUID != uuid.Nil {
		if _, err := s.settle(ctx, n); err != nil && !errors.Is(err, ErrDeclined) && !errors.Is(err, ErrNotFound) {
			return err // and the provider sends it again
		}
		s.onSettled(ctx, n.OrderID)
	}
	if n.RefundID != uuid.Nil {
		kept, found, err := s.onRefundFailed(ctx, n.OrderID, n.RefundID, n.Failure)
		if err == nil && found {
			err = s.Report(ctx, RefundRefused, kept) // after it failed: what counts as settled needs nobody's look
		}
		if err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return recordWebhook(ctx, tx, provider, n) })
}
