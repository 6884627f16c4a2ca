package cart

import (
	"context"
	"time"

	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// Price is what the products service says of a product at this moment.
type Price struct {
	ProductID int64      `json:"product_id"`
	SKU       string     `json:"sku"`
	Name      string     `json:"name"`
	UnitPrice shop.Money `json:"unit_price"`
	Currency  string     `json:"currency"`
	Available int        `json:"available"`
	Archived  bool       `json:"archived"`
}

// Prices asks the products service. A product that does not exist is not in the answer.
type Prices func(ctx context.Context, products []int64) (map[int64]Price, error)

var prices = sidecar.Endpoint{App: "products", Method: "POST", Path: "/prices"}

// PricesWith invokes the products service through the sidecar.
func PricesWith(invoke sidecar.Invoke) Prices {
	return func(ctx context.Context, products []int64) (map[int64]Price, error) {
		var answer struct {
			Items []Price `json:"items"`
		}
		if err := invoke(ctx, prices, map[string]any{"product_ids": products}, &answer); err != nil {
			return nil, err
		}
		known := make(map[int64]Price, len(answer.Items))
		for _, p := range answer.Items {
			known[p.ProductID] = p
		}
		return known, nil
	}
}

// Store keeps carts, each with a version. Save and Drop fail with sidecar.ErrChanged where the version is not the cart's
// any more; the version of a cart that is not there is empty.
type Store struct {
	Load func(ctx context.Context, owner shop.UserID) (StoredCart, string, error)
	Save func(ctx context.Context, owner shop.UserID, k StoredCart, version string) error
	Drop func(ctx context.Context, owner shop.UserID, version string) error
}

// stateStore is the name of the component.
const stateStore = "carts"

// StoreWith keeps carts in the sidecar's state store. A cart that nobody changes is forgotten after ttl.
func StoreWith(dapr *sidecar.Sidecar, ttl time.Duration) Store {
	return Store{
		Load: func(ctx context.Context, owner shop.UserID) (k StoredCart, version string, err error) {
			version, err = dapr.Load(ctx, stateStore, owner.String(), &k)
			return k, version, err
		},
		Save: func(ctx context.Context, owner shop.UserID, k StoredCart, version string) error {
			return dapr.Save(ctx, stateStore, owner.String(), k, version, ttl)
		},
		Drop: func(ctx context.Context, owner shop.UserID, version string) error {
			return dapr.Delete(ctx, stateStore, owner.String(), version)
		},
	}
}
