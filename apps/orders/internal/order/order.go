// Package order stores orders, and changes their status.
package order

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Status is the status of an order.
type Status string

// The statuses.
const (
	Pending           Status = "pending"
	Paid              Status = "paid"
	Shipped           Status = "shipped"
	Delivered         Status = "delivered"
	Cancelled         Status = "cancelled"
	Refunded          Status = "refunded"
	PartiallyRefunded Status = "partially_refunded"
)

// transitions are the statuses that may follow the status of the goods. Cancelled and Refunded are final.
var transitions = map[Status][]Status{
	Pending:   {Paid, Cancelled},
	Paid:      {Shipped, Cancelled, Refunded, PartiallyRefunded},
	Shipped:   {Delivered, Refunded, PartiallyRefunded},
	Delivered: {Refunded, PartiallyRefunded},
}

// CanBecome reports whether another status may follow the order's current one.
func (o Order) CanBecome(other Status) bool {
	return slices.Contains(transitions[o.GoodsStatus()], other)
}

// GoodsStatus is the status of the goods: the order's status, except that a partial refund does not move goods.
func (o Order) GoodsStatus() Status {
	switch {
	case o.Status != PartiallyRefunded:
		return o.Status
	case o.DeliveredAt != nil:
		return Delivered
	case o.ShippedAt != nil:
		return Shipped
	}
	return Paid
}

// OrderItem is a product and its quantity.
type OrderItem struct {
	ProductID int64 `json:"product_id" validate:"required,min=1" example:"1"`
	Quantity  int   `json:"quantity" validate:"required,min=1,max=1000" example:"1"`
}

// NewAddress is the shipping address of a new order. Country is a code of ISO 3166-1 or a name. PostalCode is required
// in countries whose addresses need one, and where the country is not known; State in Australia, Canada and the United
// States. No part is compared with lists of places.
type NewAddress struct {
	Street     string `json:"street" validate:"required,notblank,line,max=200" example:"12 St James's Square"`
	City       string `json:"city" validate:"required,notblank,line,max=120" example:"London"`
	State      string `json:"state" validate:"state=Country,line,max=120"`
	PostalCode string `json:"postal_code" validate:"postalcode=Country,line,max=20" example:"SW1Y 4JH"`
	Country    string `json:"country" validate:"required,notblank,line,max=60" example:"GB"`
}

