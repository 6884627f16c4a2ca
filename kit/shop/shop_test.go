package shop_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sidecart/kit/shop"
)

func TestMoneyIsExact(t *testing.T) {
	price, err := shop.MustMoney("299.99").In("USD")
	if err != nil {
		t.Fatal(err)
	}
	if total, err := price.Times(2); err != nil || total.String() != "599.98" {
		t.Errorf("%s, %v", total, err)
	}
	tenth, sum := shop.MustMoney("0.10"), shop.Money{}
	for range 1000 {
		if sum, err = sum.Plus(tenth); err != nil {
			t.Fatal(err)
		}
	}
	if sum.String() != "100.00" {
		t.Errorf("a thousand times 0.10 is %s", sum)
	}
}

func TestCause(t *testing.T) {
	for reason, text := range shop.Reasons {
		if got := (shop.Cause{Code: reason, Words: "changed my mind"}).Text(); text == "" || got != text {
			t.Errorf("%s has the text %q, want %q", reason, got, text)
		}
	}
	if got := (shop.Cause{Words: "changed my mind"}).Text(); got != "changed my mind" {
		t.Errorf("a user's own text: %q", got)
	}
}

func TestMoneyIn(t *testing.T) {
	for _, c := range []struct{ amount, currency, want string }{
		{"5", "USD", "5.00"}, {"5.1", "EUR", "5.10"}, {"5.10", "USD", "5.10"}, {"5.100", "USD", "5.10"}, {"500", "JPY", "500"},
		{"1.234", "KWD", "1.234"}, {"0", "USD", "0.00"}, {"-0.05", "USD", "-0.05"},
		{"150000", "IDR", "150000.00"}, {"100.50", "PKR", "100.50"}, {"1.5", "COP", "1.50"}, {"1.2", "IQD", "1.200"}, {"7", "MGA", "7.00"},
		{"5", "SLE", "5.00"}, {"5", "XCG", "5.00"}, {"5", "ISK", "5"}, {"1.2345", "CLF", "1.2345"},
		{"5", "DEM", "5.00"}, {"5", "ITL", "5"}, {"0", "XXX", "0.00"}, // stored amounts of them can be read
		{"5.001", "USD", ""}, {"0.5", "JPY", ""}, {"0.5", "UGX", ""}, {"5", "XYZ", ""}, {"5", "usd", ""}, {"5", "", ""},
	} {
		got, err := shop.MustMoney(c.amount).In(c.currency)
		if (err != nil) != (c.want == "") || (err == nil && got.String() != c.want) {
			t.Errorf("%s %s: %s, %v", c.amount, c.currency, got, err)
		}
	}
}

func TestCurrencies(t *testing.T) {
	for code, want := range map[string]bool{
		"USD": true, "EUR": true, "IDR": true, "JPY": true, "KWD": true, "CLF": true, "VES": true, "MRU": true, "ZWG": true,
		"DEM": false, "ITL": false, "BGN": false, "HRK": false, "SLL": false, "XXX": false, "XTS": false, "XAU": false, "XDR": false,
		"XYZ": false, "usd": false, "US": false, "": false,
	} {
		if shop.IsCurrency(code) != want {
			t.Errorf("%q: %v", code, !want)
		}
	}
}

// TestUnitsAreTheSameAmount in units of any number of decimals.
func TestUnitsAreTheSameAmount(t *testing.T) {
	for _, c := range []struct {
		amount   string
		decimals int
		want     int64 // -1 where it cannot be expressed
	}{
		{"299.99", 2, 29999}, {"299.99", 3, 299990}, {"5.00", 0, 5}, {"5", 2, 500}, {"-0.05", 2, -5}, {"0", 6, 0},
		{"0.5", 0, -1}, {"1", 7, -1}, {"1", -1, -1},
	} {
		units, err := shop.MustMoney(c.amount).Units(c.decimals)
		if (err != nil) != (c.want == -1) || (err == nil && units != c.want) {
			t.Errorf("%+v: %d, %v", c, units, err)
		}
		back, backErr := shop.MoneyOf(units, c.decimals)
		if err == nil && (backErr != nil || !back.Equal(shop.MustMoney(c.amount))) {
			t.Errorf("%+v came back as %s, %v", c, back, backErr)
		}
	}
}

