package order

import (
	"errors"
	"regexp"
	"testing"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

func TestTheLifeOfAnOrder(t *testing.T) {
	all := []Status{Pending, Paid, Shipped, Delivered, Cancelled, Refunded, PartiallyRefunded}
	may := map[Status]string{
		Pending: "paid cancelled", Paid: "shipped cancelled refunded partially_refunded", Shipped: "delivered refunded partially_refunded",
		Delivered: "refunded partially_refunded", PartiallyRefunded: "refunded partially_refunded",
	}
	for _, from := range all {
		for _, to := range all {
			want := regexp.MustCompile(`\b` + string(to) + `\b`).MatchString(may[from])
			if to == Refunded { // \b also stands inside partially_refunded
				want = regexp.MustCompile(`(^| )refunded`).MatchString(may[from])
			}
			if from.MayBecome(to) != want {
				t.Errorf("%s -> %s: %v", from, to, !want)
			}
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
