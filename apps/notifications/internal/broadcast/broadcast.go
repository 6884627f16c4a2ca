// Package broadcast notifies all users, or all users with a role. A broadcast runs in the background, survives crashes,
// and notifies each user once.
package broadcast

import (
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// ErrNotFound refuses an unknown id.
var ErrNotFound = fault.New(fault.NotFound, "broadcast_not_found", "there is no such broadcast")

// State is the state of a broadcast.
type State string

// The states.
const (
	Running State = "running"
	Done    State = "done"
)

// Broadcast is a broadcast and its progress. Total counts the users when it started, and Notified those it has
// notified. Users who register meanwhile may be notified too.
type Broadcast struct {
	ID         uuid.UUID   `json:"id"`
	Title      string      `json:"title"`
	Body       string      `json:"body"`
	Role       shop.Role   `json:"role"` // "" is all users
	State      State       `json:"state" validate:"oneof=running done"`
	Total      int         `json:"total"`
	Notified   int         `json:"notified"`
	LastUser   shop.UserID `json:"-"` // the last user notified, in the order of ids
	CreatedBy  shop.UserID `json:"created_by"`
	CreatedAt  time.Time   `json:"created_at"`
	FinishedAt *time.Time  `json:"finished_at"`
}
