package product

import (
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Filter narrows and sorts a list. The zero Filter matches all products on sale, newest first.
type Filter struct {
	Query      string            `query:"q" empty:"true" validate:"max=200" doc:"Words of the name or description."`
	CategoryID *int64            `query:"category_id" validate:"omitempty,min=1" doc:"A category with its subcategories."`
	Brand      string            `query:"brand" validate:"max=120" doc:"In any case, with or without accents."`
	Currency   string            `query:"currency" validate:"omitempty,len=3" doc:"Of ISO 4217. Prices are compared in it; default: the shop's currency." example:"USD"`
	MinPrice   *shop.Money       `query:"min_price" validate:"omitempty,price" doc:"In the currency."`
	MaxPrice   *shop.Money       `query:"max_price" validate:"omitempty,price" doc:"In the currency."`
	InStock    *bool             `query:"in_stock"`
	Attributes map[string]string `query:"attr.*" validate:"max=10,dive,keys,max=64,endkeys,max=500" doc:"Attributes that products have, as attr.color=red, in any case, with or without accents."`
	Sort       Sort              `query:"sort" validate:"omitempty,oneof=relevance newest price -price name" doc:"Default: relevance with q, else newest. By price: products of the currency."`
	Facets     bool              `query:"facets" page:"any" doc:"Count the products by brand, category and price."`
}

// Sort is the sort order of a list.
type Sort string

// The sort orders. The default is Relevance with a search text, otherwise Newest.
const (
	Relevance  Sort = "relevance"
	Newest     Sort = "newest"
	Cheapest   Sort = "price"
	Dearest    Sort = "-price"
	Alphabetic Sort = "name"
)

// ProductPage is a page of products, with facets if they were requested.
type ProductPage struct {
	web.Page[Product]
	Facets *Facets `json:"facets,omitempty"`
}

// Facets count all matching products by brand, category and price: largest count first, prices in ascending order.
// Prices of other currencies are not counted.
type Facets struct {
	Brand    []BrandCount    `json:"brand"`
	Category []CategoryCount `json:"category"`
	Price    []PriceCount    `json:"price"`
}

// BrandCount is the number of products that the filter brand finds with the value: the most frequent spelling of a
// brand. Facets have at most 50 brands.
type BrandCount struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// CategoryCount is the number of products in a category, without its subcategories.
type CategoryCount struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// PriceCount is the number of products with From <= price < To in a currency. The last band has no To.
type PriceCount struct {
	From     shop.Money  `json:"from"`
	To       *shop.Money `json:"to"`
	Currency string      `json:"currency"`
	Count    int         `json:"count"`
}

// comparesPrices reports whether a list needs prices of one currency.
func (f Filter) comparesPrices() bool {
	return f.MinPrice != nil || f.MaxPrice != nil || f.Sort == Cheapest || f.Sort == Dearest
}

func (f Filter) sortOrder() Sort {
	switch {
	case f.Sort == "" && f.Query != "":
		return Relevance
	case f.Sort == "", f.Sort == Relevance && f.Query == "":
		return Newest
	}
	return f.Sort
}

// cursor is the position of a product in a list: its sort key as of the search. The zero cursor is the start.
type cursor struct {
	Sort  Sort        `json:"s"`
	ID    int64       `json:"i"`
	Price *shop.Money `json:"p,omitempty"`
	Name  string      `json:"n,omitempty"`
	Rank  int         `json:"r,omitempty"`
}

// priceBands are the lower bounds of the price bands.
var priceBands = []string{"0", "10", "25", "50", "100", "250", "500", "1000"}

const maxBrands = 50

// facetCount is the number of products of one brand, category or price band (from 1).
type facetCount struct {
	Brand      *string
	CategoryID *int64
	Name       *string
	Band       *int
	Products   int
}

// facets takes counts in the order of the facets, and the currency of their prices.
func facets(counts []facetCount, currency string) *Facets {
	f := &Facets{Brand: []BrandCount{}, Category: []CategoryCount{}, Price: []PriceCount{}}
	for _, c := range counts {
		switch {
		case c.Brand != nil && *c.Brand != "" && len(f.Brand) < maxBrands:
			f.Brand = append(f.Brand, BrandCount{*c.Brand, c.Products})
		case c.CategoryID != nil && c.Name != nil:
			f.Category = append(f.Category, CategoryCount{*c.CategoryID, *c.Name, c.Products})
		case c.Band != nil:
			band := PriceCount{From: shop.MustMoney(priceBands[*c.Band-1]), Currency: currency, Count: c.Products}
			if *c.Band < len(priceBands) {
				to := shop.MustMoney(priceBands[*c.Band])
				band.To = &to
			}
			f.Price = append(f.Price, band)
		}
	}
	return f
}
