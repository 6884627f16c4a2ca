// Package simulated is a payment provider that moves no money. It keeps a ledger, repeats its response to a known key,
// and signs its webhooks.
//
// It supports the tokens tok_declined and tok_insufficient_funds (declined), tok_timeout (no response; the charge is
// made two seconds later, which a webhook or a lookup shows), tok_error (fails twice, then works) and
// tok_refund_refused (approved, and every refund is refused). It approves every other token.
package simulated

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/fault"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// Provider implements payment.Provider.
type Provider struct {
	db   *pgxpool.Pool
	keys [][]byte
}

// New makes a provider with its ledger in db. Each of the keys may sign its webhooks: two, while one is rolled.
func New(db *pgxpool.Pool, keys ...string) *Provider {
	p := &Provider{db: db}
	for _, key := range keys {
		p.keys = append(p.keys, []byte(key))
	}
	return p
}

// ledgerEntry is a charge in the ledger.
type ledgerEntry struct {
	State    string
	Attempts int
}

// The states of a ledger entry. Processing becomes approved after timeoutDelay.
const (
	trying     = "trying"
	processing = "processing"
	approved   = "approved"
	declined   = "declined"
	refunded   = "refunded"
)

var reasons = map[string]shop.Reason{
	"tok_declined":           shop.CardDeclined,
	"tok_insufficient_funds": shop.InsufficientFunds,
}

// timeoutDelay is the duration of a charge with tok_timeout.
const timeoutDelay = 2 * time.Second

// Name implements payment.Provider.
func (p *Provider) Name() string { return "simulated" }

// Charge implements payment.Provider.
func (p *Provider) Charge(ctx context.Context, c payment.Charge) (payment.Receipt, error) {
	var e ledgerEntry
	err := pgx.BeginFunc(ctx, p.db, func(tx pgx.Tx) (err error) {
		if e, err = attempt(ctx, tx, c); err != nil || e.State != trying {
			return err
		}
		switch {
		case reasons[c.Token] != "":
			e.State = declined
		case c.Token == "tok_error" && e.Attempts <= 2:
			return nil // counted as an attempt
		case c.Token == "tok_timeout":
			e.State = processing
		default:
			e.State = approved
		}
		return settle(ctx, tx, c, e.State, timeoutDelay)
	})
	if err != nil {
		return payment.Receipt{}, err
	}
	if e.State == declined {
		return payment.Receipt{}, payment.NewDeclined(shop.Cause{Code: cmp.Or(reasons[c.Token], shop.CardDeclined)})
	}
	return e.result(c.OrderID)
}

func (e ledgerEntry) result(key shop.OrderID) (payment.Receipt, error) {
	switch e.State {
	case approved:
		return payment.Receipt{Reference: reference(key)}, nil
	case declined:
		return payment.Receipt{}, payment.ErrDeclined
	case refunded:
		return payment.Receipt{}, payment.NewDeclined(shop.Cause{Code: shop.PaymentVoided})
	case processing:
		return payment.Receipt{}, payment.ErrTimeout
	}
	return payment.Receipt{}, payment.ErrProvider
}

func reference(key shop.OrderID) string { return "sim_" + key.String() }

// Find implements payment.Provider.
func (p *Provider) Find(ctx context.Context, key shop.OrderID, _ string) (payment.Receipt, error) {
	e, err := postgres.InTx(ctx, p.db, func(tx pgx.Tx) (ledgerEntry, error) { return find(ctx, tx, key) })
	if err != nil {
		return payment.Receipt{}, err
	}
	if e.State == trying {
		return payment.Receipt{}, payment.ErrNotFound
	}
	return e.result(key)
}

// Refund implements payment.Provider.
func (p *Provider) Refund(ctx context.Context, r payment.Refund, _ string) error {
	return pgx.BeginFunc(ctx, p.db, func(tx pgx.Tx) error {
		isNew, err := insertRefund(ctx, tx, r)
		if err != nil || !isNew {
			return err
		}
		if refuses, err := refusesRefunds(ctx, tx, r.OrderID); err != nil || refuses {
			return cmp.Or(err, error(payment.ErrRefused))
		}
		enough, err := deduct(ctx, tx, r)
		if err == nil && !enough {
			return payment.ErrNothingLeft
		}
		return err
	})
}

// Void implements payment.Provider.
func (p *Provider) Void(ctx context.Context, key shop.OrderID, _ string, _ uuid.UUID) error {
	return pgx.BeginFunc(ctx, p.db, func(tx pgx.Tx) error {
		if err := insertTombstone(ctx, tx, key); err != nil {
			return err
		}
		if refuses, err := refusesRefunds(ctx, tx, key); err != nil || refuses {
			return cmp.Or(err, error(payment.ErrRefused))
		}
		return void(ctx, tx, key)
	})
}

// ListCharges implements payment.Provider.
func (p *Provider) ListCharges(ctx context.Context, since, until time.Time, fn func(payment.Record) error) error {
	var last shop.OrderID
	for {
		page, err := listCharges(ctx, p.db, since, until, last, 500)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			r.Reference = reference(r.OrderID)
			if err := fn(r); err != nil {
				return err
			}
		}
		last = page[len(page)-1].OrderID
	}
}

// WebhookMessage reports the result of a charge, or that a refund failed later.
type WebhookMessage struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"` // charge.approved, charge.declined or refund.failed
	OrderID  shop.OrderID `json:"order_id"`
	RefundID uuid.UUID    `json:"refund_id,omitzero"` // the refund's id at the provider
	Reason   string       `json:"reason,omitempty"`
}

// ParseWebhook implements payment.Provider.
func (p *Provider) ParseWebhook(body []byte, signature string) (e payment.WebhookEvent, err error) {
	if err := verify(signature, body, p.keys, time.Now()); err != nil {
		return e, err
	}
	var m WebhookMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return e, fault.ErrMalformed.Wrap(err)
	}
	e = payment.WebhookEvent{ID: m.ID, Kind: m.Type, OrderID: m.OrderID}
	switch m.Type {
	case "charge.approved":
		e.State, e.Reference = payment.Approved, reference(m.OrderID)
	case "charge.declined":
		e.State, e.Cause.Words = payment.Declined, m.Reason
	case "refund.failed":
		e.RefundID, e.Failure = m.RefundID, m.Reason
	}
	return e, nil
}
