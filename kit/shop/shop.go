// Package shop is the vocabulary that the services share: callers and permissions, money, and events.
package shop

import (
	"slices"

	"github.com/google/uuid"
)

// UserID is the UUIDv7 of an account.
type UserID struct{ uuid.UUID }

// OrderID is the UUIDv7 of an order.
type OrderID struct{ uuid.UUID }

// NewID returns a new UUIDv7, which sorts by the time it was made.
func NewID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// ParseUserID fails if s is not a UUID.
func ParseUserID(s string) (UserID, error) {
	id, err := uuid.Parse(s)
	return UserID{id}, err
}

// Role is the role of a user.
type Role string

// The roles. An admin has all permissions of a user.
const (
	User  Role = "user"
	Admin Role = "admin"
)

// Permission is what a route requires of its caller. Routes name permissions, not roles, so that a new role is one line
// here.
type Permission string

// The permissions. Anyone needs no token; SignedIn needs any valid one.
const (
	Anyone          Permission = "anyone"
	SignedIn        Permission = "signed in"
	ManageCatalogue Permission = "manage catalogue"
	ManageStock     Permission = "manage stock"
	ManageOrders    Permission = "manage orders"
	ManageUsers     Permission = "manage users"
	ReadAudit       Permission = "read audit"
	ManageMessages  Permission = "manage messages"
	SeeAnalytics    Permission = "see analytics"
)

var grants = map[Role][]Permission{
	User:  {},
	Admin: {ManageCatalogue, ManageStock, ManageOrders, ManageUsers, ReadAudit, ManageMessages, SeeAnalytics},
}

// Caller is the user and session of a request. The zero Caller has no token.
type Caller struct {
	ID        UserID
	SessionID uuid.UUID
	Role      Role
}

// Known reports whether the request has a valid token.
func (c Caller) Known() bool { return c.ID.UUID != uuid.Nil }

// May reports whether the caller has a permission.
func (c Caller) May(p Permission) bool {
	switch p {
	case Anyone:
		return true
	case SignedIn:
		return c.Known()
	default:
		return c.Known() && slices.Contains(grants[c.Role], p)
	}
}
