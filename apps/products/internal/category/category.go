// Package category is the shelves: the groups that products are found in, and the tree that they make.
package category

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/web"
)

// Category is a group of products, with how many it holds itself. Children is there only in a tree.
type Category struct {
	ID           int64      `json:"id"`
	Name         string     `json:"name"`
	Description  string     `json:"description"`
	Slug         string     `json:"slug"`
	ParentID     *int64     `json:"parent_id"`
	ProductCount int        `json:"product_count"`
	Version      int        `json:"version"`
	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"updated_at"`
	Children     []Category `json:"children,omitzero" db:"-"`
}

// ETag is another one after each change, also of how many products there are.
func (c Category) ETag() string { return fmt.Sprintf("%d-%d", c.Version, c.ProductCount) }

// matches says whether a tag was given out since the category last changed. A product more or less is no change of it.
func (c Category) matches(tag string) bool {
	version, _, _ := strings.Cut(tag, "-")
	return version == strconv.Itoa(c.Version)
}

// NewCategory is what an admin says of a new category. Without a slug it gets one from its name.
type NewCategory struct {
	idempotency.Key
	Name        string `json:"name" validate:"required,notblank,line,max=120"`
	Description string `json:"description" validate:"max=2000"`
	Slug        string `json:"slug" validate:"omitempty,max=120,slug"`
	ParentID    *int64 `json:"parent_id" validate:"omitempty,min=1"`
}

// CategoryUpdate is what an admin wants different; what is not named stays. A parent of null makes it a root.
type CategoryUpdate struct {
	Name        *string             `json:"name" validate:"omitempty,notblank,line,max=120"`
	Description *string             `json:"description" validate:"omitempty,max=2000"`
	Slug        *string             `json:"slug" validate:"omitempty,max=120,slug"`
	ParentID    web.Optional[int64] `json:"parent_id"`
}

// What can go wrong with categories.
var (
	ErrNotFound  = fault.New(fault.NotFound, "category_not_found", "there is no such category")
	ErrSlugTaken = fault.New(fault.Conflict, "slug_taken", "another category has this slug").With("slug", "is taken")
	ErrNoParent  = fault.ErrInvalid.With("parent_id", "there is no such category")
	ErrCycle     = fault.New(fault.Conflict, "category_cycle", "a category cannot be below itself").With("parent_id", "is below it")
	ErrInUse     = fault.New(fault.Conflict, "category_in_use", "there are products or categories in it")
)

// applyTo is the category as it is after a change.
func (change CategoryUpdate) applyTo(c Category) Category {
	web.Apply(&c.Name, change.Name)
	web.Apply(&c.Description, change.Description)
	web.Apply(&c.Slug, change.Slug)
	if change.ParentID.Set {
		c.ParentID = change.ParentID.Value
	}
	return c
}

// tree hangs categories under their parents. All are there, in any order; the order of siblings is kept.
func tree(all []Category) []Category {
	below := map[int64][]Category{}
	for _, c := range all {
		parent := int64(0)
		if c.ParentID != nil {
			parent = *c.ParentID
		}
		below[parent] = append(below[parent], c)
	}
	var hang func(parent int64) []Category
	hang = func(parent int64) []Category {
		children := below[parent]
		for i := range children {
			children[i].Children = hang(children[i].ID)
		}
		if children == nil {
			return []Category{}
		}
		return children
	}
	return hang(0)
}
