// Package payment takes money and gives it back, through a provider, and knows of each order what became of it.
package payment

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Charge is what to take for an order. Key makes it happen once: a second charge with the same key answers what became
// of the first.
type Charge struct {
	OrderID  shop.OrderID
	Amount   shop.Money
	Currency string
	Token    string // what the provider made of the buyer's card; empty for methods without one
}

// Receipt is a charge that was made. Reference is the provider's name of it.
type Receipt struct {
	Reference string `json:"reference"`
}

// Refund is what to give back of a charge. ID makes it happen once.
type Refund struct {
	ID       uuid.UUID
	OrderID  shop.OrderID
	Amount   shop.Money
	Currency string
}

// WebhookEvent is a message of a provider: what became of a charge, or that a refund failed which it had taken on. ID is the
// same each time it is sent.
type WebhookEvent struct {
	ID, Kind  string
	OrderID   shop.OrderID // nil where the message is of something else
	State     State        // Approved or Declined; empty where it says neither
	Cause     shop.Cause   // of a Declined
	Reference string
	RefundID  uuid.UUID // by what it was asked for; nil unless it failed
	Failure   string    // why it failed
}

// Record is a charge as it stands in a provider's books.
type Record struct {
	OrderID   shop.OrderID // nil where it is of nobody we know
	Reference string
	Amount    shop.Money
	Refunded  shop.Money
	Currency  string
	At        time.Time
}

// Provider moves money. Its methods may be called again after a crash or a lost answer, and then change nothing more. A
// reference may be empty where it never came back.
type Provider interface {
	Name() string
	// Charge fails with ErrDeclined for good, with ErrNoAnswer where nobody knows yet, with anything else for now.
	Charge(ctx context.Context, c Charge) (Receipt, error)
	// Find says what became of a charge, as Charge does; ErrUnknown is one that the provider never heard of.
	Find(ctx context.Context, key shop.OrderID, reference string) (Receipt, error)
	// Refund refunds a part of a charge. It fails with ErrNothingLeft where less than that is left of it, and with
	// ErrRefused for good.
	Refund(ctx context.Context, r Refund, reference string) error
	// CallOff refunds what is left of a charge, if it was made, and ends it if it was not. The refund is what it is
	// asked for by, or nil. It fails with ErrRefused for good.
	Void(ctx context.Context, key shop.OrderID, reference string, refund uuid.UUID) error
	// Read checks a message's signature over its very bytes, and reads it. It fails with ErrSignature.
	ParseWebhook(body []byte, signature string) (WebhookEvent, error)
	// Between hands over what was taken from a moment to another and is not wholly given back, until fn fails.
	ListCharges(ctx context.Context, since, until time.Time, fn func(Record) error) error
}

// State is what the shop knows of a payment.
type State string

// Asked becomes Approved or Declined once the provider said so; any of them becomes CalledOff when the order ends.
const (
	Pending  State = "pending"
	Approved State = "approved"
	Declined State = "declined"
	Voided   State = "voided"
)

// Payment is what the shop knows of an order's payment.
type Payment struct {
	OrderID     shop.OrderID `json:"-"`
	Provider    string       `json:"provider"`
	Amount      shop.Money   `json:"amount"`
	Currency    string       `json:"currency"`
	State       State        `json:"state"`
	Reference   string       `json:"reference"`
	Reason      string       `json:"reason,omitempty"` // why it was declined: the text of ReasonCode where there is one
	Attempts    int          `json:"attempts"`
	RequestedAt time.Time    `json:"requested_at"`
	SettledAt   *time.Time   `json:"settled_at"`

	ReasonCode shop.Reason `json:"-"`
}

// result is a settled payment as Charge answers it.
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

// NewDeclined is ErrDeclined with its cause, which WhyDeclined finds again.
func NewDeclined(cause shop.Cause) error {
	if cause == (shop.Cause{}) {
		cause.Code = shop.PaymentDeclined
	}
	return ErrDeclined.WithMessage(cause.Text()).Wrap(declineCause(cause))
}

// DeclineCause is the cause of an ErrDeclined.
func DeclineCause(err error) shop.Cause {
	var cause declineCause
	if errors.As(err, &cause) {
		return shop.Cause(cause)
	}
	return shop.Cause{Code: shop.PaymentDeclined}
}

type declineCause shop.Cause

func (d declineCause) Error() string { return shop.Cause(d).Text() }

// What can go wrong with payments. ErrDeclined says why in its message.
var (
	ErrDeclined            = fault.New(fault.Conflict, "payment_declined", shop.PaymentDeclined.Text())
	ErrNothingLeft         = fault.New(fault.Conflict, "payment_nothing_left", "there is less left of the charge than that")
	ErrRefused             = fault.New(fault.Conflict, "refund_refused", "the payment provider does not give it back")
	ErrTimeout             = fault.New(fault.TimedOut, "payment_timeout", "the payment provider did not answer in time")
	ErrProvider            = fault.New(fault.Unavailable, "payment_provider", "the payment provider has a problem")
	ErrNotFound            = fault.New(fault.NotFound, "payment_unknown", "the payment provider knows nothing of it")
	ErrSignature           = fault.New(fault.Unauthenticated, "webhook_signature", "this message was not signed by the payment provider")
	ErrUnknownProvider     = fault.New(fault.NotFound, "unknown_provider", "there is no such payment provider")
	ErrDiscrepancyNotFound = fault.New(fault.NotFound, "discrepancy_not_found", "there is no such discrepancy")
	ErrNotRefundable       = fault.New(fault.Conflict, "not_refundable", "this discrepancy cannot be refunded automatically")
)

// PaymentDiscrepancy is a place where the provider's books and the shop's do not agree. One that is not mended waits for somebody.
type PaymentDiscrepancy struct {
	ID         int64           `json:"id"`
	Kind       DiscrepancyKind `json:"kind"`
	OrderID    shop.OrderID    `json:"order_id"`
	Provider   string          `json:"provider"`
	Reference  string          `json:"reference"`
	Amount     shop.Money      `json:"amount"`
	Currency   string          `json:"currency"`
	FoundAt    time.Time       `json:"found_at"`
	ResolvedAt *time.Time      `json:"resolved_at"`
}

// DiscrepancyKind is what does not agree.
type DiscrepancyKind string

// The first two are mended: the money goes back. The others are reported; those without a charge, and refunds that were
// refused or that the provider's books do not have, are noted as mended when they are in order again. What could not be
// compared, for an error, is looked at again and again, later each time.
const (
	ChargedWithoutOrder DiscrepancyKind = "charged_without_order"
	ChargedAndCancelled DiscrepancyKind = "charged_and_cancelled"
	PaidWithoutCharge   DiscrepancyKind = "paid_without_charge"
	AmountDiffers       DiscrepancyKind = "amount_differs"
	RefundRefused       DiscrepancyKind = "refund_refused"
	RefundMissing       DiscrepancyKind = "refund_missing"
	NotCompared         DiscrepancyKind = "not_compared"
)
