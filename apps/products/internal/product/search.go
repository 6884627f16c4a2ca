package product

import (
	"cmp"
	"slices"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Filter narrows a list and orders it. The zero Filter lets everything pass, newest first.
type Filter struct {
	Query      string            `query:"q" validate:"max=200"`
	CategoryID int64             `query:"category_id" validate:"min=0"` // and what is below it
	Brand      string            `query:"brand" validate:"max=120"`
	MinPrice   *shop.Money       `query:"min_price" validate:"omitempty,price"`
	MaxPrice   *shop.Money       `query:"max_price" validate:"omitempty,price"`
	InStock    *bool             `query:"in_stock"`
	Attributes map[string]string `query:"attr.*" validate:"max=10,dive,keys,max=64,endkeys,max=500"`
	Sort       Sort              `query:"sort" validate:"omitempty,oneof=relevance newest price -price name"`
	Facets     bool              `query:"facets"`
}

// Sort is the order of a list.
type Sort string

// The orders. Relevance is what there is without a word from the caller where something is searched for, else Newest.
const (
	Relevance  Sort = "relevance"
	Newest     Sort = "newest"
	Cheapest   Sort = "price"
	Dearest    Sort = "-price"
	Alphabetic Sort = "name"
)

// ProductPage is one stretch of what was found, and what there is of it by brand, category and price, if that was asked.
type ProductPage struct {
	web.Page[Product]
	Facets *Facets `json:"facets,omitempty"`
}

// Facets counts all that was found, by each of three ways to narrow it; the most first, prices from low to high.
type Facets struct {
	Brand    []BrandCount    `json:"brand"`
	Category []CategoryCount `json:"category"`
	Price    []PriceCount    `json:"price"`
}

// BrandCount is how many there are of a brand. At most 50 brands are told of.
type BrandCount struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// CategoryCount is how many there are in a category itself.
type CategoryCount struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// PriceCount is how many cost at least From and less than To, which the last band does not have.
type PriceCount struct {
	From  shop.Money  `json:"from"`
	To    *shop.Money `json:"to"`
	Count int         `json:"count"`
}

// sortOrder is what a list is sorted by.
func (f Filter) sortOrder() Sort {
	switch {
	case f.Sort == "" && f.Query != "":
		return Relevance
	case f.Sort == "", f.Sort == Relevance && f.Query == "":
		return Newest
	}
	return f.Sort
}

// cursor is where a product that was found stands in a list, and so where the list goes on after it: what it is
// sorted by, as it was when it was found. The zero position is the start.
type cursor struct {
	Sort  Sort        `json:"s"`
	ID    int64       `json:"i"`
	Price *shop.Money `json:"p,omitempty"`
	Name  string      `json:"n,omitempty"`
	Rank  int         `json:"r,omitempty"`
}

// errCursor tells that a cursor is of a list in another order.
var errCursor = fault.ErrInvalid.With("cursor", "is not a cursor of this list")

// priceBands are where the price bands begin.
var priceBands = []string{"0", "10", "25", "50", "100", "250", "500", "1000"}

// maxBrands is how many brands a facet tells of.
const maxBrands = 50

// facetCount is one line of the counting: of a brand, or of a category, or of a price band, from 1.
type facetCount struct {
	Brand      *string
	CategoryID *int64
	Name       *string
	Band       *int
	Products   int
}

func facets(lines []facetCount) *Facets {
	f := &Facets{Brand: []BrandCount{}, Category: []CategoryCount{}, Price: []PriceCount{}}
	slices.SortStableFunc(lines, func(a, b facetCount) int { return cmp.Compare(b.Products, a.Products) })
	for _, l := range lines {
		switch {
		case l.Brand != nil && *l.Brand != "" && len(f.Brand) < maxBrands:
			f.Brand = append(f.Brand, BrandCount{*l.Brand, l.Products})
		case l.CategoryID != nil && l.Name != nil:
			f.Category = append(f.Category, CategoryCount{*l.CategoryID, *l.Name, l.Products})
		case l.Band != nil:
			band := PriceCount{From: shop.MustMoney(priceBands[*l.Band-1]), Count: l.Products}
			if *l.Band < len(priceBands) {
				to := shop.MustMoney(priceBands[*l.Band])
				band.To = &to
			}
			f.Price = append(f.Price, band)
		}
	}
	slices.SortFunc(f.Price, func(a, b PriceCount) int {
		return cmp.Compare(slices.Index(priceBands, a.From.String()), slices.Index(priceBands, b.From.String()))
	})
	return f
}
