// Package account is who people are: their names, their passwords, their roles.
package account

import (
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Account is a person's account as it may be shown: its password is nowhere in it.
type Account struct {
	ID            shop.UserID `json:"id"`
	Username      string      `json:"username"`
	Email         string      `json:"email"`
	FullName      string      `json:"full_name"`
	Role          shop.Role   `json:"role"`
	Active        bool        `json:"active"`
	EmailVerified bool        `json:"email_verified"`
	CreatedAt     time.Time   `json:"created_at"`
	UpdatedAt     time.Time   `json:"updated_at"`
}

// Registration is what somebody says of themselves. A password has 8 characters to 72 bytes, which is all that bcrypt reads.
type Registration struct {
	idempotency.Key
	Username string `json:"username" validate:"required,min=3,max=64,username" example:"ada"`
	Email    string `json:"email" validate:"required,email,max=254" example:"ada@example.com"`
	Password string `json:"password" validate:"required,min=8,max=1000" example:"correct horse battery"`
	FullName string `json:"full_name" validate:"max=200,line" example:"Ada Lovelace"`
}

// AccountUpdate is what somebody may change about themselves; what is nil stays.
type AccountUpdate struct {
	Username *string `json:"username" validate:"omitempty,min=3,max=64,username"`
	Email    *string `json:"email" validate:"omitempty,email,max=254"`
	FullName *string `json:"full_name" validate:"omitempty,max=200,line" example:"Ada King"`
}

// UserUpdate is what an admin may change about an account; what is nil stays.
type UserUpdate struct {
	Role   *shop.Role `json:"role" validate:"omitempty,oneof=user admin"`
	Active *bool      `json:"active" validate:"omitempty" example:"true"`
}

// Filter is which accounts to list; what is empty lets all through. Q is the beginning of a username, an e-mail address
// or a full name.
type Filter struct {
	Q      string    `query:"q" validate:"max=254" doc:"Beginning of a username, an e-mail address or a full name."`
	Role   shop.Role `query:"role" validate:"omitempty,oneof=user admin"`
	Active *bool     `query:"active" validate:"omitempty"`
}

const passwordTooLong = "must have at most 72 bytes"

// What can go wrong with accounts.
var (
	ErrNotFound         = fault.New(fault.NotFound, "user_not_found", "there is no such user")
	ErrUsernameTaken    = fault.New(fault.Conflict, "username_taken", "this username, or one that looks like it, is taken").With("username", "is taken")
	ErrEmailTaken       = fault.New(fault.Conflict, "email_taken", "there is an account with this e-mail address").With("email", "is taken")
	ErrCredentials      = fault.New(fault.Unauthenticated, "wrong_credentials", "username or password is wrong")
	ErrEmailNotVerified = fault.New(fault.Forbidden, "email_not_verified", "verify your e-mail address first: follow the link in the mail, or ask for another")
	ErrWrongPassword    = fault.ErrInvalid.With("current_password", "is wrong")
	ErrBusy             = fault.New(fault.Unavailable, "busy", "too many people are signing in at this moment").WithRetryAfter(1)
	ErrTooManyMails     = fault.New(fault.Limited, "too_many_mails", "too many mails were sent for this account; wait an hour").WithRetryAfter(3600)
	ErrLastAdmin        = fault.New(fault.Conflict, "last_admin", "this is the last active admin")
	ErrIncompleteExport = fault.New(fault.Unavailable, "export_incomplete", "a service that holds a part of your data does not answer; ask again").WithRetryAfter(5)
)
