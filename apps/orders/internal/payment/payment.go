// Package payment charges and refunds orders through a payment provider and holds the state of each payment.
package payment

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Charge is what is charged for an order. OrderID is its idempotency key at the provider.
type Charge struct {
	OrderID  shop.OrderID
	Amount   shop.Money
	Currency string
	Token    string // the provider's token of the buyer's card; empty for methods without one
}

// Receipt is an approved charge. Reference is its id at the provider.
type Receipt struct{ Reference string }

// Refund is what is refunded of a charge. ID is its idempotency key at the provider.
type Refund struct {
	ID       uuid.UUID
	OrderID  shop.OrderID
	Amount   shop.Money
	Currency string
}

// WebhookEvent is a message of a provider: the result of a charge, or the failure of an accepted refund. Repeated
// deliveries of a message have the same ID.
type WebhookEvent struct {
	ID, Kind  string
	OrderID   shop.OrderID // nil for a message about something else
	State     State        // Approved or Declined; empty if the message is not about a charge's result
	Cause     shop.Cause   // of a Declined
	Reference string
	RefundID  uuid.UUID // the failed refund's id at the provider; nil if none failed
	Failure   string    // why it failed
}

// check fails if the event of a body cannot be stored as it was sent.
func (e WebhookEvent) check(body []byte) error {
	switch {
	case !utf8.Valid(body):
		return fault.ErrMalformed.WithMessage("the body is not UTF-8")
	case e.ID == "":
		return fault.ErrInvalid.With("id", "is required")
	}
	for field, text := range map[string]string{
		"id": e.ID, "type": e.Kind, "reference": e.Reference, "reason": e.Failure + e.Cause.Words,
	} {
		if strings.ContainsRune(text, 0) {
			return fault.ErrInvalid.With(field, "must not contain a NUL character")
		}
	}
	return nil
}

// Record is a charge in a provider's records.
type Record struct {
	OrderID   shop.OrderID // nil if the charge is not of this shop
	Reference string
	Amount    shop.Money
	Refunded  shop.Money
	Currency  string
	At        time.Time
}

// Provider is a payment provider. Its methods are idempotent, because they are repeated after a crash or a lost
// response. A reference may be empty: the response that carried it may be lost.
type Provider interface {
	Name() string
	// Charge fails with ErrDeclined, or with ErrTimeout if the result is unknown; other errors are temporary.
	Charge(ctx context.Context, c Charge) (Receipt, error)
	// Find returns the result of a charge, as Charge does. It fails with ErrNotFound if the provider has no such
	// charge.
	Find(ctx context.Context, id shop.OrderID, reference string) (Receipt, error)
	// Refund refunds a part of a charge. It fails with ErrNothingLeft if less than that is left of the charge, and with
	// ErrRefused permanently.
	Refund(ctx context.Context, r Refund, reference string) error
	// Void refunds what is left of a charge, or cancels it if it is not settled. refund is the refund's id at the
	// provider, or nil. It fails with ErrRefused permanently.
	Void(ctx context.Context, id shop.OrderID, reference string, refund uuid.UUID) error
	// ParseWebhook verifies the signature of a message's exact bytes and parses it. It fails with ErrSignature.
	ParseWebhook(body []byte, signature string) (WebhookEvent, error)
	// ListCharges calls fn with the charges of a time range that are not fully refunded, until fn fails.
	ListCharges(ctx context.Context, since, until time.Time, fn func(Record) error) error
}

// State is the state of a payment.
type State string

// A Pending payment becomes Approved or Declined by the provider's response. When the order is cancelled, a payment
// that was not declined becomes Voided.
const (
	Pending  State = "pending"
	Approved State = "approved"
	Declined State = "declined"
	Voided   State = "voided"
)

// Payment is the payment of an order.
type Payment struct {
	OrderID     shop.OrderID `json:"-"`
	Provider    string       `json:"provider"` // "none" if there is nothing to pay
	Amount      shop.Money   `json:"amount"`
	Currency    string       `json:"currency"`
	State       State        `json:"state" validate:"oneof=pending approved declined voided"`
	Reference   string       `json:"reference"`
	Reason      string       `json:"reason,omitempty"` // why it was declined, for people
	Attempts    int          `json:"attempts"`
	RequestedAt time.Time    `json:"requested_at"`
	SettledAt   *time.Time   `json:"settled_at"`

	ReasonCode shop.Reason `json:"-"`
}

