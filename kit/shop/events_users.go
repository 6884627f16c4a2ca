package shop

import (
	"time"

	"github.com/google/uuid"
)

// usersEvents are what the users service tells.
var usersEvents = []Event{
	UserRegistered{},
	NewDevice{},
	SessionsRevoked{},
}

// UserRegistered tells that an account was opened.
type UserRegistered struct {
	UserID   UserID `json:"user_id"`
	Username string `json:"username"`
	Email    string `json:"email"`
	FullName string `json:"full_name"`
}

// Topic is users.registered.
func (UserRegistered) Topic() string { return "users.registered" }

// Key is the account.
func (e UserRegistered) Key() string { return e.UserID.String() }

// NewDevice tells that somebody signed in from a device or a network that was not seen before, though others were.
type NewDevice struct {
	UserID    UserID    `json:"user_id"`
	SessionID uuid.UUID `json:"session_id"`
	Address   string    `json:"address"`
	UserAgent string    `json:"user_agent"`
}

// Topic is users.new_device.
func (NewDevice) Topic() string { return "users.new_device" }

// Key is the account.
func (e NewDevice) Key() string { return e.UserID.String() }

// SessionsRevoked tells that sessions of somebody have ended before their time: by signing out, by a new password or role, by an
// admin, or because a stolen token was used. Tokens of these sessions are no longer good, whatever they say themselves.
type SessionsRevoked struct {
	UserID     UserID      `json:"user_id"`
	SessionIDs []uuid.UUID `json:"session_ids"`
	Reason     string      `json:"reason"`
	At         time.Time   `json:"at"`
}

// Topic is sessions.revoked.
func (SessionsRevoked) Topic() string { return "sessions.revoked" }

// Key is the account.
func (e SessionsRevoked) Key() string { return e.UserID.String() }
