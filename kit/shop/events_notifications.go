package shop

import "github.com/google/uuid"

// notificationsEvents are what the notifications service tells.
var notificationsEvents = []Event{
	NotificationCreated{},
}

// NotificationCreated tells that something new is in somebody's inbox. Seq numbers the entries of one inbox without a gap; what
// they say is read there, so that it does not travel through the broker.
type NotificationCreated struct {
	NotificationID uuid.UUID `json:"notification_id"`
	UserID         UserID    `json:"user_id"`
	Seq            int64     `json:"seq"`
}

// Topic is notifications.created.
func (NotificationCreated) Topic() string { return "notifications.created" }

// Key is the owner of the inbox.
func (e NotificationCreated) Key() string { return e.UserID.String() }
