package order_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

const newOrder = `{"items":[{"product_id":1,"quantity":2}],"shipping_address":{"street":"123 Main St","city":"Anytown",
	"state":"NY","postal_code":"12345","country":"USA"},"payment_method":"credit_card"}`

// reserve is a fake of the products service: a product costs 299.99 and 50 are in stock. Product 99 does not exist,
// product 800 costs 10^11 VND, and for product 500 the service is unavailable.
func reserve(_ context.Context, _ shop.OrderID, items []order.OrderItem) (lines []order.Reserved, err error) {
	for i, item := range items {
		switch {
		case item.ProductID == 500:
			return nil, sidecar.ErrUpstream
		case item.ProductID == 99:
			return nil, order.ErrUnknownProduct.With(fmt.Sprintf("items[%d].product_id", i), "there is no such product")
		case item.Quantity > 50:
			return nil, order.ErrOutOfStock.With(fmt.Sprintf("items[%d].quantity", i), "only 50 left")
		case item.ProductID == 800:
			lines = append(lines, order.Reserved{
				ProductID: 800, SKU: "Y-1", Name: "Yacht", Quantity: item.Quantity, UnitPrice: shop.MustMoney("100000000000"),
				Currency: "VND",
			})
			continue
		}
		lines = append(lines, order.Reserved{ProductID: item.ProductID, SKU: "WH-001", Name: "Wireless Headphones",
			Quantity: item.Quantity, UnitPrice: shop.MustMoney("299.99"), Currency: "USD"})
	}
	return lines, nil
}

// calls are fakes of the other services: a workflow runs for each order, and notifications is unavailable.
func calls(reserve order.Reserve) order.Calls {
	return order.Calls{
		Reserve: reserve, Release: func(context.Context, shop.OrderID) error { return nil },
		Workflow: func(context.Context, shop.OrderID) *order.Workflow { return &order.Workflow{Status: "running"} },
		Notifications: func(context.Context, shop.UserID, shop.OrderID) ([]order.OrderNotification, error) {
			return nil, sidecar.ErrUpstream
		},
		StartRefund: func(context.Context, shop.OrderID, uuid.UUID) error { return nil },
	}
}

