package product

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Row is one product of an import, identified by its SKU: all fields of a new product, or the fields to change of an
// existing one. InitialQuantity applies to new products only: existing stock changes by adjustments. With
// AddAttributes, an existing product keeps the attributes that the row does not name.
type Row struct {
	SKU string `json:"sku" validate:"required,max=64,sku"`
	ProductUpdate
	InitialQuantity *int `json:"initial_quantity" validate:"omitempty,min=0,max=1000000000"`
	AddAttributes   bool `json:"-"`
}

// Result is the result of an accepted row.
type Result string

// The results.
const (
	Created   Result = "created"
	Updated   Result = "updated"
	Unchanged Result = "unchanged"
)

// ErrArchived means that the SKU belongs to an archived product.
var ErrArchived = fault.ErrInvalid.With("sku", "is of a product that is archived")

// newProduct returns a row as a new product. It fails with ErrInvalid, which names the missing fields.
func (r Row) newProduct(d Defaults) (NewProduct, error) {
	missing := fault.ErrInvalid
	for field, absent := range map[string]bool{
		"name": r.Name == nil, "price": r.Price == nil, "category_id": r.CategoryID == nil,
	} {
		if absent {
			missing = missing.With(field, "is required of a new product")
		}
	}
	if len(missing.Fields) > 0 {
		return NewProduct{}, missing
	}
	in := NewProduct{
		SKU: r.SKU, Name: *r.Name, Price: r.Price, CategoryID: *r.CategoryID,
		Attributes: r.Attributes, Metadata: r.Metadata,
	}
	web.Apply(&in.Description, r.Description)
	web.Apply(&in.Slug, r.Slug)
	web.Apply(&in.Currency, r.Currency)
	web.Apply(&in.Brand, r.Brand)
	web.Apply(&in.InitialQuantity, r.InitialQuantity)
	web.Apply(&in.LowStockThreshold, r.LowStockThreshold)
	web.Apply(&in.Language, r.Language)
	return in.withDefaults(d)
}

// existingProduct is a product that an import may change.
type existingProduct struct {
	Product
	Archived bool
}

// existingProducts are the products with the SKUs of an import: by SKU, and the SKU by its lower case.
type existingProducts struct {
	bySKU    map[string]existingProduct
	spelling map[string]string
}

// Upsert creates or updates the products of rows, whose SKUs differ in more than case, all of them or none, in a number
// of round trips that does not grow with the rows. It emits products.changed for each product that is new or changed.
// It fails with ErrArchived, with ErrSKUTaken for a SKU that differs from an existing one in case only, and as Create
// and Update do for any row.
func Upsert(ctx context.Context, tx event.TX, d Defaults, rows []Row) ([]Result, error) {
	existing, err := lockBySKU(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(rows))
	var c changes
	for i, row := range rows {
		if results[i], err = c.upsert(row, existing, d); err != nil {
			return nil, err
		}
	}
	_, err = c.save(ctx, tx)
	return results, err
}

// changes are what a transaction writes. The updated products are locked.
type changes struct {
	created    []NewProduct
	updated    []Product
	thresholds []stock.Threshold
	lockStock  []int64
}

func (c *changes) upsert(row Row, existing existingProducts, d Defaults) (Result, error) {
	p, ok := existing.bySKU[row.SKU]
	if !ok {
		if other, taken := existing.spelling[strings.ToLower(row.SKU)]; taken {
			return "", ErrSKUTaken.With("sku", "is taken by "+other+": SKUs differ in more than case")
		}
		in, err := row.newProduct(d)
		c.created = append(c.created, in)
		return Created, err
	}
	if p.Archived {
		return "", ErrArchived
	}
	if row.AddAttributes {
		all := maps.Clone(p.Attributes)
		maps.Copy(all, row.Attributes)
		if len(all) > maxAttributes {
			return "", fault.ErrInvalid.With("attributes", fmt.Sprintf("must have at most %d entries", maxAttributes))
		}
		row.Attributes = all
	}
	return c.update(p.Product, row.ProductUpdate)
}

const maxAttributes = 50 // as in the validate tags

func (c *changes) update(p Product, u ProductUpdate) (Result, error) {
	updated, err := u.applyTo(p)
	if err != nil || reflect.DeepEqual(updated, p) {
		return Unchanged, err
	}
	c.updated = append(c.updated, updated)
	if updated.LowStockThreshold != p.LowStockThreshold {
		c.thresholds = append(c.thresholds, stock.Threshold{ProductID: p.ID, Threshold: updated.LowStockThreshold})
	}
	if updated.LowStockThreshold != p.LowStockThreshold || updated.Slug != p.Slug {
		// A transaction that moves stock locks the stock, and then the product's key by a foreign key. The slug is part
		// of a unique key, so changing it takes the same locks in the same order.
		c.lockStock = append(c.lockStock, p.ID)
	}
	return Updated, nil
}

// save writes the changes and emits products.changed for each product. It returns the ids of created products by SKU,
// and fails with ErrSKUTaken, ErrSlugTaken or ErrNoCategory.
func (c *changes) save(ctx context.Context, tx event.TX) (map[string]int64, error) {
	if err := stock.Lock(ctx, tx, c.lockStock); err != nil {
		return nil, err
	}
	if err := stock.SetThresholds(ctx, tx, c.thresholds...); err != nil {
		return nil, err
	}
	ids, err := insert(ctx, tx, c.created)
	if err != nil {
		return nil, err
	}
	var events []shop.ProductChanged
	var opening []stock.Opening
	for _, in := range c.created {
		id := ids[in.SKU]
		opening = append(opening, stock.Opening{ProductID: id, Quantity: in.InitialQuantity})
		events = append(events, shop.ProductChanged{
			ProductID: id, SKU: in.SKU, Name: in.Name, Price: *in.Price, Currency: in.Currency,
		})
	}
	if err := stock.Open(ctx, tx, opening); err != nil {
		return nil, err
	}
	if err := updateRows(ctx, tx, c.updated); err != nil {
		return nil, err
	}
	for _, p := range c.updated {
		events = append(events, shop.ProductChanged{
			ProductID: p.ID, SKU: p.SKU, Name: p.Name, Price: p.Price, Currency: p.Currency,
		})
	}
	return ids, event.EmitAll(ctx, tx, events)
}
