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

func TestPriceCart(t *testing.T) {
	prices := map[int64]Price{
		1: {ProductID: 1, UnitPrice: shop.MustMoney("10.00"), Currency: "USD", Available: 5},
		2: {ProductID: 2, UnitPrice: shop.MustMoney("0.10"), Currency: "USD", Available: 0},
		3: {ProductID: 3, UnitPrice: shop.MustMoney("7.00"), Currency: "USD", Available: 9, Archived: true},
		4: {ProductID: 4, UnitPrice: shop.MustMoney("500"), Currency: "JPY", Available: 5},
		5: {ProductID: 5, UnitPrice: shop.MustMoney("1000000000.00"), Currency: "USD", Available: 1000},
	}
	for name, c := range map[string]struct {
		items     []StoredItem
		total     string
		orderable bool
		notices   []string // of all items and of the cart, in order
	}{
		"empty":           {nil, "", false, nil},
		"available":       {[]StoredItem{usd(1, 2, "10.00")}, "20.00", true, nil},
		"price increase":  {[]StoredItem{usd(1, 2, "9.99")}, "20.00", true, []string{"price_changed"}},
		"short":           {[]StoredItem{usd(1, 6, "10.00")}, "60.00", false, []string{"short"}},
		"out of stock":    {[]StoredItem{usd(1, 1, "10.00"), usd(2, 1, "0.10")}, "10.00", false, []string{"unavailable"}},
		"archived":        {[]StoredItem{usd(1, 1, "10.00"), usd(3, 1, "7.00")}, "10.00", false, []string{"unavailable"}},
		"unknown product": {[]StoredItem{usd(9, 1, "7.00")}, "", false, []string{"unavailable"}},
		"dollars and yen": {[]StoredItem{usd(1, 1, "10.00"), {4, 1, shop.MustMoney("500"), "JPY"}}, "", false,
			[]string{"mixed_currencies"}},
		"total too large": {[]StoredItem{usd(5, 1000, "1000000000.00")}, "1000000000000.00", false, []string{"too_much"}},
		"new currency":    {[]StoredItem{usd(4, 1, "5.00")}, "500", true, []string{"price_changed"}},
	} {
		got, err := priceCart(StoredCart{Items: c.items}, prices)
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

// TestCartsAddUp applies random operations to a cart and to a map of quantities: they never differ, no product is in
// the cart twice, and a checkout removes exactly what was ordered.
func TestCartsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, want := StoredCart{}, map[int64]int{}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				product, n := rapid.Int64Range(1, 120).Draw(t, "product"), rapid.IntRange(1, 1000).Draw(t, "quantity")
				err := c.set(usd(product, n, "1.00"))
				if _, there := want[product]; err != nil && (there || len(want) < maxItems) {
					t.Fatalf("%d items, and %v", len(want), err)
				}
				if err == nil {
					want[product] = n
				}
			},
			"remove": func(t *rapid.T) {
				product := rapid.Int64Range(1, 120).Draw(t, "product")
				c.remove(product)
				delete(want, product)
			},
			"order": func(t *rapid.T) {
				items := c.orderItems()
				if len(items) > 0 {
					product := rapid.SampledFrom(items).Draw(t, "more of").ProductID
					more := rapid.IntRange(1, 1000).Draw(t, "more")
					_ = c.set(usd(product, want[product]+more, "1.00")) // in another tab
					want = map[int64]int{product: more}
				}
				c.complete(items)
			},
			"": func(t *rapid.T) {
				if len(c.Items) != len(want) || len(c.Items) > maxItems {
					t.Fatalf("%d items, want %d", len(c.Items), len(want))
				}
				for _, item := range c.Items {
					if item.Quantity != want[item.ProductID] || item.Quantity < 1 {
						t.Fatalf("%d of product %d, want %d", item.Quantity, item.ProductID, want[item.ProductID])
					}
				}
			},
		})
	})
}

func TestEqual(t *testing.T) {
	c := StoredCart{Items: []StoredItem{usd(1, 1, "1.00")}}
	pending := StoredCart{Items: c.Items, Checkout: &PendingCheckout{Items: []order.OrderItem{{ProductID: 1, Quantity: 1}}}}
	if !c.equal(c) || c.equal(pending) || c.equal(StoredCart{}) || !pending.equal(pending) {
		t.Error("equal carts differ, or different ones are equal")
	}
}
