package payment

import (
	"context"
	"embed"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the simulated provider's ledger.
var Migrations = postgres.Migrations{Name: "payment", Files: postgres.Sub(files)}

// Simulated is a provider that behaves like one and moves no money: it keeps its own ledger, answers a key it knows
// with what it did then, and understands the tokens tok_declined, tok_insufficient_funds, tok_timeout (the charge is
// made, its first answer is lost) and tok_error (fails twice, then works). Any other token is approved.
type Simulated struct{ db *pgxpool.Pool }

// NewSimulated keeps its ledger in an open database.
func NewSimulated(db *pgxpool.Pool) *Simulated { return &Simulated{db} }

// entry is a line of the ledger.
type entry struct {
	State    string
	Attempts int
}

// The states of an entry.
const (
	trying   = "trying"
	approved = "approved"
	declined = "declined"
	refunded = "refunded"
)

var reasons = map[string]string{
	"tok_declined":           "the card was declined",
	"tok_insufficient_funds": "there are not enough funds",
}

// Charge implements Provider.
func (p *Simulated) Charge(ctx context.Context, c Charge) (Receipt, error) {
	var e entry
	err := pgx.BeginFunc(ctx, p.db, func(tx pgx.Tx) (err error) {
		if e, err = attempt(ctx, tx, c); err != nil || e.State != trying {
			return err
		}
		switch {
		case reasons[c.Token] != "":
			e.State = declined
		case c.Token == "tok_error" && e.Attempts <= 2:
			return nil // noted as tried
		default:
			e.State = approved
		}
		return settle(ctx, tx, c.Key, e.State)
	})
	switch {
	case err != nil:
		return Receipt{}, err
	case e.State == declined:
		return Receipt{}, ErrDeclined.Saying(reasons[c.Token])
	case e.State == refunded:
		return Receipt{}, ErrDeclined.Saying("the payment was called off")
	case e.State == trying:
		return Receipt{}, ErrProvider
	case c.Token == "tok_timeout" && e.Attempts == 1:
		return Receipt{}, ErrNoAnswer
	}
	return Receipt{Reference: "sim_" + c.Key.String()}, nil
}

// Refund implements Provider.
func (p *Simulated) Refund(ctx context.Context, r Refund) error {
	return pgx.BeginFunc(ctx, p.db, func(tx pgx.Tx) error {
		fresh, err := giveBack(ctx, tx, r)
		if err != nil || !fresh {
			return err
		}
		enough, err := deduct(ctx, tx, r)
		if err == nil && !enough {
			return ErrNothingLeft
		}
		return err
	})
}

// CallOff implements Provider.
func (p *Simulated) CallOff(ctx context.Context, key shop.OrderID) error {
	return pgx.BeginFunc(ctx, p.db, func(tx pgx.Tx) error {
		if err := forestall(ctx, tx, key); err != nil {
			return err
		}
		return callOff(ctx, tx, key)
	})
}
