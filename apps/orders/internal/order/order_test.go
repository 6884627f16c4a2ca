package order

import (
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

func TestTheLifeOfAnOrder(t *testing.T) {
	all := []Status{Pending, Paid, Shipped, Delivered, Cancelled, Refunded, PartiallyRefunded}
	now := time.Now()
	shipped, delivered := Order{Status: PartiallyRefunded, ShippedAt: &now}, Order{Status: PartiallyRefunded, ShippedAt: &now, DeliveredAt: &now}
	for _, c := range []struct {
		name string
		from Order
		may  []Status
	}{
		{"pending", Order{Status: Pending}, []Status{Paid, Cancelled}},
		{"paid", Order{Status: Paid}, []Status{Shipped, Cancelled, Refunded, PartiallyRefunded}},
		{"shipped", Order{Status: Shipped}, []Status{Delivered, Refunded, PartiallyRefunded}},
		{"delivered", Order{Status: Delivered}, []Status{Refunded, PartiallyRefunded}},
		{"cancelled", Order{Status: Cancelled}, nil},
		{"refunded", Order{Status: Refunded}, nil},
		{"partially refunded, not shipped", Order{Status: PartiallyRefunded}, []Status{Shipped, Cancelled, Refunded, PartiallyRefunded}},
		{"partially refunded, on its way", shipped, []Status{Delivered, Refunded, PartiallyRefunded}},
		{"partially refunded, delivered", delivered, []Status{Refunded, PartiallyRefunded}},
	} {
		for _, to := range all {
			if c.from.MayBecome(to) != slices.Contains(c.may, to) {
				t.Errorf("%s -> %s: %v", c.name, to, c.from.MayBecome(to))
			}
		}
	}
}

func TestWorth(t *testing.T) {
	o := Order{Items: []shop.OrderLine{
		{ProductID: 1, Quantity: 2, UnitPrice: shop.MustMoney("299.99")}, {ProductID: 2, Quantity: 3, UnitPrice: shop.MustMoney("0.10")}}}
	earlier := []Refund{{Items: []Item{{2, 1}}}}
	for _, c := range []struct {
		items  []Item
		amount string
		whole  bool
		field  string
	}{
		{[]Item{{1, 1}}, "299.99", false, ""},
		{[]Item{{1, 2}, {2, 1}}, "600.08", false, ""},
		{[]Item{{1, 2}, {2, 2}}, "600.18", true, ""},
		{everything(o.Items, earlier), "600.18", true, ""},
		{[]Item{{1, 1}, {2, 3}}, "", false, "items[1].quantity"},
		{[]Item{{3, 1}}, "", false, "items[0].product_id"},
	} {
		amount, whole, err := worth(o, earlier, c.items)
		if c.field != "" {
			if err == nil || fault.Of(err).Fields[c.field] == "" {
				t.Errorf("%v: %v", c.items, err)
			}
			continue
		}
		if err != nil || amount.String() != c.amount || whole != c.whole {
			t.Errorf("%v: %s %v %v", c.items, amount, whole, err)
		}
	}
}

func TestMerged(t *testing.T) {
	lines, first, err := merged([]Item{{7, 1}, {3, 2}, {7, 4}})
	if err != nil || len(lines) != 2 || lines[0] != (Item{7, 5}) || lines[1] != (Item{3, 2}) || first[1] != 1 {
		t.Errorf("%v %v %v", lines, first, err)
	}
	if _, _, err := merged([]Item{{7, 600}, {7, 600}}); fault.Of(err) == nil || fault.Of(err).Fields["items[1].quantity"] == "" {
		t.Errorf("1200 of one product: %v", err)
	}
}

func TestReplacedNamesTheItemsOfTheBasket(t *testing.T) {
	short := ErrOutOfStock.With("items[1].quantity", "only 3 left")
	got := fault.Of(replaced(short, []int{0, 2}))
	if got.Fields["items[2].quantity"] != "only 3 left" || len(got.Fields) != 1 || !errors.Is(got, ErrOutOfStock) {
		t.Errorf("%+v", got)
	}
	if other := errors.New("x"); !errors.Is(replaced(other, nil), other) {
		t.Error("other errors pass")
	}
}

func TestTotal(t *testing.T) {
	usd := func(price string, n int) Reserved {
		return Reserved{Quantity: n, UnitPrice: shop.MustMoney(price), Currency: "USD"}
	}
	items, sum, currency, err := total([]Reserved{usd("299.99", 2), usd("0.10", 3)})
	if err != nil || sum.String() != "600.28" || currency != "USD" || items[0].Total.String() != "599.98" {
		t.Errorf("%v %s %s %v", items, sum, currency, err)
	}
	if _, _, _, err := total([]Reserved{usd("1.00", 1), {Quantity: 1, UnitPrice: shop.MustMoney("1"), Currency: "JPY"}}); !errors.Is(err, ErrCurrencies) {
		t.Errorf("dollars and yen: %v", err)
	}
	if _, _, _, err := total([]Reserved{usd("999999999999.99", 1_000_000)}); fault.Of(err) == nil || fault.Of(err).Kind != fault.Invalid {
		t.Errorf("more than fits: %v", err)
	}
}

func TestNumbersAreReadable(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		n := newNumber()
		if !regexp.MustCompile(`^SC-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$`).MatchString(n) || seen[n] {
			t.Fatalf("%s", n)
		}
		seen[n] = true
	}
}
