package security_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sidecart/kit/shop"
	"sidecart/tests/client"
)

var pathParameter = regexp.MustCompile(`\{\w+\}`)

// TestEveryRouteRequiresItsPermission tries every operation of the API document without a token and as a buyer: the
// gateway requires the documented permission.
func TestEveryRouteRequiresItsPermission(t *testing.T) {
	t.Parallel()
	alice, _ := newUser(t)
	visitor := anonymous()
	var document struct {
		Paths map[string]map[string]struct {
			Permission shop.Permission `json:"x-permission"`
		}
	}
	must(t, visitor.Call(t.Context(), "GET /openapi.json", nil, 200, &document))
	protected := 0
	for path, operations := range document.Paths {
		for method, operation := range operations {
			need := operation.Permission
			if need == shop.Anyone {
				continue
			}
			call := strings.ToUpper(method) + " " + pathParameter.ReplaceAllString(path, "0192f0c1-2d3e-7abc-8def-0123456789ab")
			var body any
			if !strings.HasPrefix(call, http.MethodGet) {
				body = client.Raw(`{}`)
			}
			refused(t, call+" without a token", do(t, visitor, call, body), "token_missing", 401)
			if need != shop.SignedIn {
				refused(t, call+" as a buyer", do(t, alice, call, body), "forbidden", 403)
			}
			protected++
		}
	}
	if protected < 20 {
		t.Errorf("only %d operations require a permission", protected)
	}
}

// TestCartOwnership: no parameter or header gives access to the cart of another user.
func TestCartOwnership(t *testing.T) {
	t.Parallel()
	alice, name := newUser(t)
	bob, _ := newUser(t)
	must(t, alice.Call(t.Context(), "PUT /api/v1/cart/items/"+strconv.FormatInt(product(t), 10), map[string]int{"quantity": 3}, 200, nil))
	if res := do(t, bob, "GET /api/v1/cart", nil, "X-User-Id", name); res.Status != 200 || strings.Contains(string(res.Body), `"quantity":3`) {
		t.Errorf("bob sees %d %s", res.Status, res.Body)
	}
	for _, call := range []string{"GET /api/v1/cart?user_id=" + name, "DELETE /api/v1/cart?owner=" + name} {
		refused(t, call, do(t, bob, call, nil), "invalid", 422)
	}
	do(t, bob, "DELETE /api/v1/cart", nil)
	if res := do(t, alice, "GET /api/v1/cart", nil); !strings.Contains(string(res.Body), `"quantity":3`) {
		t.Errorf("bob emptied the cart: %s", res.Body)
	}
}
