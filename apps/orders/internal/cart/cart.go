// Package cart stores the products that a buyer intends to order.
package cart

import (
	"slices"
	"time"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// StoredItem is the quantity of a product in a cart, and its price when the item was set.
type StoredItem struct {
	ProductID int64      `json:"product_id"`
	Quantity  int        `json:"quantity"`
	UnitPrice shop.Money `json:"unit_price"`
	Currency  string     `json:"currency"`
}

// StoredCart is a cart in the state store. Checkout is set before its order is created: after an interruption, the next
// request finds the order by it.
type StoredCart struct {
	Items    []StoredItem     `json:"lines"` // their name in carts that are stored already
	Checkout *PendingCheckout `json:"checkout,omitempty"`
}

// PendingCheckout is a checkout whose order is being created.
type PendingCheckout struct {
	OrderID shop.OrderID      `json:"order_id"`
	Items   []order.OrderItem `json:"items"`
	Since   time.Time         `json:"since"`
}

const (
	maxItems = 100
	// checkoutTimeout is the age at which a checkout without an order is abandoned. It exceeds the time of any request.
	checkoutTimeout = 30 * time.Second
)

// The faults of carts.
var (
	ErrNoProduct = fault.New(fault.NotFound, "product_not_found", "there is no such product")
	ErrArchived  = fault.New(fault.Conflict, "product_not_on_sale", "this product is not on sale any more")
	ErrFull      = fault.New(fault.Conflict, "cart_full", "a cart holds at most 100 different products")
	ErrEmpty     = fault.New(fault.Conflict, "cart_empty", "the cart is empty")
	ErrCheckout  = fault.New(fault.Conflict, "checkout_running", "another checkout of this cart is running").WithRetryAfter(5)
	ErrConflict  = fault.New(fault.Unavailable, "cart_conflict", "concurrent update, retry").WithRetryAfter(1)
)

// set adds an item or replaces the one of the same product. It fails with ErrFull.
func (c *StoredCart) set(item StoredItem) error {
	i := c.index(item.ProductID)
	switch {
	case i >= 0:
		c.Items[i] = item
	case len(c.Items) >= maxItems:
		return ErrFull
	default:
		c.Items = append(c.Items, item)
	}
	return nil
}

func (c *StoredCart) remove(product int64) {
	c.Items = slices.DeleteFunc(c.Items, func(item StoredItem) bool { return item.ProductID == product })
}

// complete ends the checkout and subtracts the ordered quantities; what was added since stays.
func (c *StoredCart) complete(ordered []order.OrderItem) {
	for _, item := range ordered {
		if i := c.index(item.ProductID); i >= 0 {
			c.Items[i].Quantity -= item.Quantity
		}
	}
	c.Items = slices.DeleteFunc(c.Items, func(item StoredItem) bool { return item.Quantity <= 0 })
	c.Checkout = nil
}

func (c *StoredCart) equal(other StoredCart) bool {
	return slices.Equal(c.Items, other.Items) && (c.Checkout == nil) == (other.Checkout == nil) &&
		(c.Checkout == nil || c.Checkout.OrderID == other.Checkout.OrderID)
}

func (c *StoredCart) index(product int64) int {
	return slices.IndexFunc(c.Items, func(item StoredItem) bool { return item.ProductID == product })
}

func (c *StoredCart) orderItems() []order.OrderItem {
	items := make([]order.OrderItem, len(c.Items))
	for i, item := range c.Items {
		items[i] = order.OrderItem{ProductID: item.ProductID, Quantity: item.Quantity}
	}
	return items
}

// CartNotice warns a buyer of a change of an item or of the cart.
type CartNotice struct {
	Code    string `json:"code" validate:"oneof=price_changed short unavailable mixed_currencies too_much"`
	Message string `json:"message"`
}

// CartItem is an item with its current price and stock. The cart's total includes its Total if it is available.
type CartItem struct {
	ProductID     int64        `json:"product_id"`
	SKU           string       `json:"sku"`
	Name          string       `json:"name"`
	Quantity      int          `json:"quantity"`
	UnitPrice     shop.Money   `json:"unit_price"`
	PreviousPrice *shop.Money  `json:"previous_price,omitempty"` // the price when the item was set, if it was another
	Total         shop.Money   `json:"total"`
	Currency      string       `json:"currency"`
	Available     int          `json:"available"`
	Notices       []CartNotice `json:"notices"`
}

// Cart is a cart with current prices and stock. Orderable reports whether a checkout would succeed now.
type Cart struct {
	Items     []CartItem   `json:"items"`
	Total     *shop.Money  `json:"total"` // null for an empty cart and for items in several currencies
	Currency  string       `json:"currency,omitempty"`
	Orderable bool         `json:"orderable"`
	Notices   []CartNotice `json:"notices"`
}
