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

var named = regexp.MustCompile(`\{\w+\}`)

// TestEveryRouteAsksForItsPermission reads the public document and tries every operation as nobody and as a buyer: what it
// names as needed is asked for, on routes that are not thought of yet, too.
func TestEveryRouteAsksForItsPermission(t *testing.T) {
	t.Parallel()
	alice, _ := person(t)
	nobody := stranger()
	var document struct {
		Paths map[string]map[string]struct {
			Permission shop.Permission `json:"x-permission"`
		}
	}
	must(t, nobody.Call(t.Context(), "GET /openapi.json", nil, 200, &document))
	asked := 0
	for path, operations := range document.Paths {
		for method, operation := range operations {
			need := operation.Permission
			if need == shop.Anyone {
				continue
			}
			call := strings.ToUpper(method) + " " + named.ReplaceAllString(path, "0192f0c1-2d3e-7abc-8def-0123456789ab")
			var body any
			if !strings.HasPrefix(call, http.MethodGet) {
				body = client.Raw(`{}`)
			}
			refused(t, call+" of nobody", do(t, nobody, call, body), "token_missing", 401)
			if need != shop.SignedIn {
				refused(t, call+" of a buyer", do(t, alice, call, body), "forbidden", 403)
			}
			asked++
		}
	}
	if asked < 20 {
		t.Errorf("only %d operations ask for anything", asked)
	}
}

// TestCartsAreTheirOwnersAlone: a cart has no id, and nothing that a caller says makes it another's.
func TestCartsAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	alice, name := person(t)
	bob, _ := person(t)
	must(t, alice.Call(t.Context(), "PUT /api/v1/cart/items/"+strconv.FormatInt(product(t), 10), map[string]int{"quantity": 3}, 200, nil))
	for _, call := range []string{"GET /api/v1/cart", "GET /api/v1/cart?user_id=" + name, "GET /api/v1/cart?owner=" + name} {
		a := do(t, bob, call, nil, "X-User-Id", name)
		if a.Status == 200 && strings.Contains(string(a.Body), `"quantity":3`) {
			t.Errorf("bob sees %s", a.Body)
		}
	}
	do(t, bob, "DELETE /api/v1/cart", nil)
	if a := do(t, alice, "GET /api/v1/cart", nil); !strings.Contains(string(a.Body), `"quantity":3`) {
		t.Errorf("bob emptied it: %s", a.Body)
	}
}