func TestMoneyInJSON(t *testing.T) {
	for text, want := range map[string]string{
		"299.99": "299.99", "5": "5", "-1.50": "-1.50",
		"1e3": "1000", "1E+2": "100", "1.50e1": "15.0", "500e-2": "5.00", "5.000": "5.000", "0e5": "0", "0e-2": "0.00", "-0": "0",
		"1e999999999": "", "1e-999999999": "", "0e-99999": "", "1e99999999999999999999": "", "1e": "", "e5": "", "1e+-5": "", "1e1.5": "",
		`"5"`: "", "NaN": "", "1.": "", ".5": "", "+1": "", "0x10": "", "1234567890123": "", "1.1234567": "", "--1": "",
	} {
		m, err := shop.ParseMoney(text)
		if text[0] == '"' {
			err = m.UnmarshalJSON([]byte(text))
		}
		if (err != nil) != (want == "") {
			t.Errorf("%s: %v, %v", text, m, err)
			continue
		}
		if out, _ := json.Marshal(m); err == nil && string(out) != want {
			t.Errorf("%s came back as %s", text, out)
		}
	}
}

func TestMoneyGiven(t *testing.T) {
	for _, c := range []struct{ amount, currency, want string }{
		{"5", "USD", "5.00"}, {"5.00", "USD", "5.00"}, {"1E+2", "USD", "100.00"}, {"5.000", "USD", ""}, {"5000e-3", "USD", ""},
		{"5.001", "USD", ""}, {"100", "JPY", "100"}, {"100.00", "JPY", ""}, {"5.000", "KWD", "5.000"}, {"5", "XYZ", ""},
	} {
		m, err := shop.MustMoney(c.amount).Given(c.currency)
		if (err != nil) != (c.want == "") || err == nil && m.String() != c.want {
			t.Errorf("%s in %s: %s, %v", c.amount, c.currency, m, err)
		}
	}
}

func TestMoneyDoesNotOverflow(t *testing.T) {
	huge := shop.MustMoney("999999999999.99")
	if _, err := huge.Times(1_000_000); err == nil {
		t.Error("a product that does not fit was accepted")
	}
	if !shop.MustMoney("5").Equal(shop.MustMoney("5.00")) || shop.MustMoney("5").Equal(shop.MustMoney("5.01")) {
		t.Error("5 is 5.00 and not 5.01")
	}
}

func TestPermissions(t *testing.T) {
	anonymous, user := shop.Caller{}, shop.Caller{ID: shop.UserID{UUID: shop.NewID()}, Role: shop.User}
	admin, other := user, user
	admin.Role, other.Role = shop.Admin, "root"
	for _, c := range []struct {
		caller shop.Caller
		need   shop.Permission
		may    bool
	}{
		{anonymous, shop.Anyone, true}, {anonymous, shop.SignedIn, false}, {anonymous, shop.ManageOrders, false},
		{user, shop.SignedIn, true}, {user, shop.ManageCatalogue, false}, {admin, shop.ManageCatalogue, true},
		{admin, "no such permission", false}, {other, shop.ManageCatalogue, false}, {shop.Caller{Role: shop.Admin}, shop.ManageUsers, false},
	} {
		if c.caller.May(c.need) != c.may {
			t.Errorf("%s %s: %v", c.caller.Role, c.need, !c.may)
		}
	}
}

func TestEventsHaveOnePublisherAndAStableTopic(t *testing.T) {
	seen, publishers := map[string]bool{}, map[string]string{}
	for _, c := range shop.Events {
		topic := c.Event.Topic()
		if seen[topic] {
			t.Errorf("%s is listed twice", topic)
		}
		seen[topic] = true
		domain, _, _ := strings.Cut(topic, ".")
		if publishers[domain] == "" {
			publishers[domain] = c.Publisher
		}
		if publishers[domain] != c.Publisher {
			t.Errorf("%s is published by %s, other topics of %s by %s", topic, c.Publisher, domain, publishers[domain])
		}
	}
}
