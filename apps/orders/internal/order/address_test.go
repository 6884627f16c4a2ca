package order_test

import (
	"encoding/json"
	"testing"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// TestAddresses: an address has the parts that its country needs, and is stored as it was sent.
func TestAddresses(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	s.Routes(app)
	alice := kittest.NewCaller(shop.User)
	const state, code = `"shipping_address.state":"is required in this country"`, `"shipping_address.postal_code":"is required in this country"`
	var run []kittest.Call
	for _, c := range []struct {
		address string
		want    int
		has     []string
	}{
		{`"city":"Dubai","country":"AE"`, 201, nil},
		{`"city":"Dubai","country":"ARE"`, 201, nil},
		{`"city":"Kowloon","country":"HK"`, 201, nil},
		{`"city":"Hong Kong","country":"Hong Kong"`, 201, nil},
		{`"city":"Panama","state":"","postal_code":"","country":"PA"`, 201, nil},
		{`"city":"Dublin","state":"Co. Dublin","country":"IE"`, 201, nil},
		{`"city":"Berlin","postal_code":"10117","country":"DE"`, 201, nil},
		{`"city":"Milano","postal_code":"20121","country":"ITA"`, 201, nil},
		{`"city":"東京都","postal_code":"〒100-8111","country":"jp"`, 201, nil},
		{`"city":"Anytown","state":"NY","postal_code":"12345","country":"USA"`, 201, nil},
		{`"city":"Anytown","state":"NY","postal_code":"12345","country":"United States"`, 201, nil},
		{`"city":"Mordor","postal_code":"1","country":"Middle-earth"`, 201, nil},
		{`"city":"Mordor","country":"Middle-earth"`, 422, []string{code}},
		{`"city":"Anytown","state":"NY","country":"USA"`, 422, []string{code}},
		{`"city":"Anytown","state":"NY","postal_code":"","country":"US"`, 422, []string{code}},
		{`"city":"Anytown","postal_code":"12345","country":"US"`, 422, []string{state}},
		{`"city":"Anytown","country":"US"`, 422, []string{state, code}},
		{`"country":"CA"`, 422, []string{state, code, `"shipping_address.city":"is required"`}},
		{`"city":"Berlin","country":"DE"`, 422, []string{code}},
		{`"city":"Berlin","postal_code":" ","country":"DE"`, 422, []string{`"shipping_address.postal_code":"must not be blank"`}},
		{`"city":"Dubai","state":" ","country":"AE"`, 422, []string{`"shipping_address.state":"must not be blank"`}},
		{`"city":"Dubai","state":7,"country":"AE"`, 422, []string{`"shipping_address.state":"must be a string"`}},
	} {
		body := `{"items":[{"product_id":1,"quantity":1}],"payment_method":"paypal","shipping_address":{"street":"Main St 1",` + c.address + `}}`
		call := kittest.Call{Name: c.address, As: alice, Do: "POST /orders", Body: body, Want: c.want, Has: c.has}
		if c.want == 201 {
			call.AndThen = func(t *testing.T, response []byte) {
				var sent, got map[string]string
				err := json.Unmarshal([]byte("{"+c.address+"}"), &sent)
				if err == nil {
					err = json.Unmarshal([]byte(kittest.Field[json.RawMessage](t, response, "shipping_address")), &got)
				}
				for name, value := range sent {
					if err != nil || got[name] != value {
						t.Errorf("%s is %q, sent %q, %v", name, got[name], value, err)
					}
				}
			}
		}
		run = append(run, call)
	}
	kittest.Run(t, app, nil, run)
}
