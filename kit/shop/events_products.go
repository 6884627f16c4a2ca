package shop

// productsEvents are the events of the products service.
var productsEvents = []Event{
	ProductChanged{},
	ProductArchived{},
	StockLow{},
	StockOut{},
	StockBack{},
}

// ProductChanged is published when a product was created, or its name, price or currency changed.
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

// ProductArchived is published when a product was archived.
type ProductArchived struct {
	ProductID int64  `json:"product_id"`
	SKU       string `json:"sku"`
}

// Topic is products.archived.
func (ProductArchived) Topic() string { return "products.archived" }

// Key is the product's SKU, which never changes.
func (e ProductArchived) Key() string { return e.SKU }

// StockLow is published when the available stock fell to the product's threshold; once, until it rises above it.
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

// StockOut is published when a product went out of stock; once, until it is in stock again.
type StockOut struct {
	ProductID int64  `json:"product_id"`
	SKU       string `json:"sku"`
	Name      string `json:"name"`
}

// Topic is stock.out.
func (StockOut) Topic() string { return "stock.out" }

// Key is the product's SKU, which never changes.
func (e StockOut) Key() string { return e.SKU }

// StockBack is published when a product is in stock again. UserIDs are users that requested a notification: at most 100
// in an event, so more of them make several events. Each user is named once.
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
