// Package stock manages stock levels, the ledger of stock movements, reservations and stock alerts. It makes
// overselling impossible: a reservation takes all of its lines or none, and no product has more reserved than on hand.
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

// StockLevel is the stock of a product. Available is OnHand less Reserved and never negative. The product is low when
// Available is at most LowStockThreshold.
type StockLevel struct {
	ProductID         int64 `json:"product_id"`
	OnHand            int   `json:"on_hand"`
	Reserved          int   `json:"reserved"`
	Available         int   `json:"available"`
	LowStockThreshold int   `json:"low_stock_threshold"`
}

// StockMovement is an entry of a product's ledger: on_hand changed by Delta and was Balance afterwards. A sale or a
// return has an OrderID, an adjustment has the admin (By).
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

// StockAdjustment is an admin's change of the stock on hand.
type StockAdjustment struct {
	idempotency.Key
	Delta  int    `json:"delta" validate:"required,min=-1000000000,max=1000000000" example:"10"`
	Reason string `json:"reason" validate:"required,notblank,line,max=200" example:"delivery"`
}

// StockAdjustmentResult is the stock after an adjustment, and its ledger entry.
type StockAdjustmentResult struct {
	StockLevel
	Movement StockMovement `json:"movement"`
}

// Item is a quantity of a product in an order.
type Item struct {
	ProductID int64 `json:"product_id" validate:"required,min=1"`
	Quantity  int   `json:"quantity" validate:"required,min=1,max=1000000"`
}

// ReservationLine is a reserved item with the product's name and price as of the reservation.
type ReservationLine struct {
	ProductID int64      `json:"product_id"`
	SKU       string     `json:"sku"`
	Name      string     `json:"name"`
	Quantity  int        `json:"quantity"`
	UnitPrice shop.Money `json:"unit_price"`
	Currency  string     `json:"currency"`
}

// Reservation is the stock reserved for an order. It is released after ExpiresAt unless the order commits it.
type Reservation struct {
	OrderID   shop.OrderID      `json:"order_id"`
	State     State             `json:"state"`
	Lines     []ReservationLine `json:"lines"`
	ExpiresAt time.Time         `json:"expires_at"`
}

// State is the state of a reservation.
type State string

// Held becomes Committed (sold) or Released (cancelled or expired). Committed becomes Returned (restocked).
const (
	StateHeld      State = "held"
	StateCommitted State = "committed"
	StateReleased  State = "released"
	StateReturned  State = "returned"
)

// Errors of stock. ErrOutOfStock and ErrUnknownProduct name the items by index.
var (
	ErrNotFound        = fault.New(fault.NotFound, "product_not_found", "there is no such product")
	ErrUnknownProduct  = fault.New(fault.Invalid, "unknown_product", "some products do not exist")
	ErrOutOfStock      = fault.New(fault.Conflict, "out_of_stock", "some products do not have enough stock")
	ErrMixedCurrencies = fault.New(fault.Invalid, "mixed_currencies", "one order has one currency")
	ErrReleased        = fault.New(fault.Conflict, "reservation_released", "the reservation has expired or was released")
	ErrReserved        = fault.New(fault.Conflict, "stock_reserved", "orders have reserved more than would be left")
	ErrTooMuch         = fault.ErrInvalid.With("delta", fmt.Sprintf("there cannot be more than %d", maxOnHand))
	ErrInStock         = fault.New(fault.Conflict, "in_stock", "the product is in stock")
)

const maxOnHand = 1_000_000_000

// lineResult is the result of one item of a reservation. Available is as of before the reservation.
type lineResult struct {
	Index     int  // of the item, from 0
	Known     bool // the product exists and is on sale
	Enough    bool
	Available int
	Threshold int
	ReservationLine
}

// reserveFault returns ErrUnknownProduct, ErrOutOfStock or ErrMixedCurrencies, or nil if all lines can be reserved.
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

// reservationLines returns the lines of a reservation, by product.
func reservationLines(lines []lineResult) []ReservationLine {
	all := make([]ReservationLine, len(lines))
	for i, l := range lines {
		all[i] = l.ReservationLine
	}
	slices.SortFunc(all, func(a, b ReservationLine) int { return int(a.ProductID - b.ProductID) })
	return all
}

func reservedChanges(lines []lineResult) []stockChange {
	changes := make([]stockChange, len(lines))
	for i, l := range lines {
		changes[i] = stockChange{
			ProductID: l.ProductID, SKU: l.SKU, Name: l.Name, OnSale: true,
			AvailableBefore: l.Available, Available: l.Available - l.Quantity,
			ThresholdBefore: l.Threshold, Threshold: l.Threshold,
		}
	}
	return changes
}
