package shop

// productsEvents are what the products service tells.
var productsEvents = []Event{
	ProductChanged{},
	ProductArchived{},
	StockLow{},
	StockOut{},
	StockBack{},
}

// ProductChanged tells that a product is new, or looks or costs differently.
type ProductChanged struct {
	ProductID int64  `json:"product_id"`
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Price     Money  `json:"price"`
	Currency  string `json:"currency"`
}

// Topic is products.changed.
func (ProductChanged) Topic() string { return "products.changed" }

// Key is the product's SKU, which never changes.
func (e ProductChanged) Key() string { return e.SKU }

// ProductArchived tells that a product is off sale for good.
type ProductArchived struct {
	ProductID int64  `json:"product_id"`
	SKU       string `json:"sku"`
}

// Topic is products.archived.
func (ProductArchived) Topic() string { return "products.archived" }

// Key is the product's SKU, which never changes.
func (e ProductArchived) Key() string { return e.SKU }

// StockLow tells that no more than the threshold of a product is left; told once, until there is more again.
type StockLow struct {
	ProductID int64  `json:"product_id"`
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Available int    `json:"available"`
	Threshold int    `json:"threshold"`
}

// Topic is stock.low.
func (StockLow) Topic() string { return "stock.low" }

// Key is the product's SKU, which never changes.
func (e StockLow) Key() string { return e.SKU }

// StockOut tells that nothing of a product is left to buy; told once, until there is something again.
type StockOut struct {
	ProductID int64  `json:"product_id"`
	SKU       string `json:"sku"`
	Name      string `json:"name"`
}

// Topic is stock.out.
func (StockOut) Topic() string { return "stock.out" }

// Key is the product's SKU, which never changes.
func (e StockOut) Key() string { return e.SKU }

// StockBack tells that a product that was out can be bought again, and who asked to be told: at most 100 in one event, so
// that there are several events where more asked. Each user is named once.
type StockBack struct {
	ProductID int64    `json:"product_id"`
	SKU       string   `json:"sku"`
	Name      string   `json:"name"`
	Available int      `json:"available"`
	UserIDs   []UserID `json:"user_ids"`
}

// Topic is stock.back.
func (StockBack) Topic() string { return "stock.back" }

// Key is the product's SKU, which never changes.
func (e StockBack) Key() string { return e.SKU }
