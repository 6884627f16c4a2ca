// Package stock is how much of each product there is and who has spoken for it. It is where overselling is made
// impossible: a reservation takes all of its lines or none, and no product can have more reserved than it has.
package stock

import (
	"fmt"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Level is how much of a product there is. Available is OnHand less Reserved, and never negative.
type Level struct {
	ProductID int64 `json:"product_id"`
	OnHand    int   `json:"on_hand"`
	Reserved  int   `json:"reserved"`
	Available int   `json:"available"`
}

// Wanted is what an order wants of a product.
type Wanted struct {
	ProductID int64 `json:"product_id" validate:"required,min=1"`
	Quantity  int   `json:"quantity" validate:"required,min=1,max=1000000"`
}

// Held is a line of a reservation with what the product is called and costs at this moment.
type Held struct {
	ProductID int64      `json:"product_id"`
	SKU       string     `json:"sku"`
	Name      string     `json:"name"`
	Quantity  int        `json:"quantity"`
	UnitPrice shop.Money `json:"unit_price"`
	Currency  string     `json:"currency"`
}

// Reservation is stock that an order has spoken for. It is given back by itself after ExpiresAt unless the order
// commits to it.
type Reservation struct {
	OrderID   shop.OrderID `json:"order_id"`
	State     State        `json:"state"`
	Lines     []Held       `json:"lines"`
	ExpiresAt time.Time    `json:"expires_at"`
}

// State is how far a reservation has come.
type State string

// Held becomes Committed (sold) or Released (given back or expired); Committed becomes Returned (back on the shelf).
const (
	StateHeld      State = "held"
	StateCommitted State = "committed"
	StateReleased  State = "released"
	StateReturned  State = "returned"
)

// What can go wrong with stock. ErrOutOfStock names each short line by its place in what was wanted.
var (
	ErrNotFound   = fault.New(fault.NotFound, "product_not_found", "there is no such product")
	ErrUnknown    = fault.New(fault.Invalid, "unknown_product", "some products do not exist")
	ErrOutOfStock = fault.New(fault.Conflict, "out_of_stock", "there is not enough left of some products")
	ErrReleased   = fault.New(fault.Conflict, "reservation_released", "the reservation has expired or was given back")
)

// taken is what one attempt to reserve found for one wanted line.
type taken struct {
	Place     int  // in what was wanted, from 0
	Known     bool // the product exists and is on sale
	Enough    bool
	Available int
}

// refusal is nil if every line can be had, else ErrUnknown or ErrOutOfStock naming the lines at fault.
func refusal(lines []taken) error {
	unknown, short := ErrUnknown, ErrOutOfStock
	for _, l := range lines {
		switch {
		case !l.Known:
			unknown = unknown.With(fmt.Sprintf("items[%d].product_id", l.Place), "there is no such product")
		case !l.Enough && l.Available == 0:
			short = short.With(fmt.Sprintf("items[%d].quantity", l.Place), "none left")
		case !l.Enough:
			short = short.With(fmt.Sprintf("items[%d].quantity", l.Place), fmt.Sprintf("only %d left", l.Available))
		}
	}
	switch {
	case len(unknown.Fields) > 0:
		return unknown
	case len(short.Fields) > 0:
		return short
	}
	return nil
}
