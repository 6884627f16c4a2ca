package shop

import "time"

// Event is something that happened, told to whoever wants to know. Topics are stable and in the past tense; Key is the
// aggregate it happened to, and events of one key are told in order.
type Event interface {
	Topic() string
	Key() string
}

// UserRegistered tells that an account was opened.
type UserRegistered struct {
	UserID   UserID `json:"user_id"`
	Username string `json:"username"`
	Email    string `json:"email"`
	FullName string `json:"full_name"`
}

// OrderLine is one product of an order, as it was sold.
type OrderLine struct {
	ProductID int64  `json:"product_id"`
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int    `json:"quantity"`
	UnitPrice Money  `json:"unit_price"`
	Total     Money  `json:"total"`
}

// OrderPlaced tells that an order was accepted: its stock is reserved, nothing is charged yet.
type OrderPlaced struct {
	OrderID  OrderID     `json:"order_id"`
	Number   string      `json:"number"`
	UserID   UserID      `json:"user_id"`
	Total    Money       `json:"total"`
	Currency string      `json:"currency"`
	Items    []OrderLine `json:"items"`
	PlacedAt time.Time   `json:"placed_at"`
}

// OrderPaid tells that the buyer was charged and the goods are theirs.
type OrderPaid struct {
	OrderID  OrderID `json:"order_id"`
	Number   string  `json:"number"`
	UserID   UserID  `json:"user_id"`
	Total    Money   `json:"total"`
	Currency string  `json:"currency"`
}

// OrderCancelled tells that an order was given up, by its buyer or because it could not be paid.
type OrderCancelled struct {
	OrderID OrderID `json:"order_id"`
	Number  string  `json:"number"`
	UserID  UserID  `json:"user_id"`
	Reason  string  `json:"reason"`
}

// ProductChanged tells that a product is new, or looks or costs differently.
type ProductChanged struct {
	ProductID int64  `json:"product_id"`
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Price     Money  `json:"price"`
	Currency  string `json:"currency"`
}

// Topic is users.registered.
func (UserRegistered) Topic() string { return "users.registered" }

// Key is the account.
func (e UserRegistered) Key() string { return e.UserID.String() }

// Topic is orders.placed.
func (OrderPlaced) Topic() string { return "orders.placed" }

// Key is the order.
func (e OrderPlaced) Key() string { return e.OrderID.String() }

// Topic is orders.paid.
func (OrderPaid) Topic() string { return "orders.paid" }

// Key is the order.
func (e OrderPaid) Key() string { return e.OrderID.String() }

// Topic is orders.cancelled.
func (OrderCancelled) Topic() string { return "orders.cancelled" }

// Key is the order.
func (e OrderCancelled) Key() string { return e.OrderID.String() }

// Topic is products.changed.
func (ProductChanged) Topic() string { return "products.changed" }

// Key is the product's SKU, which never changes.
func (e ProductChanged) Key() string { return e.SKU }

// Catalogue is every event of the platform, once, with who tells it. docs/events.md is written from it.
var Catalogue = []struct {
	Teller string
	Event  Event
}{
	{"users", UserRegistered{}},
	{"products", ProductChanged{}},
	{"orders", OrderPlaced{}},
	{"orders", OrderPaid{}},
	{"orders", OrderCancelled{}},
}
