// Package message is the in-app inbox: what people have been told, shown to them alone.
package inbox

import (
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// What can go wrong with a message.
var (
	ErrNotFound = fault.New(fault.NotFound, "notification_not_found", "there is no such notification")
)

// ID is the UUIDv7 of a message; a later message has a larger one.
type ID struct{ uuid.UUID }

// Notification is one thing somebody was told. Kind is the topic of the event it tells of. Title and Body are plain text, one
// line each, in which words of customers may stand: whoever shows them must not read them as markup.
type Notification struct {
	ID        ID               `json:"id"`
	UserID    shop.UserID      `json:"-"`
	Seq       int64            `json:"-"` // numbers the messages of one inbox without a gap
	Kind      string           `json:"kind"`
	Title     string           `json:"title"`
	Body      string           `json:"body"`
	Data      NotificationData `json:"data"`
	ReadAt    *time.Time       `json:"read_at"` // nil while unread
	CreatedAt time.Time        `json:"created_at"`
}

// NotificationData is what a program needs to go on from a message; what does not belong to its kind is left out.
type NotificationData struct {
	OrderID        *shop.OrderID `json:"order_id,omitempty"`
	Number         string        `json:"number,omitempty"`
	Total          *shop.Money   `json:"total,omitempty"`
	Currency       string        `json:"currency,omitempty"`
	Reason         string        `json:"reason,omitempty"`
	ReasonCode     shop.Reason   `json:"reason_code,omitempty"`
	Carrier        string        `json:"carrier,omitempty"`
	TrackingNumber string        `json:"tracking_number,omitempty"`
	ProductID      int64         `json:"product_id,omitempty"`
	SKU            string        `json:"sku,omitempty"`
	Link           string        `json:"link,omitempty"` // the path at which it can be read
}

// InboxFeed is what is new in an inbox after some number, in its order, and the number up to which that is all there is.
type InboxFeed struct {
	Items []FeedEntry `json:"items"`
	Seq   int64       `json:"seq"`
}

// FeedEntry is a message with its number.
type FeedEntry struct {
	Seq          int64        `json:"seq"`
	Notification Notification `json:"notification"`
}
