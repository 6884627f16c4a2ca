// Package inbox stores the notifications that a user reads in the shop.
package inbox

import (
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// ErrNotFound refuses the id of no notification, or of another user's.
var ErrNotFound = fault.New(fault.NotFound, "notification_not_found", "there is no such notification")

// ID is the UUIDv7 of a notification; a later notification has a larger one.
type ID struct{ uuid.UUID }

// Notification is a notification in an inbox. Kind is the topic of the event that caused it. Title and Body are a line
// of plain text each and may contain customers' input: a page must not read them as markup.
type Notification struct {
	ID        ID               `json:"id"`
	UserID    shop.UserID      `json:"-"`
	Seq       int64            `json:"-"` // numbers the notifications of an inbox without gaps
	Kind      string           `json:"kind"`
	Title     string           `json:"title"`
	Body      string           `json:"body"`
	Data      NotificationData `json:"data"`
	ReadAt    *time.Time       `json:"read_at"` // nil while unread
	CreatedAt time.Time        `json:"created_at"`
}

// NotificationData is the data of a notification for programs; fields that do not belong to its kind are left out.
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
	Link           string        `json:"link,omitempty"` // the path of the order or product
}

// NotificationPage is a page of an inbox, newest first. Unread counts all unread notifications.
type NotificationPage struct {
	web.Page[Notification]
	Unread int `json:"unread"`
}

// InboxFeed has the notifications after a number, in their order. Seq is the last number of the feed.
type InboxFeed struct {
	Items []FeedEntry `json:"items"`
	Seq   int64       `json:"seq"`
}

// FeedEntry is a notification with its number.
type FeedEntry struct {
	Seq          int64        `json:"seq"`
	Notification Notification `json:"notification"`
}
