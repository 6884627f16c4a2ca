// Package product manages the products for sale: their data, prices and search.
package product

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"sidecart/apps/products/internal/image"
	"sidecart/apps/products/internal/slug"
	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Product is a product for sale. Available is the quantity that can be bought now.
type Product struct {
	ID                int64                     `json:"id"`
	Name              string                    `json:"name"`
	Description       string                    `json:"description"`
	SKU               string                    `json:"sku"`
	Slug              string                    `json:"slug"`
	Price             shop.Money                `json:"price"`
	Currency          string                    `json:"currency"`
	CategoryID        int64                     `json:"category_id"`
	Brand             string                    `json:"brand"`
	Language          string                    `json:"language"` // of name and description
	Attributes        map[string]AttributeValue `json:"attributes"`
	Metadata          map[string]AttributeValue `json:"metadata"`
	Images            []image.Image             `json:"images"`
	LowStockThreshold int                       `json:"low_stock_threshold"`
	Available         int                       `json:"available"`
	InStock           bool                      `json:"in_stock"`
	Version           int                       `json:"version"`
	CreatedAt         time.Time                 `json:"created_at"`
	UpdatedAt         time.Time                 `json:"updated_at"`
}

// ETag changes with the version and with the available quantity.
func (p Product) ETag() string { return fmt.Sprintf("%d-%d", p.Version, p.Available) }

// NewProduct is the input for a product. The currency defaults to the shop's, and the slug to one made from name and
// SKU. Language selects how its words are stemmed for search; simple does not stem.
type NewProduct struct {
	idempotency.Key
	Name              string                    `json:"name" validate:"required,notblank,line,max=200" example:"Desk lamp"`
	Description       string                    `json:"description" validate:"max=10000"`
	SKU               string                    `json:"sku" validate:"required,max=64,sku" example:"LAMP-1"`
	Slug              string                    `json:"slug" validate:"omitempty,max=120,slug"`
	Price             *shop.Money               `json:"price" validate:"required,price" example:"49.90"`
	Currency          string                    `json:"currency" validate:"omitempty,len=3" example:"USD"`
	CategoryID        int64                     `json:"category_id" validate:"required,min=1" example:"1"`
	Brand             string                    `json:"brand" validate:"line,max=120"`
	Language          string                    `json:"language" validate:"omitempty,oneof=en de es simple"`
	Attributes        map[string]AttributeValue `json:"attributes" validate:"max=50,dive,keys,required,max=64,line,endkeys" example:"{\"color\":\"red\"}"`
	Metadata          map[string]AttributeValue `json:"metadata" validate:"max=50,dive,keys,required,max=64,line,endkeys"`
	InitialQuantity   int                       `json:"initial_quantity" validate:"min=0,max=1000000000" example:"100"`
	LowStockThreshold int                       `json:"low_stock_threshold" validate:"min=0,max=1000000000"`
}

func (in NewProduct) slug() string {
	if in.Slug != "" {
		return in.Slug
	}
	return slug.Of(in.Name + " " + in.SKU)
}

// assignSlugs sets the slugs of products. A given slug that is taken fails with ErrSlugTaken; a generated one gets a
// unique suffix, because names and SKUs may differ in characters that slugs leave out.
func assignSlugs(products []NewProduct, slugs []string) ([]NewProduct, error) {
	products, taken := slices.Clone(products), map[string]bool{}
	for _, given := range slugs {
		taken[given] = true
	}
	for _, p := range products {
		if p.Slug != "" && taken[p.Slug] {
			return nil, ErrSlugTaken
		}
		taken[p.Slug] = true
	}
	for i, p := range products {
		if generated := p.slug(); p.Slug == "" {
			if taken[generated] {
				generated = slug.Unique(generated)
			}
			products[i].Slug, taken[generated] = generated, true
		}
	}
	return products, nil
}

