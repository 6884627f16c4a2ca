package cart

import (
	"fmt"

	"sidecart/kit/shop"
)

// priceCart returns a cart with the given prices and stock.
func priceCart(stored StoredCart, prices map[int64]Price) (Cart, error) {
	c := Cart{Items: []CartItem{}, Notices: []CartNotice{}, Orderable: len(stored.Items) > 0}
	var sum shop.Money
	currencies := map[string]bool{}
	for _, item := range stored.Items {
		p, err := priceItem(item, prices)
		if err != nil {
			return c, err
		}
		c.Items = append(c.Items, p)
		c.Orderable = c.Orderable && p.Available >= p.Quantity
		if p.Available == 0 {
			continue
		}
		currencies[p.Currency], c.Currency = true, p.Currency
		if sum, err = shop.Sum(sum, p.Total); err != nil {
			return c, err
		}
	}
	switch len(currencies) {
	case 0:
		c.Orderable = false
	case 1:
		c.Total = &sum
		if sum.TooLarge() {
			c.Orderable = false
			c.Notices = append(c.Notices, CartNotice{"too_much", "an order must be less than 1000000000000: split it"})
		}
	default:
		c.Currency, c.Orderable = "", false
		c.Notices = append(c.Notices, CartNotice{"mixed_currencies", "an order has one currency: order these products separately"})
	}
	return c, nil
}

func priceItem(item StoredItem, prices map[int64]Price) (p CartItem, err error) {
	now, known := prices[item.ProductID]
	p = CartItem{
		ProductID: item.ProductID, SKU: now.SKU, Name: now.Name, Quantity: item.Quantity, UnitPrice: now.UnitPrice,
		Currency: now.Currency, Available: max(0, now.Available), Notices: []CartNotice{},
	}
	switch {
	case !known || now.Archived:
		p.Available = 0
		if !known {
			p.UnitPrice, p.Currency = item.UnitPrice, item.Currency
		}
		p.notice("unavailable", "is not on sale any more")
	case p.Available == 0:
		p.notice("unavailable", "is out of stock")
	case p.Available < item.Quantity:
		p.notice("short", fmt.Sprintf("only %d left", p.Available))
	}
	if p.Currency != item.Currency || !p.UnitPrice.Equal(item.UnitPrice) {
		p.PreviousPrice = &item.UnitPrice
		p.notice("price_changed", fmt.Sprintf("the price changed from %s %s to %s %s",
			item.UnitPrice, item.Currency, p.UnitPrice, p.Currency))
	}
	p.Total, err = shop.Product(p.UnitPrice, item.Quantity)
	return p, err
}

func (p *CartItem) notice(code, message string) {
	p.Notices = append(p.Notices, CartNotice{code, message})
}
