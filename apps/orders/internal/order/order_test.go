package order

import (
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

func TestTransitions(t *testing.T) {
	all := []Status{Pending, Paid, Shipped, Delivered, Cancelled, Refunded, PartiallyRefunded}
	now := time.Now()
	shipped, delivered := Order{Status: PartiallyRefunded, ShippedAt: &now}, Order{Status: PartiallyRefunded, ShippedAt: &now, DeliveredAt: &now}
	for _, c := range []struct {
		name string
		from Order
		to   []Status
	}{
		{"pending", Order{Status: Pending}, []Status{Paid, Cancelled}},
		{"paid", Order{Status: Paid}, []Status{Shipped, Cancelled, Refunded, PartiallyRefunded}},
		{"shipped", Order{Status: Shipped}, []Status{Delivered, Refunded, PartiallyRefunded}},
		{"delivered", Order{Status: Delivered}, []Status{Refunded, PartiallyRefunded}},
		{"cancelled", Order{Status: Cancelled}, nil},
		{"refunded", Order{Status: Refunded}, nil},
		{"partially refunded, not shipped", Order{Status: PartiallyRefunded}, []Status{Shipped, Cancelled, Refunded, PartiallyRefunded}},
		{"partially refunded, shipped", shipped, []Status{Delivered, Refunded, PartiallyRefunded}},
		{"partially refunded, delivered", delivered, []Status{Refunded, PartiallyRefunded}},
	} {
		for _, to := range all {
			if c.from.CanBecome(to) != slices.Contains(c.to, to) {
				t.Errorf("%s -> %s: %v", c.name, to, c.from.CanBecome(to))
			}
		}
	}
}

func TestRefundAmount(t *testing.T) {
	o := Order{Items: []shop.OrderLine{
		{ProductID: 1, Quantity: 2, UnitPrice: shop.MustMoney("299.99")}, {ProductID: 2, Quantity: 3, UnitPrice: shop.MustMoney("0.10")}}}
	earlier := []Refund{{Items: []OrderItem{{2, 1}}}}
	for _, c := range []struct {
		items  []OrderItem
		amount string
		full   bool
		field  string
	}{
		{[]OrderItem{{1, 1}}, "299.99", false, ""},
		{[]OrderItem{{1, 2}, {2, 1}}, "600.08", false, ""},
		{[]OrderItem{{1, 2}, {2, 2}}, "600.18", true, ""},
		{remainingItems(o.Items, earlier), "600.18", true, ""},
		{[]OrderItem{{1, 1}, {2, 3}}, "", false, "items[1].quantity"},
		{[]OrderItem{{3, 1}}, "", false, "items[0].product_id"},
	} {
		amount, full, err := refundAmount(o, earlier, c.items)
		if c.field != "" {
			if err == nil || fault.Of(err).Fields[c.field] == "" {
				t.Errorf("%v: %v", c.items, err)
			}
			continue
		}
		if err != nil || amount.String() != c.amount || full != c.full {
			t.Errorf("%v: %s %v %v", c.items, amount, full, err)
		}
	}
}

func TestMergeItems(t *testing.T) {
	lines, first, err := mergeItems([]OrderItem{{7, 1}, {3, 2}, {7, 4}})
	if err != nil || len(lines) != 2 || lines[0] != (OrderItem{7, 5}) || lines[1] != (OrderItem{3, 2}) || first[1] != 1 {
		t.Errorf("%v %v %v", lines, first, err)
	}
	if _, _, err := mergeItems([]OrderItem{{7, 600}, {7, 600}}); fault.Of(err) == nil || fault.Of(err).Fields["items[1].quantity"] == "" {
		t.Errorf("1200 of one product: %v", err)
	}
}

func TestFaultsNameTheOriginalItems(t *testing.T) {
	short := ErrOutOfStock.With("items[1].quantity", "only 3 left")
	got := fault.Of(withOriginalPositions(short, []int{0, 2}))
	if got.Fields["items[2].quantity"] != "only 3 left" || len(got.Fields) != 1 || !errors.Is(got, ErrOutOfStock) {
		t.Errorf("%+v", got)
	}
	if other := errors.New("x"); !errors.Is(withOriginalPositions(other, nil), other) {
		t.Error("another error was changed")
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
	yen := Reserved{Quantity: 1, UnitPrice: shop.MustMoney("1"), Currency: "JPY"}
	if _, _, _, err := total([]Reserved{usd("1.00", 1), yen}); !errors.Is(err, ErrMixedCurrencies) {
		t.Errorf("dollars and yen: %v", err)
	}
	_, _, _, err = total([]Reserved{usd("999999999999.99", 1_000_000)})
	if fault.Of(err) == nil || fault.Of(err).Kind != fault.Invalid {
		t.Errorf("overflow: %v", err)
	}
	dong := func(price string, n int) Reserved {
		return Reserved{Quantity: n, UnitPrice: shop.MustMoney(price), Currency: "VND"}
	}
	if _, _, _, err := total([]Reserved{dong("1000000000", 1000)}); fault.Of(err).Kind != fault.Invalid {
		t.Errorf("a line that is too large: %v", err)
	}
	if _, _, _, err := total([]Reserved{dong("1000000000", 999), dong("1000000000", 1)}); fault.Of(err).Kind != fault.Invalid {
		t.Errorf("a total that is too large: %v", err)
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

// TestRefundsNeverExceed refunds random parts of an order until nothing is left: the amounts add up to what was paid,
// and one item more is refused.
func TestRefundsNeverExceed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var reserved []Reserved
		for i := range rapid.IntRange(1, 6).Draw(t, "lines") {
			price := rapid.Int64Range(0, 1_000_000_00).Draw(t, "price")
			money, err := shop.MoneyOf(price, 2)
			if err != nil {
				t.Fatal(err)
			}
			reserved = append(reserved, Reserved{
				ProductID: int64(i + 1), Quantity: rapid.IntRange(1, 1000).Draw(t, "quantity"), UnitPrice: money, Currency: "USD",
			})
		}
		items, paid, _, err := total(reserved)
		if err != nil {
			t.Fatal(err)
		}
		o := Order{Items: items, Total: paid}
		var earlier []Refund
		var refunded shop.Money
		for full := false; !full; {
			rest := remainingItems(o.Items, earlier)
			item := rapid.SampledFrom(rest).Draw(t, "item")
			tooMany := []OrderItem{{item.ProductID, item.Quantity + 1}}
			if _, _, err := refundAmount(o, earlier, tooMany); !errors.Is(err, ErrRefundTooLarge) {
				t.Fatalf("one more than is left of %+v: %v", item, err)
			}
			item.Quantity = rapid.IntRange(1, item.Quantity).Draw(t, "of it")
			some := []OrderItem{item}
			if rapid.IntRange(0, 9).Draw(t, "all of it") == 0 {
				some = rest
			}
			var amount shop.Money
			if amount, full, err = refundAmount(o, earlier, some); err != nil {
				t.Fatal(err)
			}
			if refunded, err = refunded.Plus(amount); err != nil {
				t.Fatal(err)
			}
			earlier = append(earlier, Refund{Items: some})
			if full != refunded.Equal(paid) && paid.Sign() > 0 && !hasFree(o.Items) {
				t.Fatalf("%s of %s is refunded, whole: %v", refunded, paid, full)
			}
		}
		if !refunded.Equal(paid) {
			t.Fatalf("%s of %s was refunded", refunded, paid)
		}
	})
}

// hasFree reports whether a line is free: then the whole amount may be refunded before the whole order is.
func hasFree(lines []shop.OrderLine) bool {
	return slices.ContainsFunc(lines, func(l shop.OrderLine) bool { return l.UnitPrice.Sign() == 0 })
}

// TestRandomTransitionsEnd: random transitions never move an order backwards, and always end.
func TestRandomTransitionsEnd(t *testing.T) {
	all := []Status{Pending, Paid, Shipped, Delivered, Cancelled, Refunded, PartiallyRefunded}
	rank := map[Status]int{Pending: 0, Paid: 1, Shipped: 2, Delivered: 3, Cancelled: 4, Refunded: 4}
	rapid.Check(t, func(t *rapid.T) {
		o, now := Order{Status: Pending}, time.Now()
		for range 20 {
			var open []Status
			for _, s := range all {
				if o.CanBecome(s) {
					open = append(open, s)
				}
			}
			if len(open) == 0 {
				if o.Status != Cancelled && o.Status != Refunded {
					t.Fatalf("%s is not final", o.Status)
				}
				return
			}
			before := o.GoodsStatus()
			o.Status = rapid.SampledFrom(open).Draw(t, "status")
			switch o.Status {
			case Shipped:
				o.ShippedAt = &now
			case Delivered:
				o.DeliveredAt = &now
			case Pending, Paid, Cancelled, Refunded, PartiallyRefunded:
			}
			after := o.GoodsStatus()
			if rank[after] < rank[before] || rank[after] == rank[before] && o.Status != PartiallyRefunded {
				t.Fatalf("from %s to %s (%s)", before, after, o.Status)
			}
			if before == Shipped && after == Cancelled || before == Delivered && after == Cancelled {
				t.Fatalf("%s was cancelled", before)
			}
		}
	})
}