// ProductUpdate changes the fields that are set. Attributes and metadata are replaced as a whole. The SKU never
// changes.
type ProductUpdate struct {
	Name              *string                   `json:"name" validate:"omitempty,notblank,line,max=200"`
	Description       *string                   `json:"description" validate:"omitempty,max=10000"`
	Slug              *string                   `json:"slug" validate:"omitempty,max=120,slug"`
	Price             *shop.Money               `json:"price" validate:"omitempty,price" example:"39.90"`
	Currency          *string                   `json:"currency" validate:"omitempty,len=3"`
	CategoryID        *int64                    `json:"category_id" validate:"omitempty,min=1"`
	Brand             *string                   `json:"brand" validate:"omitempty,line,max=120"`
	Language          *string                   `json:"language" validate:"omitempty,oneof=en de es simple"`
	Attributes        map[string]AttributeValue `json:"attributes" validate:"omitempty,max=50,dive,keys,required,max=64,line,endkeys"`
	Metadata          map[string]AttributeValue `json:"metadata" validate:"omitempty,max=50,dive,keys,required,max=64,line,endkeys"`
	LowStockThreshold *int                      `json:"low_stock_threshold" validate:"omitempty,min=0,max=1000000000"`
}

// Price is the current price of a product for the orders service. Archived products have one too, so that a cart can
// show that they are no longer for sale.
type Price struct {
	ProductID int64      `json:"product_id"`
	SKU       string     `json:"sku"`
	Name      string     `json:"name"`
	UnitPrice shop.Money `json:"unit_price"`
	Currency  string     `json:"currency"`
	Available int        `json:"available"`
	Archived  bool       `json:"archived"`
}

// Errors of products.
var (
	ErrNotFound = fault.New(fault.NotFound, "product_not_found", "there is no such product")
	ErrSKUTaken = fault.New(fault.Conflict, "sku_taken", "another product has this SKU, in this spelling or with other capitals").
			With("sku", "is taken")
	ErrSlugTaken  = fault.New(fault.Conflict, "slug_taken", "another product has this slug").With("slug", "is taken")
	ErrNoCategory = fault.ErrInvalid.With("category_id", "there is no such category")
)

// Languages are those that search can stem, and simple, which does not stem.
var Languages = []string{"en", "de", "es", "simple"}

// Defaults are the language and the currency of new products whose input has none.
type Defaults struct{ Language, Currency string }

// withDefaults sets the language and the currency, and gives the price exactly that currency's decimals. It fails with
// ErrInvalid.
func (in NewProduct) withDefaults(d Defaults) (NewProduct, error) {
	in.Language = cmp.Or(in.Language, d.Language)
	in.Currency = cmp.Or(in.Currency, d.Currency)
	price, err := priceIn(*in.Price, in.Currency, shop.Money.Given)
	if err != nil {
		return in, err
	}
	in.Price = &price
	if in.Attributes == nil {
		in.Attributes = map[string]AttributeValue{}
	}
	if in.Metadata == nil {
		in.Metadata = map[string]AttributeValue{}
	}
	return in, nil
}

// priceIn gives a price exactly the decimals of a currency: by shop.Money.Given, if the price was requested. It fails
// with ErrInvalid.
func priceIn(price shop.Money, currency string, in func(shop.Money, string) (shop.Money, error)) (shop.Money, error) {
	if !shop.IsCurrency(currency) {
		return price, fault.ErrInvalid.With("currency", "is not a currency that ISO 4217 has today")
	}
	exact, err := in(price, currency)
	if err != nil {
		return exact, fault.ErrInvalid.With("price", err.Error())
	}
	return exact, nil
}

// applyTo returns the product after the update. It fails with ErrInvalid.
func (u ProductUpdate) applyTo(p Product) (_ Product, err error) {
	price, currency := p.Price, p.Currency
	web.Apply(&p.Name, u.Name)
	web.Apply(&p.Description, u.Description)
	web.Apply(&p.Slug, u.Slug)
	web.Apply(&p.Price, u.Price)
	web.Apply(&p.Currency, u.Currency)
	web.Apply(&p.CategoryID, u.CategoryID)
	web.Apply(&p.Brand, u.Brand)
	web.Apply(&p.Language, u.Language)
	web.Apply(&p.LowStockThreshold, u.LowStockThreshold)
	if u.Attributes != nil && !maps.EqualFunc(p.Attributes, u.Attributes, AttributeValue.equal) {
		p.Attributes = u.Attributes
	}
	if u.Metadata != nil && !maps.EqualFunc(p.Metadata, u.Metadata, AttributeValue.equal) {
		p.Metadata = u.Metadata
	}
	switch {
	case p.Price == price && p.Currency == currency: // a currency that is obsolete today is kept
	case u.Price != nil:
		p.Price, err = priceIn(p.Price, p.Currency, shop.Money.Given)
	case u.Currency != nil:
		p.Price, err = priceIn(p.Price, p.Currency, shop.Money.In)
	}
	return p, err
}
