package shop

import (
	"time"

	"github.com/google/uuid"
)

// usersEvents are what the users service tells.
var usersEvents = []Event{
	UserRegistered{},
	NewDevice{},
	VerificationRequested{},
	UserVerified{},
	PasswordResetRequested{},
	PasswordChanged{},
	UserLocked{},
	ProfileChanged{},
	RoleChanged{},
	UserErased{},
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

// VerificationRequested tells that an address is to be proven by a mail. The token that the mail carries is not in the
// event: whoever sends it asks users for it by the request's id.
type VerificationRequested struct {
	RequestID uuid.UUID `json:"request_id"`
	UserID    UserID    `json:"user_id"`
	Email     string    `json:"email"`
	Username  string    `json:"username"`
	FullName  string    `json:"full_name"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Topic is users.verification_requested.
func (VerificationRequested) Topic() string { return "users.verification_requested" }

// Key is the account.
func (e VerificationRequested) Key() string { return e.UserID.String() }

// UserVerified tells that the account's e-mail address is its owner's.
type UserVerified struct {
	UserID UserID `json:"user_id"`
}

// Topic is users.verified.
func (UserVerified) Topic() string { return "users.verified" }

// Key is the account.
func (e UserVerified) Key() string { return e.UserID.String() }

// PasswordResetRequested tells that somebody forgot their password, or says so. As with VerificationRequested, the token
// is not in it.
type PasswordResetRequested struct {
	RequestID uuid.UUID `json:"request_id"`
	UserID    UserID    `json:"user_id"`
	Email     string    `json:"email"`
	Username  string    `json:"username"`
	FullName  string    `json:"full_name"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Topic is users.password_reset_requested.
func (PasswordResetRequested) Topic() string { return "users.password_reset_requested" }

// Key is the account.
func (e PasswordResetRequested) Key() string { return e.UserID.String() }

// PasswordChanged tells that an account has another password, by its owner or by a mail.
type PasswordChanged struct {
	UserID UserID `json:"user_id"`
}

// Topic is users.password_changed.
func (PasswordChanged) Topic() string { return "users.password_changed" }

// Key is the account.
func (e PasswordChanged) Key() string { return e.UserID.String() }

// UserLocked tells, once for each lock, that nobody may guess at an account for a while. Address is where the last guess
// came from.
type UserLocked struct {
	UserID   UserID    `json:"user_id"`
	Email    string    `json:"email"`
	Username string    `json:"username"`
	Until    time.Time `json:"until"`
	Address  string    `json:"address"`
}

// Topic is users.locked.
func (UserLocked) Topic() string { return "users.locked" }

// Key is the account.
func (e UserLocked) Key() string { return e.UserID.String() }

// ProfileChanged tells what somebody is called, and where their mail goes, from now on. PreviousEmail is where it went
// before, if that has changed, so that it can be told there.
type ProfileChanged struct {
	UserID        UserID `json:"user_id"`
	Username      string `json:"username"`
	Email         string `json:"email"`
	FullName      string `json:"full_name"`
	PreviousEmail string `json:"previous_email,omitempty"`
}

// Topic is users.profile_changed.
func (ProfileChanged) Topic() string { return "users.profile_changed" }

// Key is the account.
func (e ProfileChanged) Key() string { return e.UserID.String() }

// RoleChanged tells that an admin gave an account another role.
type RoleChanged struct {
	UserID UserID `json:"user_id"`
	Role   Role   `json:"role"`
}

// Topic is users.role_changed.
func (RoleChanged) Topic() string { return "users.role_changed" }

// Key is the account.
func (e RoleChanged) Key() string { return e.UserID.String() }

// UserErased tells that somebody left and wants to be forgotten: whoever has anything about them that no law keeps
// removes it, and makes the rest nobody's.
type UserErased struct {
	UserID UserID `json:"user_id"`
}

// Topic is users.erased.
func (UserErased) Topic() string { return "users.erased" }

// Key is the account.
func (e UserErased) Key() string { return e.UserID.String() }

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
