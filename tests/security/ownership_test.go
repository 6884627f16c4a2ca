package security_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// TestOrderOwnership tries every operation on the order of another buyer.
func TestOrderOwnership(t *testing.T) {
	t.Parallel()
	alice, _ := newUser(t)
	bob, _ := newUser(t)
	order := placeOrder(t, alice)
	var me struct{ ID string }
	must(t, alice.Call(t.Context(), "GET /api/v1/users/me", nil, 200, &me))
	refused(t, "get", do(t, bob, "GET /api/v1/orders/"+order.ID, nil), "order_not_found", 404)
	refused(t, "cancel", do(t, bob, "POST /api/v1/orders/"+order.ID+"/cancel", nil), "order_not_found", 404)
	refused(t, "list", do(t, bob, "GET /api/v1/orders?user_id="+me.ID, nil), "forbidden", 403)
	for what, body := range map[string]string{
		"a user id": `{"user_id":"` + me.ID + `",`,
		"an id":     `{"id":"` + order.ID + `",`, "a status": `{"status":"paid",`,
		"a total": `{"total":0.01,`,
	} {
		refused(t, what, do(t, bob, "POST /api/v1/orders", client.Raw(strings.Replace(orderBody(t), "{", body, 1))), "invalid", 422)
	}
	cheap := strings.Replace(orderBody(t), `"quantity":1`, `"quantity":1,"unit_price":0.01`, 1)
	refused(t, "a price", do(t, bob, "POST /api/v1/orders", client.Raw(cheap)), "invalid", 422)
	var own client.Page[client.Order]
	must(t, bob.Call(t.Context(), "GET /api/v1/orders", nil, 200, &own))
	if len(own.Items) != 0 {
		t.Errorf("bob sees %+v", own.Items)
	}
	must(t, alice.Call(t.Context(), "GET /api/v1/orders/"+order.ID, nil, 200, nil))
}

// TestIdempotencyKeyOwnership sends the Idempotency-Key of another user: the response must not have their order.
func TestIdempotencyKeyOwnership(t *testing.T) {
	t.Parallel()
	alice, _ := newUser(t)
	bob, _ := newUser(t)
	var hers, again, his client.Order
	must(t, do(t, alice, "POST /api/v1/orders", client.Raw(orderBody(t)), "Idempotency-Key", "k-1").Into(201, &hers))
	must(t, do(t, alice, "POST /api/v1/orders", client.Raw(orderBody(t)), "Idempotency-Key", "k-1").Into(201, &again))
	must(t, do(t, bob, "POST /api/v1/orders", client.Raw(orderBody(t)), "Idempotency-Key", "k-1").Into(201, &his))
	if again.ID != hers.ID || his.ID == hers.ID {
		t.Errorf("alice has %s and %s, bob has %s", hers.ID, again.ID, his.ID)
	}
	changed := client.Raw(strings.Replace(orderBody(t), `"quantity":1`, `"quantity":9`, 1))
	refused(t, "another body", do(t, alice, "POST /api/v1/orders", changed, "Idempotency-Key", "k-1"),
		"idempotency_key_reused", 422)
}

// notification waits for a user's first message about an order.
func notification(t *testing.T, c client.Client, orderID string) (id, text string) {
	t.Helper()
	platform.Eventually(t, 60*time.Second, func() error {
		var page client.Page[json.RawMessage]
		if err := c.Call(t.Context(), "GET /api/v1/notifications", nil, 200, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			if text = string(item); strings.Contains(text, orderID) {
				var message struct{ ID string }
				must(t, json.Unmarshal(item, &message))
				id = message.ID
				return nil
			}
		}
		return fmt.Errorf("no message about order %s", orderID)
	})
	return id, text
}

func TestMessageOwnership(t *testing.T) {
	t.Parallel()
	alice, _ := newUser(t)
	bob, _ := newUser(t)
	order := placeOrder(t, alice)
	id, _ := notification(t, alice, order.ID)
	refused(t, "read", do(t, bob, "POST /api/v1/notifications/"+id+"/read", nil), "", 404)
	refused(t, "list", do(t, bob, "GET /api/v1/notifications?user_id=x&limit=100", nil), "invalid", 422)
	res := do(t, bob, "GET /api/v1/notifications?limit=100", nil)
	if strings.Contains(string(res.Body), id) || strings.Contains(string(res.Body), order.ID) {
		t.Errorf("bob reads %s", res.Body)
	}
	must(t, do(t, bob, "POST /api/v1/notifications/read-all", nil).Into(200, nil))
	if _, text := notification(t, alice, order.ID); !strings.Contains(text, `"read_at":null`) {
		t.Errorf("bob's read-all reached %s", text)
	}
}

