package shop

import "time"

// ordersEvents are the events of the orders service.
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

// OrderPlaced is published when an order was accepted: its stock is reserved, nothing is charged yet.
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

// OrderPaid is published when the buyer was charged and the stock was committed.
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

// OrderCancelled is published when an order was cancelled, by its buyer or because it could not be paid. ReasonCode
// is empty where Reason was written by a user or an admin.
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

// OrderPaymentFailed is published when the buyer could not be charged; orders.cancelled follows. ReasonCode is empty
// where Reason was written by a user or an admin.
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

// OrderShipped is published when an order was shipped. Carrier and TrackingNumber may be empty.
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

// OrderDelivered is published when an order was delivered.
type OrderDelivered struct {
	OrderID OrderID `json:"order_id"`
	Number  string  `json:"number"`
	UserID  UserID  `json:"user_id"`
}

// Topic is orders.delivered.
func (OrderDelivered) Topic() string { return "orders.delivered" }

// Key is the order.
func (e OrderDelivered) Key() string { return e.OrderID.String() }

// OrderRefunded is published when a refund was decided; the provider carries it out later. Partial means that part of
// the order is not refunded.
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
