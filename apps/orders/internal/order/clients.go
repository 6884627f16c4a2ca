package order

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// Reserved is a line that the products service keeps for an order, with what it costs.
type Reserved struct {
	ProductID int64      `json:"product_id"`
	SKU       string     `json:"sku"`
	Name      string     `json:"name"`
	Quantity  int        `json:"quantity"`
	UnitPrice shop.Money `json:"unit_price"`
	Currency  string     `json:"currency"`
}

// Reserve asks the products service to keep all items for an order, or none. Asking again for the same order answers
// the same. It fails with ErrOutOfStock or ErrUnknown, naming the items by place.
type Reserve func(ctx context.Context, id shop.OrderID, items []OrderItem) ([]Reserved, error)

// Release asks the products service to give back what an order holds and has not bought, for good. Asking again changes
// nothing.
type Release func(ctx context.Context, id shop.OrderID) error

// Calls are what orders need of others.
type Calls struct {
	Reserve Reserve
	Release Release
	// Workflow says how far an order's workflow is, for admins; nil where it cannot be had at the moment.
	WorkflowStatus func(ctx context.Context, id shop.OrderID) *Workflow
	// Told says what a buyer was told of an order, for admins.
	Notifications func(ctx context.Context, buyer shop.UserID, id shop.OrderID) ([]OrderNotification, error)
	// StartRefund starts the workflow of a refund. Starting it twice changes nothing more.
	StartRefund func(ctx context.Context, id shop.OrderID, refund uuid.UUID) error
}

var (
	reserve           = sidecar.Endpoint{App: "products", Method: "PUT", Path: "/reservations/{order}"}
	release           = sidecar.Endpoint{App: "products", Method: "DELETE", Path: "/reservations/{order}/held"}
	listNotifications = sidecar.Endpoint{App: "notifications", Method: "GET", Path: "/order-notifications/{buyer}/{order}"}
)

// ReserveWith reserves through the sidecar.
func ReserveWith(invoke sidecar.Invoke) Reserve {
	return func(ctx context.Context, id shop.OrderID, items []OrderItem) ([]Reserved, error) {
		var answer struct {
			Lines []Reserved `json:"lines"`
		}
		err := invoke(ctx, reserve.With(id.String()), map[string]any{"items": items}, &answer)
		return answer.Lines, err
	}
}

// ReleaseWith releases through the sidecar.
func ReleaseWith(invoke sidecar.Invoke) Release {
	return func(ctx context.Context, id shop.OrderID) error {
		return invoke(ctx, release.With(id.String()), nil, nil)
	}
}

// withOriginalPositions names the items of a basket where a fault names the lines they were merged into.
func withOriginalPositions(err error, first []int) error {
	if !errors.Is(err, ErrOutOfStock) && !errors.Is(err, ErrUnknownProduct) {
		return err
	}
	f := *fault.Of(err)
	fields := map[string]string{}
	for path, message := range f.Fields {
		place, rest, ok := strings.Cut(strings.TrimPrefix(path, "items["), "]")
		n, convErr := strconv.Atoi(place)
		if ok && convErr == nil && n >= 0 && n < len(first) {
			path = "items[" + strconv.Itoa(first[n]) + "]" + rest
		}
		fields[path] = message
	}
	f.Fields = fields
	return &f
}

// NotificationsWith invokes the notifications service through the sidecar.
func NotificationsWith(invoke sidecar.Invoke) func(context.Context, shop.UserID, shop.OrderID) ([]OrderNotification, error) {
	return func(ctx context.Context, buyer shop.UserID, id shop.OrderID) ([]OrderNotification, error) {
		var answer struct {
			Items []OrderNotification `json:"items"`
		}
		err := invoke(ctx, listNotifications.With(buyer.String(), id.String()), nil, &answer)
		return answer.Items, err
	}
}
