// Package journey is the shop seen by its customers: what the documents promise, done on a running platform.
package journey

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// The calls of a buyer's first order, to the letter.
const (
	Register = `{"username":"testuser","email":"test@example.com","password":"SecurePassword123!","full_name":"Test User"}`
	Category = `{"name":"Electronics","description":"Electronic devices and accessories"}`
	Product  = `{"name":"Wireless Headphones","description":"High-quality wireless headphones with noise cancellation",` +
		`"sku":"WH-001","price":299.99,"category_id":1,"brand":"TechBrand","initial_quantity":50}`
	Order = `{"items":[{"product_id":1,"quantity":2}],"shipping_address":{"street":"123 Main St","city":"Anytown",` +
		`"state":"NY","postal_code":"12345","country":"USA"},"payment_method":"credit_card"}`
)

// FirstOrder makes the first order of an empty platform, from opening an account to being told that it is paid, and
// returns the buyer, who is admin.
func FirstOrder(t *testing.T, base string) client.Client {
	t.Helper()
	ctx, nobody := t.Context(), client.Client{Base: base}
	must(t, nobody.Call(ctx, "POST /api/v1/auth/register", client.Raw(Register), 201, nil))
	buyer, err := nobody.SignIn(ctx, "testuser", "SecurePassword123!")
	must(t, err)
	var category, product struct{ ID int }
	must(t, buyer.Call(ctx, "POST /api/v1/categories", client.Raw(Category), 201, &category))
	must(t, buyer.Call(ctx, "POST /api/v1/products", client.Raw(Product), 201, &product))
	if category.ID != 1 || product.ID != 1 {
		t.Errorf("category %d and product %d, want 1 and 1", category.ID, product.ID)
	}
	var order client.Order
	must(t, buyer.Call(ctx, "POST /api/v1/orders", client.Raw(Order), 201, &order))
	if order.Total != "599.98" || order.Status != "pending" {
		t.Errorf("order %+v", order)
	}
	AwaitStatus(t, buyer, order.ID, "paid")
	var orders client.Page[client.Order]
	must(t, buyer.Call(ctx, "GET /api/v1/orders", nil, 200, &orders))
	if len(orders.Items) != 1 || orders.Items[0].ID != order.ID || orders.Items[0].Total != "599.98" {
		t.Errorf("orders %+v", orders)
	}
	var level client.Level
	must(t, buyer.Call(ctx, "GET /api/v1/products/1/inventory", nil, 200, &level))
	if level != (client.Level{OnHand: 48, Reserved: 0, Available: 48}) {
		t.Errorf("stock %+v", level)
	}
	AwaitTold(t, buyer, order.ID, "orders.placed", "orders.paid")
	return buyer
}

// AwaitStatus waits until an order has come that far.
func AwaitStatus(t *testing.T, buyer client.Client, orderID, want string) (order client.Order) {
	t.Helper()
	platform.Eventually(t, 90*time.Second, func() error {
		if err := buyer.Call(t.Context(), "GET /api/v1/orders/"+orderID, nil, 200, &order); err != nil {
			return err
		}
		if order.Status != want {
			return fmt.Errorf("order %s is %s, not %s: %+v", order.Number, order.Status, want, order.History)
		}
		return nil
	})
	return order
}

// AwaitTold waits until somebody has one notification of each kind for an order, and fails if there are two of a kind.
func AwaitTold(t *testing.T, buyer client.Client, orderID string, kinds ...string) {
	t.Helper()
	platform.Eventually(t, 90*time.Second, func() error {
		var inbox client.Page[client.Notification]
		if err := buyer.Call(t.Context(), "GET /api/v1/notifications?limit=100", nil, 200, &inbox); err != nil {
			return err
		}
		var told []string
		for _, n := range inbox.Items {
			if n.Data.OrderID == orderID {
				told = append(told, n.Kind)
			}
		}
		slices.Sort(told)
		want := slices.Sorted(slices.Values(kinds))
		if !slices.Equal(told, want) {
			return fmt.Errorf("told %v, want %v", told, want)
		}
		return nil
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
