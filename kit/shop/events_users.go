package shop

import (
	"time"

	"github.com/google/uuid"
)

// usersEvents are the events of the users service.
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

// UserRegistered is published when an account was opened.
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

// NewDevice is published when a user signed in from a device or network that is new to an account with earlier
// sign-ins.
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

// VerificationRequested is published when an e-mail address is to be verified. The token is not in the event: the
// consumer requests it from users by RequestID.
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

// UserVerified is published when the account's e-mail address was verified. Email is that address; it is empty in
// events of earlier releases.
type UserVerified struct {
	UserID UserID `json:"user_id"`
	Email  string `json:"email,omitempty"`
}

// Topic is users.verified.
func (UserVerified) Topic() string { return "users.verified" }

// Key is the account.
func (e UserVerified) Key() string { return e.UserID.String() }

// PasswordResetRequested is published when a password reset was requested. The token is not in the event: the
// consumer requests it from users by RequestID.
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

// PasswordChanged is published when an account's password was changed or reset.
type PasswordChanged struct {
	UserID UserID `json:"user_id"`
}

// Topic is users.password_changed.
func (PasswordChanged) Topic() string { return "users.password_changed" }

// Key is the account.
func (e PasswordChanged) Key() string { return e.UserID.String() }

// UserLocked is published once for each lockout of an account. Address is where the last failed sign-in came from.
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

// ProfileChanged is published when a username, full name or e-mail address changed. PreviousEmail is the address
// before, if that changed, so that a notice can be sent there.
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

// RoleChanged is published when an admin changed an account's role.
type RoleChanged struct {
	UserID UserID `json:"user_id"`
	Role   Role   `json:"role"`
}

// Topic is users.role_changed.
func (RoleChanged) Topic() string { return "users.role_changed" }

// Key is the account.
func (e RoleChanged) Key() string { return e.UserID.String() }

// UserErased is published when a user deleted their account. Consumers remove the user's personal data, except what
// the law retains, and anonymise the rest.
type UserErased struct {
	UserID UserID `json:"user_id"`
}

// Topic is users.erased.
func (UserErased) Topic() string { return "users.erased" }

// Key is the account.
func (e UserErased) Key() string { return e.UserID.String() }

// SessionsRevoked is published when sessions ended before their expiry: by sign-out, a new password or role, an
// admin, or the reuse of a refresh token. Their access tokens are no longer valid.
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
