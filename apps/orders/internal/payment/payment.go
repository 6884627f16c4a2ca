// Package payment takes money and gives it back, through a provider.
package payment

import (
	"context"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Charge is what to take for an order. Key makes it happen once: a second charge with the same key answers what became
// of the first.
type Charge struct {
	Key      shop.OrderID
	Amount   shop.Money
	Currency string
	Token    string // what the provider made of the buyer's card; empty for methods without one
}

// Receipt is a charge that was made.
type Receipt struct {
	Reference string `json:"reference"`
}

// Refund is what to give back of a charge. ID makes it happen once.
type Refund struct {
	ID       uuid.UUID
	Key      shop.OrderID
	Amount   shop.Money
	Currency string
}

// Provider moves money. All methods may be called again after a crash or a lost answer, and then change nothing more.
type Provider interface {
	// Charge fails with ErrDeclined for good, with anything else for now.
	Charge(ctx context.Context, c Charge) (Receipt, error)
	// Refund gives back a part of a charge. It fails with ErrNothingLeft where less than that is left of it.
	Refund(ctx context.Context, r Refund) error
	// CallOff gives back what is left of a charge, if it was made, and makes sure that it cannot be made later.
	CallOff(ctx context.Context, key shop.OrderID) error
}

// What can go wrong with payments. ErrDeclined says why in its message.
var (
	ErrDeclined    = fault.New(fault.Conflict, "payment_declined", "the payment was declined")
	ErrNothingLeft = fault.New(fault.Conflict, "payment_nothing_left", "there is less left of the charge than that")
	ErrNoAnswer    = fault.New(fault.TimedOut, "payment_timeout", "the payment provider did not answer in time")
	ErrProvider    = fault.New(fault.Unavailable, "payment_provider", "the payment provider has a problem")
)
