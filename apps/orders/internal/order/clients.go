package order

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// Reserved is a line that is reserved for an order, with its price.
type Reserved struct {
	ProductID int64      `json:"product_id"`
	SKU       string     `json:"sku"`
	Name      string     `json:"name"`
	Quantity  int        `json:"quantity"`
	UnitPrice shop.Money `json:"unit_price"`
	Currency  string     `json:"currency"`
}

// Reserve reserves all items for an order, or none. It is idempotent. It fails with ErrOutOfStock or ErrUnknownProduct,
// naming the items by position.
type Reserve func(ctx context.Context, id shop.OrderID, items []OrderItem) ([]Reserved, error)

// Calls are the calls of other services and of the workflow engine.
type Calls struct {
	Reserve Reserve
	// Release releases the reservation of an order, unless it is committed. It is idempotent.
	Release func(ctx context.Context, id shop.OrderID) error
	// Notifications returns the buyer's notifications of an order.
	Notifications func(ctx context.Context, buyer shop.UserID, id shop.OrderID) ([]OrderNotification, error)
	// Workflow returns the state of an order's workflow, or nil if it is unavailable.
	Workflow func(ctx context.Context, id shop.OrderID) *Workflow
	// StartRefund starts the workflow of a refund. It is idempotent.
	StartRefund func(ctx context.Context, id shop.OrderID, refund uuid.UUID) error
}

var (
	reserve           = sidecar.Endpoint{App: "products", Method: "PUT", Path: "/reservations/{order}"}
	release           = sidecar.Endpoint{App: "products", Method: "DELETE", Path: "/reservations/{order}/held"}
	listNotifications = sidecar.Endpoint{App: "notifications", Method: "GET", Path: "/order-notifications/{buyer}/{order}"}
)

// NewCalls invokes the products and notifications services through the sidecar. It leaves the workflow engine out.
func NewCalls(invoke sidecar.Invoke) Calls {
	return Calls{
		Reserve: func(ctx context.Context, id shop.OrderID, items []OrderItem) ([]Reserved, error) {
			var response struct {
				Lines []Reserved `json:"lines"`
			}
			err := invoke(ctx, reserve.With(id.String()), map[string]any{"items": items}, &response)
			return response.Lines, err
		},
		Release: func(ctx context.Context, id shop.OrderID) error {
			return invoke(ctx, release.With(id.String()), nil, nil)
		},
		Notifications: func(ctx context.Context, buyer shop.UserID, id shop.OrderID) ([]OrderNotification, error) {
			var response struct {
				Items []OrderNotification `json:"items"`
			}
			err := invoke(ctx, listNotifications.With(buyer.String(), id.String()), nil, &response)
			return response.Items, err
		},
	}
}

// withOriginalPositions makes a fault that names merged items name the first original item of each.
func withOriginalPositions(err error, first []int) error {
	if !errors.Is(err, ErrOutOfStock) && !errors.Is(err, ErrUnknownProduct) {
		return err
	}
	f := *fault.Of(err)
	fields := map[string]string{}
	for path, message := range f.Fields {
		position, rest, ok := strings.Cut(strings.TrimPrefix(path, "items["), "]")
		n, convErr := strconv.Atoi(position)
		if ok && convErr == nil && n >= 0 && n < len(first) {
			path = fmt.Sprintf("items[%d]%s", first[n], rest)
		}
		fields[path] = message
	}
	f.Fields = fields
	return &f
}
