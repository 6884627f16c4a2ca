// Package cart is what somebody means to buy, until they do.
package cart

import (
	"slices"
	"time"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// StoredItem is how many of a product are in a cart, and what one cost when it was put there.
type StoredItem struct {
	ProductID int64      `json:"product_id"`
	Quantity  int        `json:"quantity"`
	UnitPrice shop.Money `json:"unit_price"`
	Currency  string     `json:"currency"`
}

// StoredCart is a cart as it is remembered. Checkout is there while its lines are being ordered, and tells whoever comes next
// which order to look for if nobody came back to take them out.
type StoredCart struct {
	Items    []StoredItem     `json:"lines"`
	Checkout *PendingCheckout `json:"checkout,omitempty"`
}

// PendingCheckout is an order that is being made of a cart.
type PendingCheckout struct {
	OrderID shop.OrderID      `json:"order_id"`
	Items   []order.OrderItem `json:"items"`
	Since   time.Time         `json:"since"`
}

const (
	maxItems = 100
	// checkoutTimeout is when a checkout that left no order never will: longer than any request may take.
	checkoutTimeout = 30 * time.Second
)

// What can go wrong with carts.
var (
	ErrNoProduct = fault.New(fault.NotFound, "product_not_found", "there is no such product")
	ErrArchived  = fault.New(fault.Conflict, "product_not_on_sale", "this product is not on sale any more")
	ErrFull      = fault.New(fault.Conflict, "cart_full", "a cart holds 100 different products at most")
	ErrEmpty     = fault.New(fault.Conflict, "cart_empty", "there is nothing in the cart")
	ErrCheckout  = fault.New(fault.Conflict, "checkout_running", "this cart is being ordered at this moment").WithRetryAfter(5)
	ErrConflict  = fault.New(fault.Unavailable, "cart_conflict", "concurrent update, retry").WithRetryAfter(1)
)

// withItem sets how many of a product there are, and what one costs now. Other lines stay as they are. It fails with ErrFull.
func (k StoredCart) withItem(l StoredItem) (StoredCart, error) {
	k.Items = slices.Clone(k.Items)
	if i := k.index(l.ProductID); i >= 0 {
		k.Items[i] = l
		return k, nil
	}
	if len(k.Items) >= maxItems {
		return k, ErrFull
	}
	k.Items = append(k.Items, l)
	return k, nil
}

// without takes a product out.
func (k StoredCart) without(product int64) StoredCart {
	k.Items = slices.DeleteFunc(slices.Clone(k.Items), func(l StoredItem) bool { return l.ProductID == product })
	return k
}

// withoutOrdered takes out what was ordered and no more: what was added meanwhile stays.
func (k StoredCart) withoutOrdered(items []order.OrderItem) StoredCart {
	k.Items = slices.Clone(k.Items)
	for _, item := range items {
		if i := k.index(item.ProductID); i >= 0 {
			k.Items[i].Quantity -= item.Quantity
		}
	}
	k.Items = slices.DeleteFunc(k.Items, func(l StoredItem) bool { return l.Quantity <= 0 })
	k.Checkout = nil
	return k
}

// equal says whether nothing was changed.
func equal(a, b StoredCart) bool {
	return slices.Equal(a.Items, b.Items) && (a.Checkout == nil) == (b.Checkout == nil) &&
		(a.Checkout == nil || a.Checkout.OrderID == b.Checkout.OrderID)
}

func (k StoredCart) index(product int64) int {
	return slices.IndexFunc(k.Items, func(l StoredItem) bool { return l.ProductID == product })
}

func (k StoredCart) orderItems() []order.OrderItem {
	items := make([]order.OrderItem, len(k.Items))
	for i, l := range k.Items {
		items[i] = order.OrderItem{ProductID: l.ProductID, Quantity: l.Quantity}
	}
	return items
}

// CartNotice is something a buyer should know of a line or of the cart before they buy.
type CartNotice struct {
	Code    string `json:"code"` // price_changed, short, unavailable, mixed_currencies, too_much
	Message string `json:"message"`
}

// CartItem is a line at this moment. Its Total counts in the cart's unless the product is unavailable.
type CartItem struct {
	ProductID     int64        `json:"product_id"`
	SKU           string       `json:"sku"`
	Name          string       `json:"name"`
	Quantity      int          `json:"quantity"`
	UnitPrice     shop.Money   `json:"unit_price"`
	PreviousPrice *shop.Money  `json:"previous_price,omitempty"` // where it was another when the line was put there
	Total         shop.Money   `json:"total"`
	Currency      string       `json:"currency"`
	Available     int          `json:"available"`
	Notices       []CartNotice `json:"notices"`
}

// Cart is what a buyer sees. Orderable says that a checkout would not be refused for what is in it now.
type Cart struct {
	Items     []CartItem   `json:"items"`
	Total     *shop.Money  `json:"total"` // null for an empty cart, and where lines have several currencies
	Currency  string       `json:"currency,omitempty"`
	Orderable bool         `json:"orderable"`
	Notices   []CartNotice `json:"notices"`
}
