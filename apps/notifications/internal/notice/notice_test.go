package notice

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestInline(t *testing.T) {
	long := strings.Repeat("é", 300)
	for _, c := range []struct{ name, in, want string }{
		{"as it is", "Zoë O'Brien", "Zoë O'Brien"},
		{"markup stays text", "<b>Bob</b> & {{.Admin}} %s ${x}", "<b>Bob</b> & {{.Admin}} %s ${x}"},
		{"one line", "a\r\nBcc: b\tc\x1b[31m", "a Bcc: b c [31m"},
		{"other line ends", "a\u2028b\u2029c\u0085d", "a b c d"},
		{"no NUL", "a\x00b", "a b"},
		{"no turned text", "pay\u202Egnp.exe\u2066", "paygnp.exe"},
		{"broken bytes", "a\xffb", "a\uFFFDb"},
		{"joined letters stay", "👩\u200d💻 نمی\u200cدانم", "👩\u200d💻 نمی\u200cدانم"},
		{"only blanks", " \n\t ", ""},
		{"long", long, strings.Repeat("é", maxInline-1) + "…"},
	} {
		if got := inline(c.in); got != c.want || !utf8.ValidString(got) {
			t.Errorf("%s: inline(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestNotices(t *testing.T) {
	buyer, order := shop.UserID{UUID: shop.NewID()}, shop.OrderID{UUID: shop.NewID()}
	total := shop.MustMoney("599.98")
	lines := []shop.OrderLine{{Quantity: 2, Name: "Wireless Headphones"}, {Quantity: 1, Name: "Case"}}
	five := append(append([]shop.OrderLine{}, lines...), lines[0], lines[1], lines[1])
	ofTheOrder := func(rest string) string {
		return `{"order_id":"` + order.String() + `","number":"SC-1",` + rest + `"link":"/api/v1/orders/` + order.String() + `"}`
	}
	for _, c := range []struct {
		name        string
		got         Notice
		kind        string
		title, body string
		data        string
	}{
		{"welcome", welcome(shop.UserRegistered{UserID: buyer, Username: "testuser", Email: "test@example.com", FullName: "Test User"}),
			"users.registered", "Welcome to Sidecart", "Hello Test User, your account testuser is ready.", `{}`},
		{"welcome without a full name", welcome(shop.UserRegistered{UserID: buyer, Username: "testuser"}),
			"users.registered", "Welcome to Sidecart", "Hello testuser, your account testuser is ready.", `{}`},
		{"a new device", newDevice(shop.NewDevice{UserID: buyer, Address: "203.0.113.7", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}),
			"users.new_device", "A new device signed in to your account",
			"Firefox, Linux, from 203.0.113.7. If it was not you, choose a new password: that signs out every device.", `{}`},
		{"an unknown device", newDevice(shop.NewDevice{UserID: buyer, Address: "203.0.113.7", UserAgent: "<toaster>"}),
			"users.new_device", "A new device signed in to your account",
			"<toaster>, from 203.0.113.7. If it was not you, choose a new password: that signs out every device.", `{}`},
		{"placed", placed(shop.OrderPlaced{OrderID: order, Number: "SC-1", UserID: buyer, Total: total, Currency: "USD", Items: lines}),
			"orders.placed", "We have your order SC-1",
			"2 × Wireless Headphones, 1 × Case. 599.98 USD in total; we will let you know when it is paid.", ofTheOrder(`"total":599.98,"currency":"USD",`)},
		{"placed, many lines", placed(shop.OrderPlaced{OrderID: order, Number: "SC-1", UserID: buyer, Total: total, Currency: "USD", Items: five}),
			"orders.placed", "We have your order SC-1",
			"2 × Wireless Headphones, 1 × Case, 2 × Wireless Headphones and 2 more. 599.98 USD in total; we will let you know when it is paid.",
			ofTheOrder(`"total":599.98,"currency":"USD",`)},
		{"paid", paid(shop.OrderPaid{OrderID: order, Number: "SC-1", UserID: buyer, Total: shop.MustMoney("5.00"), Currency: "USD"}),
			"orders.paid", "Your order SC-1 is paid", "We have received 5.00 USD. Your goods will be on their way soon.", ofTheOrder(`"total":5.00,"currency":"USD",`)},
		{"cancelled", cancelled(shop.OrderCancelled{OrderID: order, Number: "SC-1", UserID: buyer, Reason: "the card was declined."}),
			"orders.cancelled", "Your order SC-1 is cancelled", "Reason: the card was declined. It will not be shipped.", ofTheOrder(`"reason":"the card was declined.",`)},
		{"cancelled without a reason", cancelled(shop.OrderCancelled{OrderID: order, Number: "SC-1", UserID: buyer}),
			"orders.cancelled", "Your order SC-1 is cancelled", "It will not be shipped.", ofTheOrder(``)},
		{"shipped", shipped(shop.OrderShipped{OrderID: order, Number: "SC-1", UserID: buyer, Carrier: "DHL", TrackingNumber: "JD 1"}),
			"orders.shipped", "Your order SC-1 is on its way", "It was shipped with DHL; the tracking number is JD 1.", ofTheOrder(`"carrier":"DHL","tracking_number":"JD 1",`)},
		{"shipped without a number", shipped(shop.OrderShipped{OrderID: order, Number: "SC-1", UserID: buyer, Carrier: "a friend"}),
			"orders.shipped", "Your order SC-1 is on its way", "It was shipped with a friend.", ofTheOrder(`"carrier":"a friend",`)},
		{"shipped somehow", shipped(shop.OrderShipped{OrderID: order, Number: "SC-1", UserID: buyer}),
			"orders.shipped", "Your order SC-1 is on its way", "It has left our warehouse.", ofTheOrder(``)},
		{"delivered", delivered(shop.OrderDelivered{OrderID: order, Number: "SC-1", UserID: buyer}),
			"orders.delivered", "Your order SC-1 has arrived", "We hope you like it.", ofTheOrder(``)},
		{"a part refunded", refunded(shop.OrderRefunded{OrderID: order, Number: "SC-1", UserID: buyer, Amount: shop.MustMoney("5.00"), Currency: "USD", Partial: true}),
			"orders.refunded", "A refund for your order SC-1", "We have refunded 5.00 USD, a part of your payment.", ofTheOrder(`"total":5.00,"currency":"USD",`)},
		{"not paid", paymentFailed(shop.OrderPaymentFailed{OrderID: order, Number: "SC-1", UserID: buyer, Reason: "the card was declined", ReasonCode: shop.CardDeclined}),
			"orders.payment_failed", "The payment for your order SC-1 failed", "Reason: the card was declined. Nothing was charged.",
			ofTheOrder(`"reason":"the card was declined","reason_code":"card_declined",`)},
		{"low", stockLow(buyer, shop.StockLow{ProductID: 7, SKU: "WH-1", Name: "Case", Available: 3, Threshold: 10}),
			"stock.low", "Low stock: Case", "3 of WH-1 are left; the threshold is 10.", `{"product_id":7,"sku":"WH-1","link":"/api/v1/products/7"}`},
		{"out", stockOut(buyer, shop.StockOut{ProductID: 7, SKU: "WH-1", Name: "Case"}),
			"stock.out", "Out of stock: Case", "Nothing of WH-1 is left.", `{"product_id":7,"sku":"WH-1","link":"/api/v1/products/7"}`},
		{"back", stockBack(buyer, shop.StockBack{ProductID: 7, SKU: "WH-1", Name: "Case"}),
			"stock.back", "Back in stock: Case", "You asked us to let you know: Case is available again.", `{"product_id":7,"sku":"WH-1","link":"/api/v1/products/7"}`},
	} {
		checkVariables(t, c.name, c.got)
		data, err := json.Marshal(c.got.Data)
		if err != nil {
			t.Fatal(err)
		}
		at := template.Selector{Kind: c.got.Kind, Channel: kind.InApp, Language: template.English}
		text, err := template.NewRenderer(noTemplates{}).Render(t.Context(), at, c.got.Variables)
		if err != nil {
			t.Fatal(err)
		}
		if c.got.Kind != c.kind || text.Title != c.title || text.Body != c.body || string(data) != c.data || c.got.UserID != buyer {
			t.Errorf("%s: got\n%s\n%s\n%s\n%s, want\n%s\n%s\n%s\n%s", c.name, c.got.Kind, text.Title, text.Body, data, c.kind, c.title, c.body, c.data)
		}
	}
}

// checkVariables checks that a notice has the variables of its kind, with which templates are validated.
func checkVariables(t *testing.T, name string, n Notice) {
	t.Helper()
	text, err := json.Marshal(n.Variables)
	if err != nil {
		t.Fatal(err)
	}
	variables := kittest.Field[map[string]string](t, []byte(`{"variables":`+string(text)+`}`), "variables")
	required, optional := template.VariablesOf(n.Kind)
	for _, variable := range required {
		if variables[variable] == "" {
			t.Errorf("%s has no %s", name, variable)
		}
	}
	for variable := range variables {
		if !slices.Contains(append(required, optional...), variable) {
			t.Errorf("%s has %s, which its kind does not have", name, variable)
		}
	}
}

// noTemplates is a database without templates of admins.
type noTemplates struct{}

func (noTemplates) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return nil, pgx.ErrNoRows
}

// TestBrokenTemplateStillNotifies on all channels.
func TestBrokenTemplateStillNotifies(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	if _, err := db.Exec(t.Context(), `
		insert into templates (kind, channel, language, version, title, body, html, changed_by)
		values ('orders.refunded', 'in_app', 'en', 1, '{{if .Partial}}A part of your money is back{{end}}', '{{.Total}}', '', gen_random_uuid())`); err != nil {
		t.Fatal(err)
	}
	kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: alice.ID, Username: "alice", Email: "alice@example.com"})
	for _, partial := range []bool{true, false} {
		e := shop.OrderRefunded{OrderID: shop.OrderID{UUID: shop.NewID()}, Number: "SC-1", UserID: alice.ID, Amount: shop.MustMoney("5.00"), Currency: "USD", Partial: partial}
		if verdict := kittest.Deliver(t, app, shop.NewID(), e); verdict != "SUCCESS" {
			t.Fatalf("partial %v: %s", partial, verdict)
		}
	}
	in := readInbox(t, app, alice, "?limit=2")
	if in.Items[0].Title != "A refund for your order SC-1" || in.Items[1].Title != "A part of your money is back" {
		t.Errorf("%+v", in.Items)
	}
	var mails int
	if err := db.QueryRow(t.Context(), `select count(*) from deliveries where kind = 'orders.refunded' and channel = 'email'`).Scan(&mails); err != nil || mails != 2 {
		t.Errorf("%d mails, %v", mails, err)
	}
}