func TestOrders(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	s.Routes(app)
	alice, bob, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	with := func(old, replacement string) string { return strings.Replace(newOrder, old, replacement, 1) }

	var path string
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "no token", Do: "POST /orders", Body: newOrder, Want: 401},
		{Name: "place", As: alice, Do: "POST /orders", Body: newOrder, Want: 201, Emits: []string{"orders.placed"},
			Has:     []string{`"status":"pending"`, `"total":599.98`, `"currency":"USD"`, `"number":"SC-`, `"unit_price":299.99`, `"history":[{"status":"pending"`},
			HasNot:  []string{"payment_token"},
			AndThen: func(t *testing.T, body []byte) { path = "/orders/" + kittest.Field[string](t, body, "id") }},
		{Name: "merged items", As: bob, Do: "POST /orders", Body: with(`"quantity":2}`, `"quantity":2},{"product_id":1,"quantity":1}`), Want: 201,
			Emits: []string{"orders.placed"}, Has: []string{`"total":899.97`, `"quantity":3`}},
		{Name: "out of stock", As: alice, Do: "POST /orders", Body: with(`"quantity":2`, `"quantity":51`), Want: 409, Has: []string{`"out_of_stock"`, `"items[0].quantity":"only 50 left"`}},
		{Name: "unknown product", As: alice, Do: "POST /orders", Body: with(`"product_id":1`, `"product_id":99`), Want: 422, Has: []string{`"items[0].product_id"`}},
		{Name: "products is unavailable", As: alice, Do: "POST /orders", Body: with(`"product_id":1`, `"product_id":500`), Want: 503, Has: []string{`"service_unavailable"`}},
		{Name: "zero", As: alice, Do: "POST /orders", Body: with(`"quantity":2`, `"quantity":0`), Want: 422, Has: []string{`"items[0].quantity"`}},
		{Name: "negative", As: alice, Do: "POST /orders", Body: with(`"quantity":2`, `"quantity":-1`), Want: 422, Has: []string{`"items[0].quantity":"must be at least 1"`}},
		{Name: "too many", As: alice, Do: "POST /orders", Body: with(`"quantity":2`, `"quantity":1001`), Want: 422, Has: []string{`"items[0].quantity":"must be at most 1000"`}},
		{Name: "a string for a number", As: alice, Do: "POST /orders", Body: with(`"quantity":2`, `"quantity":"2"`), Want: 422, Has: []string{`"items[0].quantity":"must be a whole number"`}},
		{Name: "empty body", As: alice, Do: "POST /orders", Body: `{}`, Want: 422,
			Has: []string{`"items":"is required"`, `"shipping_address":"is required"`, `"payment_method":"is required"`}},
		{Name: "half an address", As: alice, Do: "POST /orders", Body: with(`"street":"123 Main St","city":"Anytown",`, `"street":" ",`), Want: 422,
			Has: []string{`"shipping_address.street":"must not be blank"`, `"shipping_address.city":"is required"`}},
		{Name: "an address of empty texts", As: alice, Do: "POST /orders", Body: `{"items":[{}],"shipping_address":{"street":"","city":"","country":""},"payment_method":"paypal"}`, Want: 422,
			Has:    []string{`"shipping_address.street":"must not be empty or zero"`, `"shipping_address.city":`, `"shipping_address.country":`, `"items[0].product_id":"is required"`, `"items[0].quantity":`},
			HasNot: []string{`"shipping_address":`}},
		{Name: "a city of nothing visible", As: alice, Do: "POST /orders", Body: with(`Anytown`, `\u3164`), Want: 422, Has: []string{`"shipping_address.city":"must not be blank"`}},
		{Name: "no items", As: alice, Do: "POST /orders", Body: with(`[{"product_id":1,"quantity":2}]`, `[]`), Want: 422, Has: []string{`"items"`}},
		{Name: "a price", As: alice, Do: "POST /orders", Body: with(`"quantity":2`, `"quantity":2,"unit_price":0.01`), Want: 422, Has: []string{`"items[0].unit_price":"is not a known field"`}},
		{Name: "unknown payment method", As: alice, Do: "POST /orders", Body: with(`credit_card`, `shells`), Want: 422, Has: []string{`"payment_method":"must be one of`}},
	})
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "own list", As: alice, Do: "GET /orders", Want: 200, Has: []string{`"total":599.98`}, HasNot: []string{`899.97`, `"history"`}},
		{Name: "list of another user", As: alice, Do: "GET /orders?user_id=" + bob.ID.String(), Want: 403},
		{Name: "admin: all orders", As: admin, Do: "GET /orders", Want: 200, Has: []string{`599.98`, `899.97`}},
		{Name: "admin: orders of a user", As: admin, Do: "GET /orders?user_id=" + bob.ID.String(), Want: 200, Has: []string{`899.97`}, HasNot: []string{`599.98`}},
		{Name: "by status", As: admin, Do: "GET /orders?status=paid", Want: 200, Has: []string{`"items":[]`}},
		{Name: "unknown status", As: admin, Do: "GET /orders?status=lost", Want: 422},
		{Name: "get", As: alice, Do: "GET " + path, Want: 200, Has: []string{`"history":[{"status":"pending"`}},
		{Name: "get another user's", As: bob, Do: "GET " + path, Want: 404, Has: []string{`"order_not_found"`}},
		{Name: "get version 2", As: alice, Do: "GET /v2" + path, Want: 200, HasNot: []string{`599.98,`},
			Has: []string{`"total":{"amount":"599.98","currency":"USD"}`, `"unit_price":{"amount":"299.99","currency":"USD"}`, `"sku":"WH-001"`, `"history":[{`}},
		{Name: "get another user's version 2", As: bob, Do: "GET /v2" + path, Want: 404, Has: []string{`"order_not_found"`}},
		{Name: "admin: get", As: admin, Do: "GET " + path, Want: 200},
		{Name: "cancel another user's", As: bob, Do: "POST " + path + "/cancel", Want: 404},
		{Name: "cancel", As: alice, Do: "POST " + path + "/cancel", Want: 200, Emits: []string{"orders.cancelled"}, Has: []string{`"status":"cancelled"`, alice.ID.String()}},
		{Name: "cancel again", As: alice, Do: "POST " + path + "/cancel", Want: 409, Has: []string{`"order_transition"`}},
		{Name: "cancel again, with a reason", As: alice, Do: "POST " + path + "/cancel", Body: `{"reason":"again"}`, Want: 409},
		{Name: "not an id", As: alice, Do: "GET /orders/1", Want: 404},
	})
}