// payloads are code in SQL, JavaScript, templates, shells and spreadsheets.
var payloads = []string{
	`'; drop table orders; --`, `" or 1=1 --`, `\'; select pg_sleep(10); --`, `%' or '1'='1`, `<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`, `{{.}} ${7*7} {{constructor.constructor('alert(1)')()}}`, `$(reboot) ; | & ` + "`id`",
	`../../etc/passwd`, `=cmd|' /C calc'!A0`,
}

// TestPayloadsStayText sends payloads in every text of an order, a product and a category, and in searches. Responses
// have them unchanged, as JSON that no browser interprets as HTML.
func TestPayloadsStayText(t *testing.T) {
	t.Parallel()
	root := admin(t)
	product(t)
	for i, payload := range payloads {
		quoted, err := json.Marshal(payload)
		must(t, err)
		fill := strings.NewReplacer("PAYLOAD", string(quoted), "NUMBER", fmt.Sprint(i), "CATEGORY", "1", "PRODUCT", fmt.Sprint(product(t)))
		for _, call := range []string{
			`POST /api/v1/categories {"name":PAYLOAD,"description":PAYLOAD}`,
			`POST /api/v1/products {"name":PAYLOAD,"description":PAYLOAD,"brand":PAYLOAD,"attributes":{"note":PAYLOAD},` +
				`"sku":"X-NUMBER","price":1.00,"category_id":CATEGORY}`,
			`POST /api/v1/orders {"items":[{"product_id":PRODUCT,"quantity":1}],"payment_method":"paypal",` +
				`"payment_token":PAYLOAD,"shipping_address":{"street":PAYLOAD,"city":PAYLOAD,"state":PAYLOAD,"postal_code":"12345","country":PAYLOAD}}`,
		} {
			parts := strings.SplitN(call, " ", 3)
			res := do(t, root, parts[0]+" "+parts[1], client.Raw(fill.Replace(parts[2])))
			must(t, res.Into(201, nil))
			inert(t, parts[1], res, payload)
			if parts[1] == "/api/v1/orders" {
				var order client.Order
				must(t, json.Unmarshal(res.Body, &order))
				inert(t, "the order read again", do(t, root, "GET /api/v1/orders/"+order.ID, nil), payload)
			}
		}
		// Refused: a SKU and a payment method have a format.
		withSKU := fill.Replace(`{"name":"x","sku":PAYLOAD,"price":1.00,"category_id":CATEGORY}`)
		refused(t, "sku", do(t, root, "POST /api/v1/products", client.Raw(withSKU)), "invalid", 422)
		withMethod := strings.Replace(orderBody(t), `"credit_card"`, string(quoted), 1)
		refused(t, "method", do(t, root, "POST /api/v1/orders", client.Raw(withMethod)), "invalid", 422)
		for _, field := range []string{"brand", "q", "sort", "category_id", "cursor", "limit"} {
			res := do(t, root, "GET /api/v1/products?"+field+"="+url.QueryEscape(payload), nil)
			if res.Status != 200 {
				refused(t, "search "+field, res, "", 422)
			}
		}
		refused(t, "id", do(t, root, "GET /api/v1/orders?user_id="+url.QueryEscape(payload), nil), "invalid", 422)
	}
	var level struct{ OnHand int }
	inventory := fmt.Sprintf("GET /api/v1/products/%d/inventory", product(t)) // the tables still exist
	must(t, root.Call(t.Context(), inventory, nil, 200, &level))
}

// inert fails the test unless the response has the payload as text, without the characters of HTML tags.
func inert(t *testing.T, what string, res client.Response, payload string) {
	t.Helper()
	var value any
	must(t, json.Unmarshal(res.Body, &value))
	if !contains(value, payload) {
		t.Errorf("%s: %q is missing: %s", what, payload, res.Body)
	}
	if strings.ContainsAny(string(res.Body), "<>") {
		t.Errorf("%s: a tag in %s", what, res.Body)
	}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: %v", what, res.Header)
	}
}

func contains(value any, text string) bool {
	switch v := value.(type) {
	case string:
		return v == text
	case []any:
		for _, element := range v {
			if contains(element, text) {
				return true
			}
		}
	case map[string]any:
		for _, member := range v {
			if contains(member, text) {
				return true
			}
		}
	}
	return false
}
