// Package category manages the tree of categories that products belong to.
package category

import (
	"fmt"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/web"
)

// Category is a group of products. ProductCount counts the products on sale in the category itself, without its
// subcategories. Children is set in a tree only.
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

// ETag changes with the version and with the number of products.
func (c Category) ETag() string { return fmt.Sprintf("%d-%d", c.Version, c.ProductCount) }

// NewCategory is the input for a category. The slug defaults to one made from the name.
type NewCategory struct {
	idempotency.Key
	Name        string `json:"name" validate:"required,notblank,line,max=120" example:"Lamps"`
	Description string `json:"description" validate:"max=2000" example:"Light for every room"`
	Slug        string `json:"slug" validate:"omitempty,max=120,slug"`
	ParentID    *int64 `json:"parent_id" validate:"omitempty,min=1"`
}

// CategoryUpdate changes the fields that are set. A parent_id of null makes the category a root.
type CategoryUpdate struct {
	Name        *string             `json:"name" validate:"omitempty,notblank,line,max=120" example:"Desk lamps"`
	Description *string             `json:"description" validate:"omitempty,max=2000"`
	Slug        *string             `json:"slug" validate:"omitempty,max=120,slug"`
	ParentID    web.Optional[int64] `json:"parent_id"`
}

// Errors of categories.
var (
	ErrNotFound  = fault.New(fault.NotFound, "category_not_found", "there is no such category")
	ErrSlugTaken = fault.New(fault.Conflict, "slug_taken", "another category has this slug").With("slug", "is taken")
	ErrNoParent  = fault.ErrInvalid.With("parent_id", "there is no such category")
	ErrCycle     = fault.New(fault.Conflict, "category_cycle", "a category cannot be below itself").With("parent_id", "is below it")
	ErrInUse     = fault.New(fault.Conflict, "category_in_use", "the category has products or subcategories")
)

func (u CategoryUpdate) applyTo(c Category) Category {
	web.Apply(&c.Name, u.Name)
	web.Apply(&c.Description, u.Description)
	web.Apply(&c.Slug, u.Slug)
	if u.ParentID.Set {
		c.ParentID = u.ParentID.Value
	}
	return c
}

// tree nests all categories under their parents. Siblings keep their order.
func tree(all []Category) []Category {
	byParent := map[int64][]Category{}
	for _, c := range all {
		parent := int64(0)
		web.Apply(&parent, c.ParentID)
		byParent[parent] = append(byParent[parent], c)
	}
	var nest func(parent int64) []Category
	nest = func(parent int64) []Category {
		children := append([]Category{}, byParent[parent]...)
		for i := range children {
			children[i].Children = nest(children[i].ID)
		}
		return children
	}
	return nest(0)
}