// TestCancelWithReason: the reason of a cancellation is stored as it was sent, shown, and sent to the buyer.
func TestCancelWithReason(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	s.Routes(app)
	alice := kittest.NewCaller(shop.User)
	o, err := s.Place(t.Context(), alice.ID, order.NewOrder{
		Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}, Checkout: order.Checkout{PaymentMethod: "credit_card"},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := "/orders/" + o.ID.String()
	cancel := func(name, body string, want int, has ...string) kittest.Call {
		return kittest.Call{Name: name, As: alice, Do: "POST " + path + "/cancel", Body: body, Want: want, Has: has}
	}
	long := strings.Repeat("ü", 500)
	kittest.Run(t, app, nil, []kittest.Call{
		cancel("too long", `{"reason":"`+long+`!"}`, 422, `"reason":"must have at most 500 characters"`),
		cancel("blank", `{"reason":"  "}`, 422, `"reason":"must not be blank"`),
		cancel("a line break", `{"reason":"a\nb"}`, 422, `"reason":"must not contain control characters"`),
		cancel("no string", `{"reason":1}`, 422, `"reason":"must be a string"`),
		cancel("unknown field", `{"because":"x"}`, 422, `"because":"is not a known field"`),
		cancel("half a body", `{`, 400),
		{Name: "not JSON", As: alice, Do: "POST " + path + "/cancel", Body: "reason=x", Want: 415,
			Header: map[string]string{"Content-Type": "text/plain"}},
		cancel("longest", `{"reason":"`+long+`"}`, 200, `"status":"cancelled"`, `"reason":"`+long+`"`),
		{Name: "shown", As: alice, Do: "GET " + path, Want: 200, Has: []string{`"by":"` + alice.ID.String() + `","reason":"` + long + `"`}},
	})
	var reason, code string
	err = db.QueryRow(t.Context(), `select data->>'reason', coalesce(data->>'reason_code', '') from outbox where topic = 'orders.cancelled'`).
		Scan(&reason, &code)
	if err != nil || reason != long || code != "" {
		t.Errorf("orders.cancelled has the reason %q and the code %q, %v", reason, code, err)
	}
	if err := s.Erase(t.Context(), alice.ID); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), alice, o.ID)
	if err != nil || got.History[1].Reason != "" || got.Refunds[0].Reason != "" {
		t.Errorf("after the erasure: %+v, %v", got, err)
	}
}

// TestCancelWithoutReason: no body, an empty object, and an empty reason are no reason.
func TestCancelWithoutReason(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	s.Routes(app)
	admin := kittest.NewCaller(shop.Admin)
	for _, body := range []string{"", `{}`, `{"reason":""}`, `{"reason":null}`} {
		kittest.Run(t, app, nil, []kittest.Call{{
			Name: "body " + body, As: admin, Do: "POST /orders/" + place(t, s).ID.String() + "/cancel", Body: body, Want: 200,
			Has: []string{`"reason":"cancelled by request"`},
		}})
	}
}