// result is the result of the charge.
func (p Payment) result() (Receipt, error) {
	switch p.State {
	case Approved:
		return Receipt{p.Reference}, nil
	case Declined:
		return Receipt{}, NewDeclined(shop.Cause{Code: p.ReasonCode, Words: p.Reason})
	case Voided:
		return Receipt{}, NewDeclined(shop.Cause{Code: shop.PaymentVoided})
	case Pending:
	}
	return Receipt{}, ErrTimeout
}

// NewDeclined returns ErrDeclined with a cause, which DeclineCause returns.
func NewDeclined(cause shop.Cause) error {
	if cause == (shop.Cause{}) {
		cause.Code = shop.PaymentDeclined
	}
	return ErrDeclined.WithMessage(cause.Text()).Wrap(declineCause(cause))
}

// DeclineCause returns the cause of an ErrDeclined.
func DeclineCause(err error) shop.Cause {
	var cause declineCause
	if errors.As(err, &cause) {
		return shop.Cause(cause)
	}
	return shop.Cause{Code: shop.PaymentDeclined}
}

type declineCause shop.Cause

func (d declineCause) Error() string { return shop.Cause(d).Text() }

// The faults of payments. The message of ErrDeclined is its cause.
var (
	ErrDeclined            = fault.New(fault.Conflict, "payment_declined", shop.PaymentDeclined.Text())
	ErrNothingLeft         = fault.New(fault.Conflict, "payment_nothing_left", "the refund exceeds what is left of the charge")
	ErrRefused             = fault.New(fault.Conflict, "refund_refused", "the payment provider refused the refund")
	ErrTimeout             = fault.New(fault.TimedOut, "payment_timeout", "the payment provider did not respond in time")
	ErrProvider            = fault.New(fault.Unavailable, "payment_provider", "the payment provider is unavailable")
	ErrNotFound            = fault.New(fault.NotFound, "payment_unknown", "the payment provider has no such charge")
	ErrSignature           = fault.New(fault.Unauthenticated, "webhook_signature", "the signature is not the payment provider's")
	ErrUnknownProvider     = fault.New(fault.NotFound, "unknown_provider", "there is no such payment provider")
	ErrDiscrepancyNotFound = fault.New(fault.NotFound, "discrepancy_not_found", "there is no such discrepancy")
	ErrNotRefundable       = fault.New(fault.Conflict, "not_refundable", "a discrepancy of this kind cannot be refunded")
)

// PaymentDiscrepancy is a difference between the provider's records and the shop's. An unresolved one waits for an
// admin.
type PaymentDiscrepancy struct {
	ID         int64           `json:"id"`
	Kind       DiscrepancyKind `json:"kind" validate:"oneof=charged_without_order charged_and_cancelled paid_without_charge amount_differs refund_refused refund_missing not_compared"`
	OrderID    shop.OrderID    `json:"order_id"`
	Provider   string          `json:"provider"`
	Reference  string          `json:"reference"`
	Amount     shop.Money      `json:"amount"`
	Currency   string          `json:"currency"`
	FoundAt    time.Time       `json:"found_at"`
	ResolvedAt *time.Time      `json:"resolved_at"`
}

// DiscrepancyKind is the kind of a discrepancy.
type DiscrepancyKind string

// The first two are repaired: the charge is refunded. The others are only reported, and resolved when they no longer
// exist, except AmountDiffers. NotCompared is a payment whose comparison failed; it is compared again, less and less
// often.
const (
	ChargedWithoutOrder DiscrepancyKind = "charged_without_order"
	ChargedAndCancelled DiscrepancyKind = "charged_and_cancelled"
	PaidWithoutCharge   DiscrepancyKind = "paid_without_charge"
	AmountDiffers       DiscrepancyKind = "amount_differs"
	RefundRefused       DiscrepancyKind = "refund_refused"
	RefundMissing       DiscrepancyKind = "refund_missing"
	NotCompared         DiscrepancyKind = "not_compared"
)
