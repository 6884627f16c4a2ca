// Package category is the shelves: the groups that products are found in.
package category

import (
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
)

// Category is a group of products, with how many it holds.
type Category struct {
	ID           int64     `json:"id"`
	Name         string    `json:"name"`
	Description  string    `json:"description"`
	Slug         string    `json:"slug"`
	ParentID     *int64    `json:"parent_id"`
	ProductCount int       `json:"product_count"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
}

// New is what an admin says of a new category. Without a slug it gets one from its name.
type New struct {
	idempotency.Key
	Name        string `json:"name" validate:"required,notblank,line,max=120"`
	Description string `json:"description" validate:"max=2000"`
	Slug        string `json:"slug" validate:"omitempty,max=120,slug"`
	ParentID    *int64 `json:"parent_id" validate:"omitempty,min=1"`
}

// What can go wrong with categories.
var (
	ErrNotFound = fault.New(fault.NotFound, "category_not_found", "there is no such category")
	ErrSlug     = fault.New(fault.Conflict, "slug_taken", "another category has this slug").With("slug", "is taken")
	ErrParent   = fault.ErrInvalid.With("parent_id", "there is no such category")
)
