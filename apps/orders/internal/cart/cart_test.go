package cart

import (
	"testing"

	"pgregory.net/rapid"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
)

func usd(product int64, quantity int, price string) StoredItem {
	return StoredItem{ProductID: product, Quantity: quantity, UnitPrice: shop.MustMoney(price), Currency: "USD"}
}

func TestPriced(t *testing.T) {
	prices := map[int64]Price{
		1: {ProductID: 1, UnitPrice: shop.MustMoney("10.00"), Currency: "USD", Available: 5},
		2: {ProductID: 2, UnitPrice: shop.MustMoney("0.10"), Currency: "USD", Available: 0},
		3: {ProductID: 3, UnitPrice: shop.MustMoney("7.00"), Currency: "USD", Available: 9, Archived: true},
		4: {ProductID: 4, UnitPrice: shop.MustMoney("500"), Currency: "JPY", Available: 5},
		5: {ProductID: 5, UnitPrice: shop.MustMoney("1000000000.00"), Currency: "USD", Available: 1000},
	}
	for name, c := range map[string]struct {
		lines     []StoredItem
		total     string
		orderable bool
		notices   []string // of all lines and the cart, in order
	}{
		"empty":                {nil, "", false, nil},
		"well":                 {[]StoredItem{usd(1, 2, "10.00")}, "20.00", true, nil},
		"dearer":               {[]StoredItem{usd(1, 2, "9.99")}, "20.00", true, []string{"price_changed"}},
		"short":                {[]StoredItem{usd(1, 6, "10.00")}, "60.00", false, []string{"short"}},
		"none left":            {[]StoredItem{usd(1, 1, "10.00"), usd(2, 1, "0.10")}, "10.00", false, []string{"unavailable"}},
		"archived":             {[]StoredItem{usd(1, 1, "10.00"), usd(3, 1, "7.00")}, "10.00", false, []string{"unavailable"}},
		"never heard of":       {[]StoredItem{usd(9, 1, "7.00")}, "", false, []string{"unavailable"}},
		"dollars and yen":      {[]StoredItem{usd(1, 1, "10.00"), {ProductID: 4, Quantity: 1, UnitPrice: shop.MustMoney("500"), Currency: "JPY"}}, "", false, []string{"mixed_currencies"}},
		"too much at once":     {[]StoredItem{usd(5, 1000, "1000000000.00")}, "1000000000000.00", false, []string{"too_much"}},
		"another currency now": {[]StoredItem{usd(4, 1, "5.00")}, "500", true, []string{"price_changed"}},
	} {
		got, err := priceCart(StoredCart{Items: c.lines}, prices)
		if err != nil {
			t.Fatal(err)
		}
		var notices []CartNotice
		for _, p := range got.Items {
			notices = append(notices, p.Notices...)
		}
		notices = append(notices, got.Notices...)
		total := ""
		if got.Total != nil {
			total = got.Total.String()
		}
		if total != c.total || got.Orderable != c.orderable || len(notices) != len(c.notices) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		for i, n := range notices {
			if n.Code != c.notices[i] || n.Message == "" {
				t.Errorf("%s: %+v", name, notices)
			}
		}
	}
}

// TestCartsAddUp does whatever comes to a cart, and beside it to a plain table of products: they never differ, no
// product is there twice, and what was ordered leaves exactly what was not.
func TestCartsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, want := StoredCart{}, map[int64]int{}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				product, n := rapid.Int64Range(1, 120).Draw(t, "product"), rapid.IntRange(1, 1000).Draw(t, "quantity")
				after, err := k.withItem(usd(product, n, "1.00"))
				if _, there := want[product]; err != nil && (there || len(want) < maxItems) {
					t.Fatalf("%d lines, and %v", len(want), err)
				}
				if err == nil {
					k, want[product] = after, n
				}
			},
			"remove": func(t *rapid.T) {
				product := rapid.Int64Range(1, 120).Draw(t, "product")
				k = k.without(product)
				delete(want, product)
			},
			"order": func(t *rapid.T) {
				items := k.orderItems()
				if len(items) > 0 {
					product := rapid.SampledFrom(items).Draw(t, "more of").ProductID
					more := rapid.IntRange(1, 1000).Draw(t, "more")
					k, _ = k.withItem(usd(product, want[product]+more, "1.00")) // in another tab
					want = map[int64]int{product: more}
				}
				k = k.withoutOrdered(items)
			},
			"": func(t *rapid.T) {
				if len(k.Items) != len(want) || len(k.Items) > maxItems {
					t.Fatalf("%d lines, want %d", len(k.Items), len(want))
				}
				for _, l := range k.Items {
					if l.Quantity != want[l.ProductID] || l.Quantity < 1 {
						t.Fatalf("%d of product %d, want %d", l.Quantity, l.ProductID, want[l.ProductID])
					}
				}
			},
		})
	})
}

func TestSame(t *testing.T) {
	k := StoredCart{Items: []StoredItem{usd(1, 1, "1.00")}}
	noted := StoredCart{Items: k.Items, Checkout: &PendingCheckout{Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}}}
	if !equal(k, k) || equal(k, noted) || equal(k, StoredCart{}) || !equal(noted, noted) {
		t.Error("a change is not seen, or one is that was none")
	}
}
