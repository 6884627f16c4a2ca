// Package order is what has been bought, by whom, and how far it has come.
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

// Status is how far an order has come.
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

// transitions is the whole life of an order: from where its goods are, what it may become. Cancelled and Refunded are its ends.
var transitions = map[Status][]Status{
	Pending:   {Paid, Cancelled},
	Paid:      {Shipped, Cancelled, Refunded, PartiallyRefunded},
	Shipped:   {Delivered, Refunded, PartiallyRefunded},
	Delivered: {Refunded, PartiallyRefunded},
}

// CanBecome says whether the order's life allows another status now.
func (o Order) CanBecome(other Status) bool {
	return slices.Contains(transitions[o.GoodsStatus()], other)
}

// GoodsStatus is how far the goods have come. It is the status, but that a partial refund does not move goods.
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

// OrderItem is what a buyer asks for of one product.
type OrderItem struct {
	ProductID int64 `json:"product_id" validate:"required,min=1" example:"1"`
	Quantity  int   `json:"quantity" validate:"required,min=1,max=1000" example:"1"`
}

// Address is where an order goes.
type Address struct {
	Street     string `json:"street" validate:"required,notblank,line,max=200" example:"12 St James's Square"`
	City       string `json:"city" validate:"required,notblank,line,max=120" example:"London"`
	State      string `json:"state" validate:"line,max=120"`
	PostalCode string `json:"postal_code" validate:"required,notblank,line,max=20" example:"SW1Y 4JH"`
	Country    string `json:"country" validate:"required,notblank,line,max=60" example:"GB"`
}

// NewOrder is what a buyer says when they buy. PaymentToken is what a payment provider made of a card; the card itself is
// never accepted.
type NewOrder struct {
	idempotency.Key
	Items           []OrderItem `json:"items" validate:"required,min=1,max=100,dive"`
	ShippingAddress Address     `json:"shipping_address" validate:"required"`
	PaymentMethod   string      `json:"payment_method" validate:"required,oneof=credit_card debit_card paypal bank_transfer apple_pay google_pay" example:"credit_card"`
	PaymentToken    string      `json:"payment_token" validate:"max=255,line"`
}

// Order is one purchase. Refunded is what of Total went back, or is on its way back.
type Order struct {
	ID              shop.OrderID     `json:"id"`
	Number          string           `json:"number"`
	UserID          shop.UserID      `json:"user_id"`
	Status          Status           `json:"status"`
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

// OrderItems is what the buyer asked for.
func (o Order) OrderItems() []OrderItem {
	items := make([]OrderItem, len(o.Items))
	for i, l := range o.Items {
		items[i] = OrderItem{ProductID: l.ProductID, Quantity: l.Quantity}
	}
	return items
}

// Shipment is how an order is sent.
type Shipment struct {
	Carrier        string `json:"carrier" validate:"required,notblank,line,max=60" example:"DHL"`
	TrackingNumber string `json:"tracking_number" validate:"line,max=100" example:"00340434161094000000"`
}

// StatusChange is one change of an order's status. By is the id of a person, or "system". Reason is the text of ReasonCode
// where there is one.
type StatusChange struct {
	Status     Status      `json:"status"`
	At         time.Time   `json:"at"`
	By         string      `json:"by"`
	Reason     string      `json:"reason"`
	ReasonCode shop.Reason `json:"-"`
}

// System is who did it where nobody did.
const System = "system"

// String is the parcel in a few words, for the history.
func (p Shipment) String() string {
	return strings.TrimSpace(p.Carrier + " " + p.TrackingNumber)
}

// What can go wrong with orders.
var (
	ErrNotFound        = fault.New(fault.NotFound, "order_not_found", "there is no such order")
	ErrTransition      = fault.New(fault.Conflict, "order_transition", "the order is past that point")
	ErrOutOfStock      = fault.New(fault.Conflict, "out_of_stock", "there is not enough left of some products")
	ErrUnknownProduct  = fault.New(fault.Invalid, "unknown_product", "some products do not exist")
	ErrMixedCurrencies = fault.New(fault.Invalid, "mixed_currencies", "one order has one currency")
	ErrCardNumber      = fault.ErrInvalid.WithMessage("card numbers are not accepted here").
				With("payment_token", "is a card number: send what your payment provider made of it")
	ErrRefundTooLarge = fault.New(fault.Conflict, "refund_too_much", "there is less left of the order than that")
	ErrNotFailed      = fault.New(fault.Conflict, "refund_not_failed", "there is no such refund that failed")
	ErrNotInOrder     = fault.New(fault.Invalid, "not_in_order", "some products are not in this order")
	ErrForbidden      = fault.New(fault.Forbidden, "forbidden", "only an admin may look for other people's orders")
)

// mergeItems adds up items of the same product, in the order they came, and says which item each line began with. It fails
// as invalid if a product adds up to more than 1,000.
func mergeItems(items []OrderItem) (lines []OrderItem, first []int, err error) {
	at := map[int64]int{}
	for i, item := range items {
		j, seen := at[item.ProductID]
		if !seen {
			at[item.ProductID] = len(lines)
			lines, first = append(lines, item), append(first, i)
			continue
		}
		if lines[j].Quantity += item.Quantity; lines[j].Quantity > 1000 {
			return nil, nil, fault.ErrInvalid.With(fmt.Sprintf("items[%d].quantity", i), "makes more than 1000 of one product")
		}
	}
	return lines, first, nil
}

// matches says whether lines are what was asked for, of different products.
func matches(items []OrderItem, lines []Reserved) bool {
	asked := map[int64]int{}
	for _, item := range items {
		asked[item.ProductID] = item.Quantity
	}
	for _, l := range lines {
		if asked[l.ProductID] != l.Quantity {
			return false
		}
	}
	return len(lines) == len(items)
}

// isCard says whether a text is the number of a payment card: 13 to 19 digits, spaces and hyphens apart, that pass Luhn's
// check.
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

// newNumber is how people call an order: 50 random bits, in letters and digits that are not confused (Crockford).
func newNumber() string {
	b := make([]byte, 7)
	_, _ = rand.Read(b) // never fails
	text := base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding).EncodeToString(b)
	return "SC-" + text[:5] + "-" + text[5:10]
}

// errTotalTooLarge is what an order is that comes to more than an amount may be, which nobody could read any more.
var errTotalTooLarge = fault.ErrInvalid.With("items", "come to 1000000000000 or more")

// total adds up lines. It fails with ErrCurrencies, or with errTooLarge.
func total(lines []Reserved) (items []shop.OrderLine, sum shop.Money, currency string, err error) {
	for i, l := range lines {
		if i == 0 {
			currency = l.Currency
		}
		if l.Currency != currency {
			return nil, sum, "", ErrMixedCurrencies
		}
		if l.UnitPrice, err = l.UnitPrice.In(currency); err != nil { // a price may be older than the table of currencies
			return nil, sum, "", fault.ErrInvalid.Wrap(err)
		}
		lineTotal, err := l.UnitPrice.Times(l.Quantity)
		if err != nil {
			return nil, sum, "", errTotalTooLarge
		}
		if sum, err = sum.Plus(lineTotal); err != nil {
			return nil, sum, "", errTotalTooLarge
		}
		items = append(items, shop.OrderLine{
			ProductID: l.ProductID, SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, UnitPrice: l.UnitPrice, Total: lineTotal,
		})
	}
	return items, sum, currency, nil
}
