// Package e2e is the end-to-end test: it uses a running platform as its customers do.
package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/client/api"
	"sidecart/tests/platform"
)

// The request bodies of a buyer's first order, as documented.
const (
	Register = `{"username":"testuser","email":"test@example.com","password":"SecurePassword123!","full_name":"Test User"}`
	Category = `{"name":"Electronics","description":"Electronic devices and accessories"}`
	Product  = `{"name":"Wireless Headphones","description":"High-quality wireless headphones with noise cancellation",` +
		`"sku":"WH-001","price":299.99,"category_id":1,"brand":"TechBrand","initial_quantity":50}`
	Order = `{"items":[{"product_id":1,"quantity":2}],"shipping_address":{"street":"123 Main St","city":"Anytown",` +
		`"state":"NY","postal_code":"12345","country":"USA"},"payment_method":"credit_card"}`
)

// FirstOrder places the first order of an empty platform with the client generated from the API document, from the
// registration to the notification of the payment. It returns the buyer, who is an admin.
func FirstOrder(t *testing.T, base string) client.Client {
	t.Helper()
	ctx, buyer := t.Context(), client.Client{Base: base}
	anonymous, err := buyer.API()
	must(t, err)
	registered, err := anonymous.RegisterWithResponse(ctx, nil, read[api.RegisterJSONRequestBody](t, Register))
	must(t, err)
	account := expect(t, registered.JSON201, registered.Body)
	signedIn, err := anonymous.SignInWithFormdataBodyWithResponse(ctx,
		api.SignInFormdataRequestBody{Username: account.Username, Password: "SecurePassword123!"})
	must(t, err)
	buyer.Token = expect(t, signedIn.JSON200, signedIn.Body).AccessToken
	shop, err := buyer.API()
	must(t, err)

	categoryCreated, err := shop.CreateCategoryWithResponse(ctx, nil, read[api.CreateCategoryJSONRequestBody](t, Category))
	must(t, err)
	productCreated, err := shop.CreateProductWithResponse(ctx, nil, read[api.CreateProductJSONRequestBody](t, Product))
	must(t, err)
	category := expect(t, categoryCreated.JSON201, categoryCreated.Body)
	product := expect(t, productCreated.JSON201, productCreated.Body)
	if category.ID != 1 || product.ID != 1 {
		t.Errorf("category %d and product %d, want 1 and 1", category.ID, product.ID)
	}

	placed, err := shop.PlaceOrderWithResponse(ctx, nil, read[api.PlaceOrderJSONRequestBody](t, Order))
	must(t, err)
	order := expect(t, placed.JSON201, placed.Body)
	if order.Total != "599.98" || order.Status != "pending" {
		t.Errorf("order %s", placed.Body)
	}
	AwaitStatus(t, buyer, order.ID.String(), "paid")
	listed, err := shop.ListOrdersWithResponse(ctx, nil)
	must(t, err)
	orders := expect(t, listed.JSON200, listed.Body).Items
	if len(orders) != 1 || orders[0].ID != order.ID || orders[0].Total != "599.98" {
		t.Errorf("orders %s", listed.Body)
	}
	counted, err := shop.GetInventoryWithResponse(ctx, product.ID)
	must(t, err)
	level := expect(t, counted.JSON200, counted.Body)
	if level.OnHand != 48 || level.Reserved != 0 || level.Available != 48 {
		t.Errorf("stock %s", counted.Body)
	}
	AwaitNotifications(t, buyer, order.ID.String(), "orders.placed", "orders.paid")
	return buyer
}

// read decodes JSON into a type of the generated client, without unknown fields.
func read[T any](t *testing.T, text string) (body T) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&body))
	return body
}

// expect returns the decoded body of a successful response. Any other response fails the test.
func expect[T any](t *testing.T, decoded *T, body []byte) T {
	t.Helper()
	if decoded == nil {
		t.Fatalf("the API responded %s", body)
	}
	return *decoded
}

// AwaitStatus waits until an order has a status.
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

// AwaitNotifications waits until a buyer has exactly one notification of each kind about an order.
func AwaitNotifications(t *testing.T, buyer client.Client, orderID string, kinds ...string) {
	t.Helper()
	platform.Eventually(t, 90*time.Second, func() error {
		var inbox client.Page[client.Notification]
		if err := buyer.Call(t.Context(), "GET /api/v1/notifications?limit=100", nil, 200, &inbox); err != nil {
			return err
		}
		var received []string
		for _, n := range inbox.Items {
			if n.Data.OrderID == orderID {
				received = append(received, n.Kind)
			}
		}
		slices.Sort(received)
		want := slices.Sorted(slices.Values(kinds))
		if !slices.Equal(received, want) {
			return fmt.Errorf("notifications %v, want %v", received, want)
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
