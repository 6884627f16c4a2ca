// Package contact is how people can be reached: what the users service told of their name, address and role.
package contact

import "sidecart/kit/shop"

// Contact is somebody who can be told something. The zero Contact is somebody of whom nothing is known yet.
type Contact struct {
	UserID   shop.UserID
	Email    string
	Username string
	FullName string
	Role     shop.Role
	Erased   bool // the account is gone: nothing is kept of it, and nothing is sent
}

// Known says whether their registration was heard, or a change of what it said; before that there may be a role alone.
func (c Contact) Known() bool { return c.Username != "" }

// Name is what to call somebody.
func (c Contact) Name() string {
	if c.FullName != "" {
		return c.FullName
	}
	return c.Username
}
