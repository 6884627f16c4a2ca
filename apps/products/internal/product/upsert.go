package product

import (
	"context"

	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Row is what a list of goods says of one product, known by its SKU: all of a new one, or what shall be different of one that
// is there. InitialQuantity is for a new one only: stock that is there changes by adjustments.
type Row struct {
	SKU string `json:"sku" validate:"required,max=64,sku"`
	ProductUpdate
	InitialQuantity *int `json:"initial_quantity" validate:"omitempty,min=0,max=1000000000"`
}

// Outcome is what became of a line.
type Outcome string

// The outcomes of a line that was taken.
const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
)

// ErrArchived tells that a SKU belongs to a product that is off sale for good.
var ErrArchived = fault.ErrInvalid.With("sku", "is of a product that is archived")

// newProduct is a line as a new product. It fails with ErrInvalid naming what is missing.
func (l Row) newProduct(language string) (NewProduct, error) {
	missing := fault.ErrInvalid
	for field, absent := range map[string]bool{"name": l.Name == nil, "price": l.Price == nil, "category_id": l.CategoryID == nil} {
		if absent {
			missing = missing.With(field, "is required of a new product")
		}
	}
	if len(missing.Fields) > 0 {
		return NewProduct{}, missing
	}
	in := NewProduct{SKU: l.SKU, Name: *l.Name, Price: l.Price, CategoryID: *l.CategoryID, Attributes: l.Attributes, Metadata: l.Metadata}
	web.Apply(&in.Description, l.Description)
	web.Apply(&in.Slug, l.Slug)
	web.Apply(&in.Currency, l.Currency)
	web.Apply(&in.Brand, l.Brand)
	web.Apply(&in.InitialQuantity, l.InitialQuantity)
	web.Apply(&in.LowStockThreshold, l.LowStockThreshold)
	web.Apply(&in.Language, l.Language)
	return in.withDefaults(language)
}

// existingProduct is a product that has a SKU already.
type existingProduct struct {
	Product
	Archived bool
}

// Upsert takes lines of different SKUs in somebody's transaction, all of them or none, for a few answers from the server
// however many they are, and emits products.changed of each that is new or different. It fails as Create and Change do,
// for any line, and with ErrArchived. language is that of new products of which a line does not say it.
func Upsert(ctx context.Context, tx event.TX, language string, rows []Row) ([]Outcome, error) {
	bySKU, err := lockBySKU(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, len(rows))
	var created []NewProduct
	var updated []Product
	var thresholds []stock.Threshold
	var lockStock []int64 // whose stock may not move meanwhile
	for i, l := range rows {
		k, ok := bySKU[l.SKU]
		if !ok {
			in, err := l.newProduct(language)
			if err != nil {
				return nil, err
			}
			outcomes[i], created = Created, append(created, in)
			continue
		}
		if k.Archived {
			return nil, ErrArchived
		}
		p, changed, err := l.applyTo(k.Product)
		if err != nil {
			return nil, err
		}
		outcomes[i] = Unchanged
		if changed {
			outcomes[i], updated = Updated, append(updated, p)
		}
		if p.LowStockThreshold != k.LowStockThreshold {
			thresholds, lockStock = append(thresholds, stock.Threshold{ProductID: p.ID, Threshold: p.LowStockThreshold}), append(lockStock, p.ID)
		}
		if p.Slug != k.Slug {
			// Whoever moves stock keeps the product from being known by something else (a foreign key), and does so under the lock of
			// the stock.
			lockStock = append(lockStock, p.ID)
		}
	}
	if err := stock.Lock(ctx, tx, lockStock); err != nil {
		return nil, err
	}
	if err := stock.SetThresholds(ctx, tx, thresholds...); err != nil {
		return nil, err
	}
	_, err = save(ctx, tx, created, updated)
	return outcomes, err
}

// save puts new products on sale with their first stock, writes down changed ones, which are locked, and tells
// products.changed of all of them. It answers the ids of the new ones by SKU, and fails with ErrSKUTaken, ErrSlugTaken or
// ErrNoCategory.
func save(ctx context.Context, tx event.TX, created []NewProduct, updated []Product) (map[string]int64, error) {
	ids, err := insert(ctx, tx, created)
	if err != nil {
		return nil, err
	}
	var events []shop.ProductChanged
	var opening []stock.Opening
	for _, in := range created {
		opening = append(opening, stock.Opening{ProductID: ids[in.SKU], Quantity: in.InitialQuantity})
		events = append(events, shop.ProductChanged{ProductID: ids[in.SKU], SKU: in.SKU, Name: in.Name, Price: *in.Price, Currency: in.Currency})
	}
	if err := stock.Open(ctx, tx, opening); err != nil {
		return nil, err
	}
	if err := updateRows(ctx, tx, updated); err != nil {
		return nil, err
	}
	for _, p := range updated {
		events = append(events, shop.ProductChanged{ProductID: p.ID, SKU: p.SKU, Name: p.Name, Price: p.Price, Currency: p.Currency})
	}
	return ids, event.EmitAll(ctx, tx, events)
}
