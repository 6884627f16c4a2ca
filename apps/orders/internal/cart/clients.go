package cart

import (
	"context"
	"time"

	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// Price is a product's current price and stock.
type Price struct {
	ProductID int64      `json:"product_id"`
	SKU       string     `json:"sku"`
	Name      string     `json:"name"`
	UnitPrice shop.Money `json:"unit_price"`
	Currency  string     `json:"currency"`
	Available int        `json:"available"`
	Archived  bool       `json:"archived"`
}

// Prices requests the prices of products. The result has no entry for a product that does not exist.
type Prices func(ctx context.Context, products []int64) (map[int64]Price, error)

var prices = sidecar.Endpoint{App: "products", Method: "POST", Path: "/prices"}

// NewPrices invokes the products service through the sidecar.
func NewPrices(invoke sidecar.Invoke) Prices {
	return func(ctx context.Context, products []int64) (map[int64]Price, error) {
		var response struct {
			Items []Price `json:"items"`
		}
		if err := invoke(ctx, prices, map[string]any{"product_ids": products}, &response); err != nil {
			return nil, err
		}
		known := make(map[int64]Price, len(response.Items))
		for _, p := range response.Items {
			known[p.ProductID] = p
		}
		return known, nil
	}
}

// Store holds carts with versions. Save and Delete fail with sidecar.ErrConcurrentUpdate unless version is the cart's
// current one. A missing cart has the empty version.
type Store struct {
	Load   func(ctx context.Context, owner shop.UserID) (StoredCart, string, error)
	Save   func(ctx context.Context, owner shop.UserID, c StoredCart, version string) error
	Delete func(ctx context.Context, owner shop.UserID, version string) error
}

// component is the name of the state store.
const component = "carts"

// NewStore stores carts in the sidecar's state store. A cart expires ttl after its last change.
func NewStore(dapr *sidecar.Sidecar, ttl time.Duration) Store {
	return Store{
		Load: func(ctx context.Context, owner shop.UserID) (c StoredCart, version string, err error) {
			version, err = dapr.Load(ctx, component, owner.String(), &c)
			return c, version, err
		},
		Save: func(ctx context.Context, owner shop.UserID, c StoredCart, version string) error {
			return dapr.Save(ctx, component, owner.String(), c, version, ttl)
		},
		Delete: func(ctx context.Context, owner shop.UserID, version string) error {
			return dapr.Delete(ctx, component, owner.String(), version)
		},
	}
}
