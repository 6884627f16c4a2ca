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
	db           *pgxpool.Pool
	provider     Provider
	settled      Settled
	refundFailed RefundFailed
}

// Settled is called when a provider's message settled a payment. It is a hint: nothing may depend on it.
type Settled func(ctx context.Context, id shop.OrderID)

// RefundFailed notes that a refund failed after the provider had taken it on, and answers what did not go back; found
// is false where there is no such refund. Where it fails, the provider sends its message again.
type RefundFailed func(ctx context.Context, id shop.OrderID, refund uuid.UUID, why string) (kept Taken, found bool, err error)

// NewService keeps payments in an open database and has a provider make them.
func NewService(db *pgxpool.Pool, provider Provider, settled Settled, refundFailed RefundFailed) *Service {
	return &Service{db, provider, settled, refundFailed}
}

// Charge takes the money of an order, once, however often it is called and wherever it was cut off before: what was
// asked and not answered is asked for, and asked again only under the same key. It fails with ErrDeclined for good,
// with ErrNoAnswer where nobody knows yet, with anything else for now.
func (s *Service) Charge(ctx context.Context, c Charge) (Receipt, error) {
	p, err := s.begin(ctx, c)
	if err != nil || p.State != Asked {
		return orElse(p.outcome, err)
	}
	if err := s.mine(p); err != nil {
		return Receipt{}, err
	}
	var receipt Receipt
	err = ErrUnknown
	if p.Attempts > 1 {
		receipt, err = s.provider.Find(ctx, c.Key, p.Reference)
	}
	if errors.Is(err, ErrUnknown) {
		receipt, err = s.provider.Charge(ctx, c)
		crash.At("charge: taken")
	}
	return s.settleAs(ctx, c.Key, receipt, err)
}

// Lookup is Charge where no charge may begin any more: it looks up, at the provider, one that was not settled. It fails
// with ErrUnknown where none was made.
func (s *Service) Lookup(ctx context.Context, id shop.OrderID) (Receipt, error) {
	p, err := s.Get(ctx, id)
	if err != nil || p.State != Asked {
		return orElse(p.outcome, err)
	}
	if err := s.mine(p); err != nil {
		return Receipt{}, err
	}
	receipt, err := s.provider.Find(ctx, id, p.Reference)
	return s.settleAs(ctx, id, receipt, err)
}

// settleAs settles a payment as the provider answered. An answer that is not for good it hands on.
func (s *Service) settleAs(ctx context.Context, id shop.OrderID, receipt Receipt, err error) (Receipt, error) {
	switch {
	case err == nil:
		return s.settle(ctx, Notice{Key: id, State: Approved, Reference: receipt.Reference})
	case errors.Is(err, ErrDeclined):
		return s.settle(ctx, Notice{Key: id, State: Declined, Why: WhyDeclined(err), Reference: receipt.Reference})
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
		p, err = ask(ctx, tx, c, s.provider.Name())
		return err
	})
	return p, err
}

// settle notes what became of a payment, unless that is known already, and answers what is known then. Where the order
// was called off while the provider took the money, the money goes back first.
func (s *Service) settle(ctx context.Context, n Notice) (Receipt, error) {
	var p Payment
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		p, err = conclude(ctx, tx, n)
		return err
	})
	if err != nil {
		return Receipt{}, err
	}
	if n.State == Approved && p.State != Approved {
		if err := s.provider.CallOff(ctx, n.Key, n.Reference, uuid.Nil); err != nil {
			return Receipt{}, err
		}
	}
	return p.outcome()
}

// CallOff refunds what is left of an order's payment, if one was made, and makes sure that none can be made later.
// The refund is what the provider knows that by. It fails with ErrRefused for good.
func (s *Service) CallOff(ctx context.Context, id shop.OrderID, refund uuid.UUID) error {
	var p Payment
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		p, err = callOff(ctx, tx, id, s.provider.Name())
		return err
	})
	if err != nil || p.Attempts == 0 || p.State == Declined {
		return err
	}
	if err := s.mine(p); err != nil {
		return err
	}
	return s.provider.CallOff(ctx, id, p.Reference, refund)
}

// Refund refunds a part of an order's payment. It fails with ErrRefused for good, and says why; with anything else
// for now.
func (s *Service) Refund(ctx context.Context, r Refund) error {
	p, err := get(ctx, s.db, r.Key)
	if errors.Is(err, ErrUnknown) {
		return ErrRefused.WithMessage("nothing was charged for this order")
	}
	if err == nil {
		err = s.mine(p)
	}
	if err != nil {
		return err
	}
	err = s.provider.Refund(ctx, r, p.Reference)
	switch {
	case errors.Is(err, ErrNothingLeft) && p.State == CalledOff:
		return nil // with the rest of it
	case errors.Is(err, ErrNothingLeft), errors.Is(err, ErrDeclined), errors.Is(err, ErrUnknown) && p.Reference != "":
		return ErrRefused.WithMessage(fault.Of(err).Message)
	}
	return err
}

// mine fails where a payment was begun with another provider than today's: this one cannot speak for it. What is to be
// done waits until the other is back, or somebody does it by hand.
func (s *Service) mine(p Payment) error {
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

// Hear takes a provider's message: signed, once, and in whatever order messages come, because what is known for good
// does not change any more. It fails with ErrNoProvider or ErrSignature.
func (s *Service) Hear(ctx context.Context, provider string, body []byte, signature string) error {
	if provider != s.provider.Name() {
		return ErrNoProvider
	}
	n, err := s.provider.Read(body, signature)
	if err != nil {
		return err
	}
	if n.State != "" && n.Key.UUID != uuid.Nil {
		if _, err := s.settle(ctx, n); err != nil && !errors.Is(err, ErrDeclined) && !errors.Is(err, ErrUnknown) {
			return err // and the provider sends it again
		}
		s.settled(ctx, n.Key)
	}
	if n.Refund != uuid.Nil {
		kept, found, err := s.refundFailed(ctx, n.Key, n.Refund, n.Failure)
		if err == nil && found {
			err = s.Report(ctx, RefundRefused, kept) // after it failed: what counts as settled needs nobody's look
		}
		if err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return heard(ctx, tx, provider, n) })
}
