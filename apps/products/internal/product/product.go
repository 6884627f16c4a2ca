// Package product is what is for sale: how it is called, what it costs, where it is found.
package product

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"sidecart/apps/products/internal/image"
	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Product is one thing for sale. Available is how many can be bought right now.
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

// ETag is another one after each change, also of how many can be bought.
func (p Product) ETag() string { return fmt.Sprintf("%d-%d", p.Version, p.Available) }

// matches says whether a tag was given out since the product last changed. One that was sold meanwhile is no change of it.
func (p Product) matches(tag string) bool {
	version, _, _ := strings.Cut(tag, "-")
	return version == strconv.Itoa(p.Version)
}

// NewProduct is what an admin says of a new product. Currency is USD unless told; without a slug it gets one from its name and SKU.
// Language says how its words are searched for; simple takes them as they are.
type NewProduct struct {
	idempotency.Key
	Name              string                    `json:"name" validate:"required,notblank,line,max=200"`
	Description       string                    `json:"description" validate:"max=10000"`
	SKU               string                    `json:"sku" validate:"required,max=64,sku"`
	Slug              string                    `json:"slug" validate:"omitempty,max=120,slug"`
	Price             *shop.Money               `json:"price" validate:"required,price"`
	Currency          string                    `json:"currency" validate:"omitempty,len=3"`
	CategoryID        int64                     `json:"category_id" validate:"required,min=1"`
	Brand             string                    `json:"brand" validate:"line,max=120"`
	Language          string                    `json:"language" validate:"omitempty,oneof=en de es simple"`
	Attributes        map[string]AttributeValue `json:"attributes" validate:"max=50,dive,keys,required,max=64,line,endkeys"`
	Metadata          map[string]AttributeValue `json:"metadata" validate:"max=50,dive,keys,required,max=64,line,endkeys"`
	InitialQuantity   int                       `json:"initial_quantity" validate:"min=0,max=1000000000"`
	LowStockThreshold int                       `json:"low_stock_threshold" validate:"min=0,max=1000000000"`
}

// slug is the one that was given, or is made of name and SKU.
func (in NewProduct) slug() string {
	if in.Slug != "" {
		return in.Slug
	}
	return shop.Slug(in.Name + " " + in.SKU)
}

// uniqueSlug is instead of a slug that was made and is taken, where names and SKUs differ in what a slug has not.
func uniqueSlug(slug string) string {
	return shop.Slug(slug[:min(len(slug), 80)] + " " + shop.NewID().String())
}

// ProductUpdate is what an admin wants different; what is not named stays. Attributes and metadata are replaced as a whole. The
// SKU never changes.
type ProductUpdate struct {
	Name              *string                   `json:"name" validate:"omitempty,notblank,line,max=200"`
	Description       *string                   `json:"description" validate:"omitempty,max=10000"`
	Slug              *string                   `json:"slug" validate:"omitempty,max=120,slug"`
	Price             *shop.Money               `json:"price" validate:"omitempty,price"`
	Currency          *string                   `json:"currency" validate:"omitempty,len=3"`
	CategoryID        *int64                    `json:"category_id" validate:"omitempty,min=1"`
	Brand             *string                   `json:"brand" validate:"omitempty,line,max=120"`
	Language          *string                   `json:"language" validate:"omitempty,oneof=en de es simple"`
	Attributes        map[string]AttributeValue `json:"attributes" validate:"omitempty,max=50,dive,keys,required,max=64,line,endkeys"`
	Metadata          map[string]AttributeValue `json:"metadata" validate:"omitempty,max=50,dive,keys,required,max=64,line,endkeys"`
	LowStockThreshold *int                      `json:"low_stock_threshold" validate:"omitempty,min=0,max=1000000000"`
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

// What can go wrong with products.
var (
	ErrNotFound   = fault.New(fault.NotFound, "product_not_found", "there is no such product")
	ErrSKUTaken   = fault.New(fault.Conflict, "sku_taken", "another product has this SKU").With("sku", "is taken")
	ErrSlugTaken  = fault.New(fault.Conflict, "slug_taken", "another product has this slug").With("slug", "is taken")
	ErrNoCategory = fault.ErrInvalid.With("category_id", "there is no such category")
)

// defaultCurrency is what prices are in where nobody says otherwise.
const defaultCurrency = "USD"

// Languages are those whose words search knows in all their forms, and simple, which takes words as they are.
var Languages = []string{"en", "de", "es", "simple"}

// withDefaults is the product as it is kept: with a language, a currency, and a price with exactly that currency's decimals. It fails
// with ErrInvalid naming what does not fit.
func (in NewProduct) withDefaults(language string) (NewProduct, error) {
	if in.Language == "" {
		in.Language = language
	}
	if in.Currency == "" {
		in.Currency = defaultCurrency
	}
	price, err := priceIn(*in.Price, in.Currency)
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

func priceIn(price shop.Money, currency string) (shop.Money, error) {
	if !shop.IsCurrency(currency) {
		return price, fault.ErrInvalid.With("currency", "is not a currency that ISO 4217 has today")
	}
	exact, err := price.In(currency)
	if err != nil {
		return exact, fault.ErrInvalid.With("price", err.Error())
	}
	return exact, nil
}

// applyTo is the product as it is after a change, and whether anything is different. It fails as normal does.
func (change ProductUpdate) applyTo(p Product) (changed Product, different bool, err error) {
	changed = p
	web.Apply(&changed.Name, change.Name)
	web.Apply(&changed.Description, change.Description)
	web.Apply(&changed.Slug, change.Slug)
	web.Apply(&changed.Price, change.Price)
	web.Apply(&changed.Currency, change.Currency)
	web.Apply(&changed.CategoryID, change.CategoryID)
	web.Apply(&changed.Brand, change.Brand)
	web.Apply(&changed.Language, change.Language)
	web.Apply(&changed.LowStockThreshold, change.LowStockThreshold)
	if change.Attributes != nil {
		changed.Attributes = change.Attributes
	}
	if change.Metadata != nil {
		changed.Metadata = change.Metadata
	}
	if change.Price != nil || change.Currency != nil { // a currency of earlier times stays until then
		changed.Price, err = priceIn(changed.Price, changed.Currency)
	}
	return changed, !reflect.DeepEqual(changed, p), err
}
