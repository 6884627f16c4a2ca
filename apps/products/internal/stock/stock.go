// Package stock is how much of each product there is and who has spoken for it. It is where overselling is made
// impossible: a reservation takes all of its lines or none, and no product can have more reserved than it has.
package stock

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// StockLevel is how much of a product there is. Available is OnHand less Reserved, and never negative; from LowStockThreshold
// on the product is low.
type StockLevel struct {
	ProductID         int64 `json:"product_id"`
	OnHand            int   `json:"on_hand"`
	Reserved          int   `json:"reserved"`
	Available         int   `json:"available"`
	LowStockThreshold int   `json:"low_stock_threshold"`
}

// StockMovement is one line of a product's ledger: on_hand changed by Delta and was Balance afterwards. OrderID says for
// which order, By which admin did it; either may be missing.
type StockMovement struct {
	ID        int64      `json:"id"`
	ProductID int64      `json:"product_id"`
	Delta     int        `json:"delta"`
	Balance   int        `json:"balance"`
	Reason    string     `json:"reason"`
	OrderID   *uuid.UUID `json:"order_id"`
	By        *uuid.UUID `json:"by"`
	MovedAt   time.Time  `json:"moved_at"`
}

// StockAdjustment is what an admin says of goods that came, went or were counted again.
type StockAdjustment struct {
	idempotency.Key
	Delta  int    `json:"delta" validate:"required,min=-1000000000,max=1000000000"`
	Reason string `json:"reason" validate:"required,notblank,line,max=200"`
}

// StockAdjustmentResult is how much there is after an adjustment, and its line in the ledger.
type StockAdjustmentResult struct {
	StockLevel
	Movement StockMovement `json:"movement"`
}

// Item is what an order wants of a product.
type Item struct {
	ProductID int64 `json:"product_id" validate:"required,min=1"`
	Quantity  int   `json:"quantity" validate:"required,min=1,max=1000000"`
}

// ReservationLine is a line of a reservation with what the product is called and costs at this moment.
type ReservationLine struct {
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
	OrderID   shop.OrderID      `json:"order_id"`
	State     State             `json:"state"`
	Lines     []ReservationLine `json:"lines"`
	ExpiresAt time.Time         `json:"expires_at"`
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
	ErrNotFound        = fault.New(fault.NotFound, "product_not_found", "there is no such product")
	ErrUnknownProduct  = fault.New(fault.Invalid, "unknown_product", "some products do not exist")
	ErrOutOfStock      = fault.New(fault.Conflict, "out_of_stock", "there is not enough left of some products")
	ErrMixedCurrencies = fault.New(fault.Invalid, "mixed_currencies", "one order has one currency")
	ErrReleased        = fault.New(fault.Conflict, "reservation_released", "the reservation has expired or was given back")
	ErrReserved        = fault.New(fault.Conflict, "stock_reserved", "so much of it cannot go: orders have spoken for it")
	ErrTooMuch         = fault.ErrInvalid.With("delta", fmt.Sprintf("there cannot be more than %d", maxOnHand))
	ErrInStock         = fault.New(fault.Conflict, "in_stock", "it can be bought right now")
)

// maxOnHand is how much there can be of one product.
const maxOnHand = 1_000_000_000

// lineResult is what one attempt to reserve found for one wanted line, before it took anything.
type lineResult struct {
	Index     int  // in what was wanted, from 0
	Known     bool // the product exists and is on sale
	Enough    bool
	Available int
	Threshold int
	ReservationLine
}

// reserveFault is nil if every line can be had, else ErrUnknownProduct or ErrOutOfStock naming the lines at fault, or ErrMixedCurrencies: no order
// could be made of what was reserved then.
func reserveFault(lines []lineResult) error {
	unknown, short := ErrUnknownProduct, ErrOutOfStock
	for _, l := range lines {
		switch {
		case !l.Known:
			unknown = unknown.With(fmt.Sprintf("items[%d].product_id", l.Index), "there is no such product")
		case !l.Enough && l.Available == 0:
			short = short.With(fmt.Sprintf("items[%d].quantity", l.Index), "none left")
		case !l.Enough:
			short = short.With(fmt.Sprintf("items[%d].quantity", l.Index), fmt.Sprintf("only %d left", l.Available))
		}
	}
	switch {
	case len(unknown.Fields) > 0:
		return unknown
	case len(short.Fields) > 0:
		return short
	case slices.ContainsFunc(lines, func(l lineResult) bool { return l.Currency != lines[0].Currency }):
		return ErrMixedCurrencies
	}
	return nil
}

// reservationLines is what was taken as lines of a reservation, by product.
func reservationLines(lines []lineResult) []ReservationLine {
	all := make([]ReservationLine, len(lines))
	for i, l := range lines {
		all[i] = l.ReservationLine
	}
	slices.SortFunc(all, func(a, b ReservationLine) int { return int(a.ProductID - b.ProductID) })
	return all
}
