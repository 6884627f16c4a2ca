// Package contact stores names, e-mail addresses and roles, as the users service publishes them.
package contact

import "sidecart/kit/shop"

// Contact is a user. The zero Contact is a user without a consumed event.
type Contact struct {
	UserID   shop.UserID
	Email    string
	Username string
	FullName string
	Role     shop.Role
	Verified string // the e-mail address that was verified last
	Erased   bool   // nothing is stored about the user, and nothing is sent
}

// Known is whether the registration or a profile change has been consumed. Before that there may be a role.
func (c Contact) Known() bool { return c.Username != "" }

// Name is the full name, or the username.
func (c Contact) Name() string {
	if c.FullName != "" {
		return c.FullName
	}
	return c.Username
}
