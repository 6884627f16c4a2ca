package fulfilment

import (
	"context"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// Stock is what fulfilment asks of the products service. All of it may be asked again and then change nothing more.
type Stock struct {
	// Commit makes an order's reservation a sale. It fails with ErrStockGone where the reservation is over.
	Commit func(ctx context.Context, id shop.OrderID) error
	// Release gives back what an order holds or has bought.
	Release func(ctx context.Context, id shop.OrderID) error
	// Return says how many of each line are back on the shelf, all returns of the order taken together.
	Restock func(ctx context.Context, id shop.OrderID, items []order.OrderItem) error
}

// ErrReservationReleased is the products service's word that a reservation has expired or was given back.
var ErrReservationReleased = fault.New(fault.Conflict, "reservation_released", "the reservation has expired or was given back")

var (
	commit  = sidecar.Endpoint{App: "products", Method: "POST", Path: "/reservations/{order}/commit"}
	release = sidecar.Endpoint{App: "products", Method: "DELETE", Path: "/reservations/{order}"}
	restock = sidecar.Endpoint{App: "products", Method: "PUT", Path: "/reservations/{order}/returned"}
)

// StockWith invokes the products service through the sidecar.
func StockWith(invoke sidecar.Invoke) Stock {
	return Stock{
		Commit: func(ctx context.Context, id shop.OrderID) error {
			return invoke(ctx, commit.With(id.String()), nil, nil)
		},
		Release: func(ctx context.Context, id shop.OrderID) error {
			return invoke(ctx, release.With(id.String()), nil, nil)
		},
		Restock: func(ctx context.Context, id shop.OrderID, items []order.OrderItem) error {
			return invoke(ctx, restock.With(id.String()), map[string]any{"items": items}, nil)
		},
	}
}
