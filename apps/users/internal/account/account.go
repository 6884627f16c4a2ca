// Package account is who people are: their names, their passwords, their roles.
package account

import (
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"sidecart/kit/fault"
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
	Username string `json:"username" validate:"required,min=3,max=64,username"`
	Email    string `json:"email" validate:"required,email,max=254"`
	Password string `json:"password" validate:"required,min=8"`
	FullName string `json:"full_name" validate:"max=200,line"`
}

// Change is what an admin may change about an account; what is nil stays.
type Change struct {
	Role   *shop.Role `json:"role" validate:"omitempty,oneof=user admin"`
	Active *bool      `json:"active" validate:"omitempty"`
}

// What can go wrong with accounts.
var (
	ErrNotFound    = fault.New(fault.NotFound, "user_not_found", "there is no such user")
	ErrUsername    = fault.New(fault.Conflict, "username_taken", "this username is taken").With("username", "is taken")
	ErrEmail       = fault.New(fault.Conflict, "email_taken", "there is an account with this e-mail address").With("email", "is taken")
	ErrCredentials = fault.New(fault.Unauthenticated, "wrong_credentials", "username or password is wrong")
	ErrLongPass    = fault.ErrInvalid.With("password", "must have at most 72 bytes")
	ErrBusy        = fault.New(fault.Unavailable, "busy", "too many people are signing in at this moment").After(1)
	ErrLastAdmin   = fault.New(fault.Conflict, "last_admin", "this is the last active admin")
)

// key is a name as names are compared: without regard to case or to compatible forms of letters (NFKC).
func key(name string) string { return strings.ToLower(norm.NFKC.String(strings.TrimSpace(name))) }
