package fulfilment

import (
	"context"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// Stock are the calls of the products service. All are idempotent.
type Stock struct {
	// Commit makes an order's reservation a sale. It fails with ErrReservationReleased.
	Commit func(ctx context.Context, id shop.OrderID) error
	// Release releases an order's reservation, or restocks its sale.
	Release func(ctx context.Context, id shop.OrderID) error
	// Restock restocks the items that all refunds of the order return.
	Restock func(ctx context.Context, id shop.OrderID, items []order.OrderItem) error
}

// ErrReservationReleased is the products service's fault of a reservation that has expired or was released.
var ErrReservationReleased = fault.New(fault.Conflict, "reservation_released", "the reservation has expired or was released")

var (
	commit  = sidecar.Endpoint{App: "products", Method: "POST", Path: "/reservations/{order}/commit"}
	release = sidecar.Endpoint{App: "products", Method: "DELETE", Path: "/reservations/{order}"}
	restock = sidecar.Endpoint{App: "products", Method: "PUT", Path: "/reservations/{order}/returned"}
)

// NewStock invokes the products service through the sidecar.
func NewStock(invoke sidecar.Invoke) Stock {
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
