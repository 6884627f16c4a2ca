package e2e_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sidecart/kit/auth"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/tests/client"
	"sidecart/tests/e2e"
)

func badInput(t *testing.T) {
	with := func(text, old, replacement string) client.Raw {
		if !strings.Contains(text, old) {
			t.Fatalf("no %s in %s", old, text)
		}
		return client.Raw(strings.Replace(text, old, replacement, 1))
	}
	type call struct {
		name, do string
		body     any
		want     int
		has      string
	}
	calls := []call{
		{"username missing", "POST /api/v1/auth/register", with(e2e.Register, `"username":"testuser",`, ``), 422, `"username":"is required"`},
		{"username as a number", "POST /api/v1/auth/register", with(e2e.Register, `"testuser"`, `5`), 422, `"username":"must be a string"`},
		{"invalid e-mail address", "POST /api/v1/auth/register", with(e2e.Register, `test@example.com`, `test`), 422, `"email"`},
		{"given role", "POST /api/v1/auth/register", with(e2e.Register, `{`, `{"role":"admin",`), 422, `"role":"is not a known field"`},
		{"username taken", "POST /api/v1/auth/register", client.Raw(e2e.Register), 409, `"username_taken"`},
		{"wrong password", "POST /api/v1/auth/login", client.Form{"username": {"testuser"}, "password": {"x"}}, 401, `"wrong_credentials"`},
		{"password missing", "POST /api/v1/auth/login", client.Form{"username": {"testuser"}}, 422, `"password":"is required"`},
		{"category without a name", "POST /api/v1/categories", client.Raw(`{}`), 422, `"name":"is required"`},
		{"category name as a list", "POST /api/v1/categories", client.Raw(`{"name":["x"]}`), 422, `"name":"must be a string"`},
		{"category with an unknown field", "POST /api/v1/categories", with(e2e.Category, `{`, `{"id":9,`), 422, `"id":"is not a known field"`},
		{"product without a price", "POST /api/v1/products", with(e2e.Product, `"price":299.99,`, ``), 422, `"price":"is required"`},
		{"negative price", "POST /api/v1/products", with(e2e.Product, `299.99`, `-1`), 422, `"price":"must not be negative"`},
		{"price as a string", "POST /api/v1/products", with(e2e.Product, `299.99`, `"299.99"`), 422, `"price"`},
		{"three decimals", "POST /api/v1/products", with(e2e.Product, `299.99`, `299.999`), 422, `"price"`},
		{"unknown category", "POST /api/v1/products", with(e2e.Product, `"category_id":1`, `"category_id":999999999`), 422, `"category_id"`},
		{"SKU taken", "POST /api/v1/products", client.Raw(e2e.Product), 409, `"sku_taken"`},
		{"no items", "POST /api/v1/orders", with(e2e.Order, `[{"product_id":1,"quantity":2}]`, `[]`), 422, `"items"`},
		{"quantity of zero", "POST /api/v1/orders", with(e2e.Order, `"quantity":2`, `"quantity":0`), 422, `"items[0].quantity"`},
		{"negative quantity", "POST /api/v1/orders", with(e2e.Order, `"quantity":2`, `"quantity":-2`), 422, `"items[0].quantity"`},
		{"unknown product", "POST /api/v1/orders", with(e2e.Order, `"product_id":1`, `"product_id":999999999`), 422, `"items[0].product_id"`},
		{"out of stock", "POST /api/v1/orders", with(e2e.Order, `"quantity":2`, `"quantity":999`), 409, `"items[0].quantity":"only 48 left"`},
		{"no city", "POST /api/v1/orders", with(e2e.Order, `"city":"Anytown",`, ``), 422, `"shipping_address.city":"is required"`},
		{"limit", "GET /api/v1/orders?limit=101", nil, 422, `"limit"`},
		{"cursor", "GET /api/v1/orders?cursor=x", nil, 422, `"cursor"`},
		{"no such order", "GET /api/v1/orders/0192f0c1-2d3e-7abc-8def-0123456789ab", nil, 404, `"order_not_found"`},
		{"wrong method", "DELETE /api/v1/orders", nil, 405, `"method_not_allowed"`},
		{"no such route", "GET /api/v1/nothing", nil, 404, ``},
	}
	huge := client.Raw(`{"name":"` + strings.Repeat("x", 2<<20) + `"}`)
	for _, path := range []string{"auth/register", "auth/login", "categories", "products", "orders"} {
		calls = append(calls,
			call{path + " malformed", "POST /api/v1/" + path, client.Raw(`{"name":`), 400, `"malformed"`},
			call{path + " empty", "POST /api/v1/" + path, client.Raw(``), 400, `"malformed"`},
			call{path + " of 2 MB", "POST /api/v1/" + path, huge, 413, `"body_too_large"`})
	}
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			res, err := admin.Do(t.Context(), c.do, c.body)
			must(t, err)
			if res.Status != c.want || !strings.Contains(string(res.Body), c.has) {
				t.Errorf("%s: %d %.300s", c.do, res.Status, res.Body)
			}
			if media := res.Header.Get("Content-Type"); media != "application/problem+json" {
				t.Errorf("%s: content type %q", c.do, media)
			}
		})
	}
}

func tokens(t *testing.T) {
	secret, err := running.Secret("JWT_SECRET_KEY")
	must(t, err)
	own, err := auth.NewSigner(secret)
	must(t, err)
	own.Issuer = fmt.Sprintf("http://localhost:%d", running.Port("gateway", "app"))
	caller := kittest.NewCaller(shop.Admin)
	valid, err := own.Sign(caller, time.Minute)
	must(t, err)
	expired, err := own.Sign(caller, -time.Minute)
	must(t, err)
	foreign, err := kittest.Signer.Sign(caller, time.Minute)
	must(t, err)
	parts := strings.Split(valid, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	for _, call := range []string{"POST /api/v1/categories", "POST /api/v1/products", "POST /api/v1/orders", "GET /api/v1/orders", "GET /api/v1/notifications", "GET /api/v1/users/me"} {
		for name, token := range map[string]string{"no token": "", "expired": expired, "alg none": none, "another key": foreign, "truncated": parts[0] + "." + parts[1]} {
			res, err := client.Client{Base: anonymous.Base, Token: token}.Do(t.Context(), call, client.Raw(`{}`))
			must(t, err)
			if res.Status != http.StatusUnauthorized {
				t.Errorf("%s with %s: %d %s", call, name, res.Status, res.Body)
			}
		}
	}
	must(t, client.Client{Base: anonymous.Base, Token: valid}.Call(t.Context(), "GET /api/v1/orders", nil, 200, nil))
}
