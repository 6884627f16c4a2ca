// Package order is what has been bought, by whom, and how far it has come.
package order

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"slices"
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

// next is the whole life of an order: from each status, what may come after it.
var next = map[Status][]Status{
	Pending:           {Paid, Cancelled},
	Paid:              {Shipped, Cancelled, Refunded, PartiallyRefunded},
	Shipped:           {Delivered, Refunded, PartiallyRefunded},
	Delivered:         {Refunded, PartiallyRefunded},
	PartiallyRefunded: {Refunded, PartiallyRefunded},
}

// MayBecome says whether one status may follow another.
func (s Status) MayBecome(other Status) bool { return slices.Contains(next[s], other) }

// Item is what a buyer asks for of one product.
type Item struct {
	ProductID int64 `json:"product_id" validate:"required,min=1"`
	Quantity  int   `json:"quantity" validate:"required,min=1,max=1000"`
}

// Address is where an order goes.
type Address struct {
	Street     string `json:"street" validate:"required,notblank,line,max=200"`
	City       string `json:"city" validate:"required,notblank,line,max=120"`
	State      string `json:"state" validate:"line,max=120"`
	PostalCode string `json:"postal_code" validate:"required,notblank,line,max=20"`
	Country    string `json:"country" validate:"required,notblank,line,max=60"`
}

// Basket is what a buyer says when they buy. PaymentToken is what a payment provider made of a card; the card itself is
// never accepted.
type Basket struct {
	idempotency.Key
	Items           []Item  `json:"items" validate:"required,min=1,max=100,dive"`
	ShippingAddress Address `json:"shipping_address" validate:"required"`
	PaymentMethod   string  `json:"payment_method" validate:"required,oneof=credit_card debit_card paypal bank_transfer apple_pay google_pay"`
	PaymentToken    string  `json:"payment_token" validate:"max=255,line"`
}

// Order is one purchase.
type Order struct {
	ID              shop.OrderID     `json:"id"`
	Number          string           `json:"number"`
	UserID          shop.UserID      `json:"user_id"`
	Status          Status           `json:"status"`
	Items           []shop.OrderLine `json:"items"`
	Total           shop.Money       `json:"total"`
	Currency        string           `json:"currency"`
	ShippingAddress Address          `json:"shipping_address"`
	PaymentMethod   string           `json:"payment_method"`
	PlacedAt        time.Time        `json:"placed_at"`
	UpdatedAt       time.Time        `json:"updated_at"`
	History         []Step           `json:"history,omitempty"`
}

// Step is one change of an order's status. By is the id of a person, or "system".
type Step struct {
	Status Status    `json:"status"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// System is who did it where nobody did.
const System = "system"

// What can go wrong with orders.
var (
	ErrNotFound   = fault.New(fault.NotFound, "order_not_found", "there is no such order")
	ErrTransition = fault.New(fault.Conflict, "order_transition", "the order is past that point")
	ErrOutOfStock = fault.New(fault.Conflict, "out_of_stock", "there is not enough left of some products")
	ErrUnknown    = fault.New(fault.Invalid, "unknown_product", "some products do not exist")
	ErrCurrencies = fault.New(fault.Invalid, "mixed_currencies", "one order has one currency")
	ErrOthers     = fault.New(fault.Forbidden, "forbidden", "only an admin may look for other people's orders")
)

// merged adds up items of the same product, in the order they came, and says which item each line began with. It fails
// as invalid if a product adds up to more than 1,000.
func merged(items []Item) (lines []Item, first []int, err error) {
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

// newNumber is how people call an order: 50 random bits, in letters and digits that are not confused (Crockford).
func newNumber() string {
	b := make([]byte, 7)
	_, _ = rand.Read(b) // never fails
	text := base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding).EncodeToString(b)
	return "SC-" + text[:5] + "-" + text[5:10]
}

// total adds up lines. It fails with ErrCurrencies, or where an amount would not fit.
func total(lines []Reserved) (items []shop.OrderLine, sum shop.Money, currency string, err error) {
	for i, l := range lines {
		if i == 0 {
			currency = l.Currency
		}
		if l.Currency != currency {
			return nil, sum, "", ErrCurrencies
		}
		lineTotal, err := l.UnitPrice.Times(l.Quantity)
		if err != nil {
			return nil, sum, "", fault.ErrInvalid.Because(err)
		}
		if sum, err = sum.Plus(lineTotal); err != nil {
			return nil, sum, "", fault.ErrInvalid.Because(err)
		}
		items = append(items, shop.OrderLine{
			ProductID: l.ProductID, SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, UnitPrice: l.UnitPrice, Total: lineTotal,
		})
	}
	return items, sum, currency, nil
}
