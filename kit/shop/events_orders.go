package shop

import "time"

// ordersEvents are what the orders service tells.
var ordersEvents = []Event{
	OrderPlaced{},
	OrderPaid{},
	OrderPaymentFailed{},
	OrderShipped{},
	OrderDelivered{},
	OrderCancelled{},
	OrderRefunded{},
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

// Topic is orders.placed.
func (OrderPlaced) Topic() string { return "orders.placed" }

// Key is the order.
func (e OrderPlaced) Key() string { return e.OrderID.String() }

// OrderPaid tells that the buyer was charged and the goods are theirs.
type OrderPaid struct {
	OrderID  OrderID `json:"order_id"`
	Number   string  `json:"number"`
	UserID   UserID  `json:"user_id"`
	Total    Money   `json:"total"`
	Currency string  `json:"currency"`
}

// Topic is orders.paid.
func (OrderPaid) Topic() string { return "orders.paid" }

// Key is the order.
func (e OrderPaid) Key() string { return e.OrderID.String() }

// OrderCancelled tells that an order was given up, by its buyer or because it could not be paid. ReasonCode is empty where
// Reason is in somebody's own words.
type OrderCancelled struct {
	OrderID    OrderID `json:"order_id"`
	Number     string  `json:"number"`
	UserID     UserID  `json:"user_id"`
	Reason     string  `json:"reason"`
	ReasonCode Reason  `json:"reason_code,omitempty"`
}

// Topic is orders.cancelled.
func (OrderCancelled) Topic() string { return "orders.cancelled" }

// Key is the order.
func (e OrderCancelled) Key() string { return e.OrderID.String() }

// OrderPaymentFailed tells that the buyer could not be charged. orders.cancelled follows. ReasonCode is empty where
// Reason is in somebody's own words.
type OrderPaymentFailed struct {
	OrderID    OrderID `json:"order_id"`
	Number     string  `json:"number"`
	UserID     UserID  `json:"user_id"`
	Reason     string  `json:"reason"`
	ReasonCode Reason  `json:"reason_code,omitempty"`
}

// Topic is orders.payment_failed.
func (OrderPaymentFailed) Topic() string { return "orders.payment_failed" }

// Key is the order.
func (e OrderPaymentFailed) Key() string { return e.OrderID.String() }

// OrderShipped tells that an order is on its way. Carrier and TrackingNumber are empty where nobody said them.
type OrderShipped struct {
	OrderID        OrderID `json:"order_id"`
	Number         string  `json:"number"`
	UserID         UserID  `json:"user_id"`
	Carrier        string  `json:"carrier"`
	TrackingNumber string  `json:"tracking_number"`
}

// Topic is orders.shipped.
func (OrderShipped) Topic() string { return "orders.shipped" }

// Key is the order.
func (e OrderShipped) Key() string { return e.OrderID.String() }

// OrderDelivered tells that an order has arrived.
type OrderDelivered struct {
	OrderID OrderID `json:"order_id"`
	Number  string  `json:"number"`
	UserID  UserID  `json:"user_id"`
}

// Topic is orders.delivered.
func (OrderDelivered) Topic() string { return "orders.delivered" }

// Key is the order.
func (e OrderDelivered) Key() string { return e.OrderID.String() }

// OrderRefunded tells that it was decided to give back an amount of what was paid; the provider follows. Partial says
// that something of the order is left.
type OrderRefunded struct {
	OrderID  OrderID `json:"order_id"`
	Number   string  `json:"number"`
	UserID   UserID  `json:"user_id"`
	Amount   Money   `json:"amount"`
	Currency string  `json:"currency"`
	Partial  bool    `json:"partial"`
}

// Topic is orders.refunded.
func (OrderRefunded) Topic() string { return "orders.refunded" }

// Key is the order.
func (e OrderRefunded) Key() string { return e.OrderID.String() }
