// Package broadcast is telling many people one thing: everybody, or everybody with a role. It goes on in the background,
// whatever dies meanwhile, and tells each of them once.
package broadcast

import (
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// ErrNotFound tells that there is no such broadcast.
var ErrNotFound = fault.New(fault.NotFound, "broadcast_not_found", "there is no such broadcast")

// State is how far a broadcast has come.
type State string

// The states.
const (
	Running State = "running"
	Done    State = "done"
)

// Broadcast is one thing for many people. Told counts those who have it in their inbox and on its way, as they want it; Total
// is how many there were to tell when it began. Who opens an account meanwhile may be told, too.
type Broadcast struct {
	ID         uuid.UUID   `json:"id"`
	Title      string      `json:"title"`
	Body       string      `json:"body"`
	Role       shop.Role   `json:"role"` // "" is everybody
	State      State       `json:"state"`
	Total      int         `json:"total"`
	Notified   int         `json:"told" db:"told"`
	LastUser   shop.UserID `json:"-"` // was told last, in the order of ids
	CreatedBy  shop.UserID `json:"created_by"`
	CreatedAt  time.Time   `json:"created_at"`
	FinishedAt *time.Time  `json:"finished_at"`
}