// Address is an order's shipping address. Once its buyer's account is erased, only the country is left.
type Address struct {
	Street     string `json:"street"`
	City       string `json:"city"`
	State      string `json:"state"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
}

// Checkout is how an order is shipped and paid. PaymentToken is the payment provider's token of a card; card numbers
// are never accepted.
type Checkout struct {
	idempotency.Key
	ShippingAddress NewAddress `json:"shipping_address" validate:"required"`
	PaymentMethod   string     `json:"payment_method" validate:"required,oneof=credit_card debit_card paypal bank_transfer apple_pay google_pay" example:"credit_card"`
	PaymentToken    string     `json:"payment_token" validate:"max=255,line"`
}

// NewOrder is an order to place.
type NewOrder struct {
	Checkout
	Items []OrderItem `json:"items" validate:"required,min=1,max=100,dive"`
}

// Order is one purchase. Refunded is the part of Total that was or is being refunded.
type Order struct {
	ID              shop.OrderID     `json:"id"`
	Number          string           `json:"number"`
	UserID          shop.UserID      `json:"user_id"`
	Status          Status           `json:"status" validate:"oneof=pending paid shipped delivered cancelled refunded partially_refunded"`
	Items           []shop.OrderLine `json:"items"`
	Total           shop.Money       `json:"total"`
	Refunded        shop.Money       `json:"refunded"`
	Currency        string           `json:"currency"`
	ShippingAddress Address          `json:"shipping_address"`
	PaymentMethod   string           `json:"payment_method"`
	Carrier         string           `json:"carrier,omitempty"`
	TrackingNumber  string           `json:"tracking_number,omitempty"`
	PlacedAt        time.Time        `json:"placed_at"`
	PaidAt          *time.Time       `json:"paid_at,omitempty"`
	ShippedAt       *time.Time       `json:"shipped_at,omitempty"`
	DeliveredAt     *time.Time       `json:"delivered_at,omitempty"`
	UpdatedAt       time.Time        `json:"updated_at"`
	History         []StatusChange   `json:"history,omitempty"`
	Refunds         []Refund         `json:"refunds,omitempty"`
	Admin           *Diagnostics     `json:"admin,omitempty"`
}

// OrderItems are the products and quantities of the order.
func (o Order) OrderItems() []OrderItem {
	items := make([]OrderItem, len(o.Items))
	for i, l := range o.Items {
		items[i] = OrderItem{ProductID: l.ProductID, Quantity: l.Quantity}
	}
	return items
}

// Cancellation is why an order is cancelled, for people: it is in the order's history and in the notification of the
// buyer.
type Cancellation struct {
	Reason string `json:"reason" validate:"max=500,line" example:"changed my mind"`
}

// Shipment is how an order is shipped.
type Shipment struct {
	Carrier        string `json:"carrier" validate:"required,notblank,line,max=60" example:"DHL"`
	TrackingNumber string `json:"tracking_number" validate:"line,max=100" example:"00340434161094000000"`
}

// String is the reason of the status change in the history.
func (s Shipment) String() string { return strings.TrimSpace(s.Carrier + " " + s.TrackingNumber) }

// StatusChange is an entry of an order's history. By is a user's id, or "system". Reason is for people and may be
// empty.
type StatusChange struct {
	Status     Status      `json:"status" validate:"oneof=pending paid shipped delivered cancelled refunded partially_refunded"`
	At         time.Time   `json:"at"`
	By         string      `json:"by"`
	Reason     string      `json:"reason"`
	ReasonCode shop.Reason `json:"-"`
}

// System is the author of changes that no user made.
const System = "system"

// The faults of orders.
var (
	ErrNotFound        = fault.New(fault.NotFound, "order_not_found", "there is no such order")
	ErrTransition      = fault.New(fault.Conflict, "order_transition", "the order's status does not allow this")
	ErrOutOfStock      = fault.New(fault.Conflict, "out_of_stock", "some products are out of stock")
	ErrUnknownProduct  = fault.New(fault.Invalid, "unknown_product", "some products do not exist")
	ErrMixedCurrencies = fault.New(fault.Invalid, "mixed_currencies", "an order has one currency")
	ErrCardNumber      = fault.ErrInvalid.WithMessage("card numbers are not accepted").
				With("payment_token", "is a card number: send the token of your payment provider")
	ErrRefundTooLarge = fault.New(fault.Conflict, "refund_too_much", "the refund exceeds what is left of the order")
	ErrNotFailed      = fault.New(fault.Conflict, "refund_not_failed", "there is no such failed refund")
	ErrNotInOrder     = fault.New(fault.Invalid, "not_in_order", "some products are not in this order")
	ErrForbidden      = fault.New(fault.Forbidden, "forbidden", "only an admin may list the orders of other users")
)

// mergeItems adds up items of the same product in their order. first holds the position of each merged item's first
// occurrence. It fails if a product's quantity exceeds 1,000.
func mergeItems(items []OrderItem) (merged []OrderItem, first []int, err error) {
	positions := map[int64]int{}
	for i, item := range items {
		j, seen := positions[item.ProductID]
		if !seen {
			positions[item.ProductID] = len(merged)
			merged, first = append(merged, item), append(first, i)
			continue
		}
		if merged[j].Quantity += item.Quantity; merged[j].Quantity > 1000 {
			return nil, nil, fault.ErrInvalid.With(fmt.Sprintf("items[%d].quantity", i), "makes more than 1000 of one product")
		}
	}
	return merged, first, nil
}

// matches reports whether the reserved lines are those of items, which are of different products.
func matches(items []OrderItem, lines []Reserved) bool {
	quantities := map[int64]int{}
	for _, item := range items {
		quantities[item.ProductID] = item.Quantity
	}
	for _, l := range lines {
		if quantities[l.ProductID] != l.Quantity {
			return false
		}
	}
	return len(lines) == len(items)
}

// isCard reports whether text is a payment card's number: 13 to 19 digits, with spaces and hyphens between them, that
// satisfy the Luhn checksum.
func isCard(text string) bool {
	sum, n := 0, 0
	for i := len(text) - 1; i >= 0; i-- {
		ch := text[i]
		if ch == ' ' || ch == '-' {
			continue
		}
		if ch < '0' || ch > '9' {
			return false
		}
		digit := int(ch - '0')
		if n%2 == 1 {
			if digit *= 2; digit > 9 {
				digit -= 9
			}
		}
		sum, n = sum+digit, n+1
	}
	return n >= 13 && n <= 19 && sum%10 == 0
}

// newNumber makes an order number of 50 random bits, in Crockford's alphabet, which has no characters that look alike.
func newNumber() string {
	b := make([]byte, 7)
	_, _ = rand.Read(b) // never fails
	text := base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding).EncodeToString(b)
	return "SC-" + text[:5] + "-" + text[5:10]
}

// errTotalTooLarge is the fault of an order whose total exceeds the largest amount.
var errTotalTooLarge = fault.ErrInvalid.With("items", "come to 1000000000000 or more")

// total adds up reserved lines. It fails with ErrMixedCurrencies or errTotalTooLarge.
func total(lines []Reserved) (items []shop.OrderLine, sum shop.Money, currency string, err error) {
	for _, l := range lines {
		if currency == "" {
			currency = l.Currency
		}
		if l.Currency != currency {
			return nil, sum, "", ErrMixedCurrencies
		}
		if l.UnitPrice, err = l.UnitPrice.In(currency); err != nil { // a price may predate the table of currencies
			return nil, sum, "", fault.ErrInvalid.Wrap(err)
		}
		lineTotal, err := l.UnitPrice.Times(l.Quantity)
		if err == nil {
			sum, err = sum.Plus(lineTotal)
		}
		if err != nil {
			return nil, sum, "", errTotalTooLarge
		}
		items = append(items, shop.OrderLine{
			ProductID: l.ProductID, SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, UnitPrice: l.UnitPrice, Total: lineTotal,
		})
	}
	return items, sum, currency, nil
}