func place(t *testing.T, s *order.Service) order.Order {
	t.Helper()
	o, err := s.Place(t.Context(), kittest.NewCaller(shop.User).ID, order.NewOrder{
		Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}, Checkout: order.Checkout{PaymentMethod: "credit_card"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPaidOnce(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	o := place(t, s)
	kittest.Emitted(t, db)
	for range 3 {
		if err := s.MarkPaid(t.Context(), o.ID, "sim_1"); err != nil {
			t.Fatal(err)
		}
	}
	if topics := kittest.Emitted(t, db); len(topics) != 1 || topics[0] != "orders.paid" {
		t.Errorf("emitted %v", topics)
	}
	if err := s.CancelUnpaid(t.Context(), o.ID, shop.Cause{Code: shop.Unpaid}, true); err != nil {
		t.Fatal(err)
	}
	if got, err := s.GoodsState(t.Context(), o.ID); err != nil || got.Status != order.Paid {
		t.Errorf("a paid order was cancelled: %+v, %v", got, err)
	}
}

func TestCancelledOnce(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	s := order.NewService(event.NewOutbox(db), calls(reserve))
	o := place(t, s)
	kittest.Emitted(t, db)
	for range 3 {
		if err := s.CancelUnpaid(t.Context(), o.ID, shop.Cause{Code: shop.CardDeclined}, true); err != nil {
			t.Fatal(err)
		}
	}
	var coded int
	err := db.QueryRow(t.Context(), `select count(*) from outbox where data->>'reason_code' = $1`, shop.CardDeclined).
		Scan(&coded)
	if err != nil || coded != 2 {
		t.Errorf("%d events have the reason's code, %v", coded, err)
	}
	if topics := kittest.Emitted(t, db); !slices.Equal(topics, []string{"orders.payment_failed", "orders.cancelled"}) {
		t.Errorf("emitted %v", topics)
	}
	if err := s.MarkPaid(t.Context(), o.ID, "sim_1"); !errors.Is(err, order.ErrTransition) {
		t.Errorf("a cancelled order was paid: %v", err)
	}
	open, err := s.OpenRefunds(t.Context(), o.ID)
	if err != nil || len(open) != 1 || !open[0].Void || open[0].Amount.Sign() != 0 {
		t.Errorf("a charge that is not settled must be voided: %+v, %v", open, err)
	}
}

// TestOneKeyPlacesOneOrder: concurrent requests with one key place one order, with one event and one reservation.
func TestOneKeyPlacesOneOrder(t *testing.T) {
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, order.Migrations, sales.Migrations)
	var reserved sync.Map
	recorded := func(ctx context.Context, id shop.OrderID, items []order.OrderItem) ([]order.Reserved, error) {
		reserved.Store(id, true)
		return reserve(ctx, id, items)
	}
	s := order.NewService(event.NewOutbox(db), calls(recorded))
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	s.Routes(app)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	place := func(caller shop.Caller, body string) kittest.Call {
		return kittest.Call{As: caller, Do: "POST /orders", Body: body, Header: map[string]string{"Idempotency-Key": "cart-7"}}
	}
	responses := make(chan string, 20)
	var race sync.WaitGroup
	for range cap(responses) {
		race.Go(func() {
			status, body := kittest.Do(t, app, place(alice, newOrder))
			responses <- fmt.Sprint(status, " ", string(body))
		})
	}
	race.Wait()
	first := <-responses
	for range cap(responses) - 1 {
		if other := <-responses; other != first || !strings.HasPrefix(first, "201 ") {
			t.Errorf("two responses: %s and %s", first, other)
		}
	}
	ids := 0
	reserved.Range(func(any, any) bool { ids++; return true })
	if topics := kittest.Emitted(t, db); ids != 1 || len(topics) != 1 {
		t.Errorf("reservations with %d ids, emitted %v", ids, topics)
	}
	for name, call := range map[string]struct {
		kittest.Call
		want int
	}{
		"another body":  {place(alice, strings.Replace(newOrder, `"quantity":2`, `"quantity":3`, 1)), 422},
		"another buyer": {place(bob, newOrder), 201},
	} {
		if status, body := kittest.Do(t, app, call.Call); status != call.want {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}
