package web_test

import (
	"context"
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// TestTextComesBeforeParameters: the more specific route serves a request, in any order of declaration.
func TestTextComesBeforeParameters(t *testing.T) {
	routes := []string{
		"GET /orders/summary", "GET /orders/{id}", "GET /orders/summary/{day}", "GET /orders/{id}/{part}",
		"GET /orders/{id}/parts", "DELETE /orders/{id}",
	}
	for _, reversed := range []bool{false, true} {
		app := web.New("orders", web.Config{})
		for i := range routes {
			route := routes[i]
			if reversed {
				route = routes[len(routes)-1-i]
			}
			handle := func(context.Context, shop.Caller, web.None) (string, error) { return route, nil }
			web.Handle(app, route, shop.Anyone, handle, web.Internal)
		}
		for do, want := range map[string]string{
			"GET /orders/summary": "GET /orders/summary", "GET /orders/7": "GET /orders/{id}", "DELETE /orders/summary": "DELETE /orders/{id}",
			"GET /orders/summary/1": "GET /orders/summary/{day}", "GET /orders/summary/parts": "GET /orders/summary/{day}",
			"GET /orders/7/parts": "GET /orders/{id}/parts", "GET /orders/7/lines": "GET /orders/{id}/{part}",
		} {
			if status, body := kittest.Do(t, app, kittest.Call{Do: do}); status != 200 || string(body) != `"`+want+`"` {
				t.Errorf("reversed %v: %s was taken by %d %s, want %s", reversed, do, status, body, want)
			}
		}
	}
}
