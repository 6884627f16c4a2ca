// Package product is what is for sale: how it is called, what it costs, where it is found.
package product

import (
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Product is one thing for sale. Available is how many can be bought right now.
type Product struct {
	ID                int64             `json:"id"`
	Name              string            `json:"name"`
	Description       string            `json:"description"`
	SKU               string            `json:"sku"`
	Slug              string            `json:"slug"`
	Price             shop.Money        `json:"price"`
	Currency          string            `json:"currency"`
	CategoryID        int64             `json:"category_id"`
	Brand             string            `json:"brand"`
	Attributes        map[string]string `json:"attributes"`
	LowStockThreshold int               `json:"low_stock_threshold"`
	Available         int               `json:"available"`
	InStock           bool              `json:"in_stock"`
	CreatedAt         time.Time         `json:"created_at"`
	UpdatedAt         time.Time         `json:"updated_at"`
}

// New is what an admin says of a new product. Currency is USD unless told.
type New struct {
	idempotency.Key
	Name              string            `json:"name" validate:"required,notblank,line,max=200"`
	Description       string            `json:"description" validate:"max=10000"`
	SKU               string            `json:"sku" validate:"required,max=64,sku"`
	Price             *shop.Money       `json:"price" validate:"required,price"`
	Currency          string            `json:"currency" validate:"omitempty,len=3"`
	CategoryID        int64             `json:"category_id" validate:"required,min=1"`
	Brand             string            `json:"brand" validate:"line,max=120"`
	Attributes        map[string]string `json:"attributes" validate:"max=50,dive,keys,required,max=64,line,endkeys,max=500,line"`
	InitialQuantity   int               `json:"initial_quantity" validate:"min=0,max=1000000000"`
	LowStockThreshold int               `json:"low_stock_threshold" validate:"min=0,max=1000000000"`
}

// Price is what a neighbour asks of a product: what it is called, what one costs and whether it can be bought right now.
// Archived products have one too, so that whoever still holds one in a cart can say so.
type Price struct {
	ProductID int64      `json:"product_id"`
	SKU       string     `json:"sku"`
	Name      string     `json:"name"`
	UnitPrice shop.Money `json:"unit_price"`
	Currency  string     `json:"currency"`
	Available int        `json:"available"`
	Archived  bool       `json:"archived"`
}

// Filter narrows a list. The zero Filter lets everything pass.
type Filter struct {
	CategoryID int64  `query:"category_id" validate:"min=0"`
	Brand      string `query:"brand" validate:"max=120"`
}

// What can go wrong with products.
var (
	ErrNotFound = fault.New(fault.NotFound, "product_not_found", "there is no such product")
	ErrSKU      = fault.New(fault.Conflict, "sku_taken", "another product has this SKU").With("sku", "is taken")
	ErrCategory = fault.ErrInvalid.With("category_id", "there is no such category")
)

// defaultCurrency is what prices are in where nobody says otherwise.
const defaultCurrency = "USD"

// normal is the product as it is kept: with a currency, and a price with exactly that currency's decimals. It fails
// with ErrInvalid naming what does not fit.
func (in New) normal() (New, error) {
	if in.Currency == "" {
		in.Currency = defaultCurrency
	}
	price, err := in.Price.In(in.Currency)
	switch {
	case !shop.IsCurrency(in.Currency):
		return in, fault.ErrInvalid.With("currency", err.Error())
	case err != nil:
		return in, fault.ErrInvalid.With("price", err.Error())
	}
	in.Price = &price
	if in.Attributes == nil {
		in.Attributes = map[string]string{}
	}
	return in, nil
}
