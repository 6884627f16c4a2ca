// Package account manages user accounts: names, passwords and roles.
package account

import (
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Account is a user's account without its password.
type Account struct {
	ID            shop.UserID `json:"id"`
	Username      string      `json:"username"`
	Email         string      `json:"email"`
	FullName      string      `json:"full_name"`
	Role          shop.Role   `json:"role" validate:"oneof=user admin"`
	Active        bool        `json:"active"`
	EmailVerified bool        `json:"email_verified"`
	CreatedAt     time.Time   `json:"created_at"`
	UpdatedAt     time.Time   `json:"updated_at"`
}

// Registration opens an account. A password has at least 8 characters and at most 72 bytes, which is all that bcrypt
// reads. FullName must have no link, domain name or e-mail address, because it is in e-mails.
type Registration struct {
	idempotency.Key
	Username string `json:"username" validate:"required,min=3,max=64,username" example:"ada"`
	Email    string `json:"email" validate:"required,email,mailbox,visible,max=254" example:"ada@example.com"`
	Password string `json:"password" validate:"required,min=8,max=1000" example:"correct horse battery"`
	FullName string `json:"full_name" validate:"max=200,line,nolink" example:"Ada Lovelace"`
}

// AccountUpdate is a user's change of their own account. Nil fields keep their value. FullName must have no link,
// domain name or e-mail address.
type AccountUpdate struct {
	Username *string `json:"username" validate:"omitempty,min=3,max=64,username"`
	Email    *string `json:"email" validate:"omitempty,email,mailbox,visible,max=254"`
	FullName *string `json:"full_name" validate:"omitempty,max=200,line,nolink" example:"Ada King"`
}

// UserUpdate is an admin's change of an account. Nil fields keep their value.
type UserUpdate struct {
	Role   *shop.Role `json:"role" validate:"omitempty,oneof=user admin"`
	Active *bool      `json:"active" validate:"omitempty" example:"true"`
}

// Filter selects accounts. Empty fields match all. Q is a prefix of a username, an e-mail address or a full name.
type Filter struct {
	Q      string    `query:"q" validate:"max=254" doc:"Beginning of a username, an e-mail address or a full name."`
	Role   shop.Role `query:"role" validate:"omitempty,oneof=user admin"`
	Active *bool     `query:"active" validate:"omitempty"`
}

const tooLong = "must have at most 72 bytes"

// The errors of accounts.
var (
	ErrNotFound      = fault.New(fault.NotFound, "user_not_found", "there is no such user")
	ErrUsernameTaken = fault.New(fault.Conflict, "username_taken", "this username, or a similar looking one, is taken").
				With("username", "is taken")
	ErrEmailTaken = fault.New(fault.Conflict, "email_taken", "there is an account with this e-mail address").
			With("email", "is taken")
	ErrCredentials      = fault.New(fault.Unauthenticated, "wrong_credentials", "username or password is wrong")
	ErrEmailNotVerified = fault.New(fault.Forbidden, "email_not_verified",
		"verify your e-mail address first: follow the link in the e-mail, or request another")
	ErrWrongPassword = fault.ErrInvalid.With("current_password", "is wrong")
	ErrBusy          = fault.New(fault.Unavailable, "busy", "too many concurrent sign-ins").WithRetryAfter(1)
	ErrTooManyMails  = fault.New(fault.Limited, "too_many_mails",
		"too many e-mails were sent for this account: wait an hour").WithRetryAfter(3600)
	ErrLastAdmin        = fault.New(fault.Conflict, "last_admin", "this is the last active admin")
	ErrIncompleteExport = fault.New(fault.Unavailable, "export_incomplete",
		"a service that has a part of your data does not respond: try again").WithRetryAfter(5)
)
