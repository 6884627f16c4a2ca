package shop

// productsEvents are what the products service tells.
var productsEvents = []Event{
	ProductChanged{},
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
