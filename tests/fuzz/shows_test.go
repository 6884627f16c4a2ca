package fuzz_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// shown is where an operation's fields can be read again.
type shown struct {
	read   func(r *request, body any) string     // a path of the API, or empty
	own    bool                                  // only the caller may read it
	find   func(r *request, value, body any) any // what the GET returns, as the object to compare; nil for all of it
	places map[string]string                     // where a field is shown, if not under its own name; empty for never
}

func member(value any, name string) any { found, _ := lookup(value, name); return found }

func items(value any, name string) []any { list, _ := member(value, name).([]any); return list }

func members(value any, name string) map[string]any {
	object, _ := member(value, name).(map[string]any)
	return object
}

// byID reads a new resource at its own path.
func byID(r *request, body any) string { return fmt.Sprintf("%s/%v", r.path, member(body, "id")) }

func same(r *request, _ any) string { return r.uri() }

// parent reads the resource to which an action belongs.
func parent(r *request, _ any) string { return r.path[:strings.LastIndexByte(r.path, '/')] }

func at(path string) func(*request, any) string { return func(*request, any) string { return path } }

// itemOf finds the item of a list whose id the response has.
func itemOf(list string) func(r *request, value, body any) any {
	return func(_ *request, value, body any) any {
		for _, item := range items(value, list) {
			if member(item, "id") == member(body, "id") {
				return item
			}
		}
		return nil
	}
}

func lastOf(list string) func(r *request, value, body any) any {
	return func(_ *request, value, _ any) any { return member(value, list+"[0]") }
}

var orderPlaces = map[string]string{
	"payment_token": "", // a secret
}

// shows are the operations that store what was sent.
var shows = map[string]shown{
	"register": {
		read:   func(_ *request, body any) string { return fmt.Sprintf("/api/v1/users/%v", member(body, "id")) },
		places: map[string]string{"password": ""},
	},
	"updateAccount":        {read: same, own: true},
	"updateUser":           {read: same},
	"createCategory":       {read: byID},
	"updateCategory":       {read: same},
	"createProduct":        {read: byID, places: map[string]string{"initial_quantity": "available"}},
	"updateProduct":        {read: same},
	"importProducts":       {find: lastOf("items"), places: map[string]string{"initial_quantity": "available"}},
	"addProductImage":      {read: parentProduct, find: itemOf("images"), places: map[string]string{"file": ""}},
	"updateProductImage":   {read: parentProduct, find: itemOf("images"), places: map[string]string{"position": ""}}, // past the end is the end
	"adjustInventory":      {read: movements, find: lastOf("items"), places: map[string]string{"delta": "delta", "reason": "reason"}},
	"setLowStockThreshold": {read: func(r *request, _ any) string { return parent(r, nil) + "/inventory" }},
	"setCartItem":          {read: at("/api/v1/cart"), own: true, find: inCart},
	"checkout":             {read: orderOf, places: orderPlaces},
	"placeOrder":           {read: orderOf, places: orderPlaces},
	"cancelOrder":          {read: parent, places: map[string]string{"reason": "history[-1].reason"}},
	"shipOrder":            {read: parent},
	"refundOrder": {read: parent, places: map[string]string{
		"reason": "refunds[-1].reason", "items": "", "restock": "", // what is refunded depends on what is left
	}},
	"updatePreferences": {read: same, own: true},
	"addDevice":         {read: at("/api/v1/notifications/devices"), own: true, find: itemOf("items"), places: map[string]string{"endpoint": "", "keys": ""}},
	"updateTemplate":    {read: same, places: map[string]string{"version": ""}}, // the one before
	"startBroadcast":    {read: byID},
}

func orderOf(_ *request, body any) string {
	return fmt.Sprintf("/api/v1/orders/%v", member(body, "id"))
}

func parentProduct(r *request, _ any) string { return r.path[:strings.Index(r.path, "/images")] }

func movements(r *request, _ any) string { return parent(r, nil) + "/movements?limit=1" }

// inCart finds the product of the request's path in a cart.
func inCart(r *request, value, _ any) any {
	id, _ := strconv.ParseInt(r.path[strings.LastIndexByte(r.path, '/')+1:], 10, 64)
	for _, item := range items(value, "items") {
		if member(item, "product_id") == json.Number(strconv.FormatInt(id, 10)) {
			return item
		}
	}
	return nil
}
