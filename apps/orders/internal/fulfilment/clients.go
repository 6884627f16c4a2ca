package fulfilment

import (
	"context"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Stock is what fulfilment asks of the products service. All of it may be asked again and then change nothing more.
type Stock struct {
	// Commit makes an order's reservation a sale. It fails with ErrStockGone where the reservation is over.
	Commit func(ctx context.Context, id shop.OrderID) error
	// Release gives back what an order holds or has bought.
	Release func(ctx context.Context, id shop.OrderID) error
	// Return says how many of each line are back on the shelf, all returns of the order taken together.
	Return func(ctx context.Context, id shop.OrderID, items []order.Item) error
}

// ErrStockGone is the products service's word that a reservation has expired or was given back.
var ErrStockGone = fault.New(fault.Conflict, "reservation_released", "the reservation has expired or was given back")

// StockWith asks through the sidecar.
func StockWith(ask order.Ask) Stock {
	return Stock{
		Commit: func(ctx context.Context, id shop.OrderID) error {
			return ask(ctx, "products", "POST /reservations/"+id.String()+"/commit", nil, nil)
		},
		Release: func(ctx context.Context, id shop.OrderID) error {
			return ask(ctx, "products", "DELETE /reservations/"+id.String(), nil, nil)
		},
		Return: func(ctx context.Context, id shop.OrderID, items []order.Item) error {
			return ask(ctx, "products", "PUT /reservations/"+id.String()+"/returned", map[string]any{"items": items}, nil)
		},
	}
}
