package shop

import "github.com/google/uuid"

// notificationsEvents are the events of the notifications service.
var notificationsEvents = []Event{
	NotificationCreated{},
}

// NotificationCreated is published when a message was added to a user's inbox. Seq numbers the messages of one inbox
// without a gap. Consumers read the message from the inbox, so its text does not travel through the broker.
type NotificationCreated struct {
	NotificationID uuid.UUID `json:"notification_id"`
	UserID         UserID    `json:"user_id"`
	Seq            int64     `json:"seq"`
}

// Topic is notifications.created.
func (NotificationCreated) Topic() string { return "notifications.created" }

// Key is the owner of the inbox.
func (e NotificationCreated) Key() string { return e.UserID.String() }
