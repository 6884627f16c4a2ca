package message

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"sidecart/kit/shop"
)

func TestPlain(t *testing.T) {
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
		{"long", long, strings.Repeat("é", longestWord-1) + "…"},
	} {
		if got := plain(c.in); got != c.want || !utf8.ValidString(got) {
			t.Errorf("%s: plain(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestMessages(t *testing.T) {
	buyer, order := shop.UserID{UUID: shop.NewID()}, shop.OrderID{UUID: shop.NewID()}
	total := shop.MustMoney("599.98")
	lines := []shop.OrderLine{{Quantity: 2, Name: "Wireless Headphones"}, {Quantity: 1, Name: "Case"}}
	five := append(append([]shop.OrderLine{}, lines...), lines[0], lines[1], lines[1])
	for _, c := range []struct {
		name        string
		got         Message
		kind        string
		title, body string
		data        string
	}{
		{"welcome", welcome(shop.UserRegistered{UserID: buyer, Username: "testuser", Email: "test@example.com", FullName: "Test User"}),
			"users.registered", "Welcome to Sidecart", "Hello Test User, your account testuser is ready.", `{}`},
		{"welcome without a full name", welcome(shop.UserRegistered{UserID: buyer, Username: "testuser"}),
			"users.registered", "Welcome to Sidecart", "Hello testuser, your account testuser is ready.", `{}`},
		{"placed", placed(shop.OrderPlaced{OrderID: order, Number: "SC-1", UserID: buyer, Total: total, Currency: "USD", Items: lines}),
			"orders.placed", "We have your order SC-1",
			"2 × Wireless Headphones, 1 × Case. 599.98 USD in total; we tell you as soon as it is paid.",
			`{"order_id":"` + order.String() + `","number":"SC-1","total":599.98,"currency":"USD"}`},
		{"placed, many lines", placed(shop.OrderPlaced{OrderID: order, Number: "SC-1", UserID: buyer, Total: total, Currency: "USD", Items: five}),
			"orders.placed", "We have your order SC-1",
			"2 × Wireless Headphones, 1 × Case, 2 × Wireless Headphones and 2 more. 599.98 USD in total; we tell you as soon as it is paid.",
			`{"order_id":"` + order.String() + `","number":"SC-1","total":599.98,"currency":"USD"}`},
		{"paid", paid(shop.OrderPaid{OrderID: order, Number: "SC-1", UserID: buyer, Total: shop.MustMoney("5.00"), Currency: "USD"}),
			"orders.paid", "Your order SC-1 is paid", "We have received 5.00 USD. Your goods will be on their way soon.",
			`{"order_id":"` + order.String() + `","number":"SC-1","total":5.00,"currency":"USD"}`},
		{"cancelled", cancelled(shop.OrderCancelled{OrderID: order, Number: "SC-1", UserID: buyer, Reason: "the card was declined."}),
			"orders.cancelled", "Your order SC-1 is cancelled", "Reason: the card was declined. It will not be sent.",
			`{"order_id":"` + order.String() + `","number":"SC-1","reason":"the card was declined."}`},
		{"cancelled without a reason", cancelled(shop.OrderCancelled{OrderID: order, Number: "SC-1", UserID: buyer}),
			"orders.cancelled", "Your order SC-1 is cancelled", "It will not be sent.",
			`{"order_id":"` + order.String() + `","number":"SC-1"}`},
	} {
		data, err := json.Marshal(c.got.Data)
		if err != nil {
			t.Fatal(err)
		}
		if c.got.Kind != c.kind || c.got.Title != c.title || c.got.Body != c.body || string(data) != c.data || c.got.UserID != buyer {
			t.Errorf("%s: got\n%s\n%s\n%s\n%s, want\n%s\n%s\n%s\n%s", c.name, c.got.Kind, c.got.Title, c.got.Body, data, c.kind, c.title, c.body, c.data)
		}
	}
}
