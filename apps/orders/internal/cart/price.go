package cart

import (
	"fmt"

	"sidecart/kit/shop"
)

// priceCart is a cart at the prices and the stock of this moment.
func priceCart(k StoredCart, prices map[int64]Price) (Cart, error) {
	c := Cart{Items: []CartItem{}, Notices: []CartNotice{}, Orderable: len(k.Items) > 0}
	var sum shop.Money
	currencies := map[string]bool{}
	for _, l := range k.Items {
		p, err := priceItem(l, prices)
		if err != nil {
			return c, err
		}
		c.Items = append(c.Items, p)
		if p.blocked() {
			c.Orderable = false
		}
		if p.unavailable() {
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
			c.Notices = append(c.Notices, CartNotice{"too_much", "one order comes to less than 1000000000000: buy less at once"})
		}
	default:
		c.Currency, c.Orderable = "", false
		c.Notices = append(c.Notices, CartNotice{"mixed_currencies", "one order has one currency: buy these products separately"})
	}
	return c, nil
}

func priceItem(l StoredItem, prices map[int64]Price) (p CartItem, err error) {
	now, known := prices[l.ProductID]
	p = CartItem{
		ProductID: l.ProductID, SKU: now.SKU, Name: now.Name, Quantity: l.Quantity, UnitPrice: now.UnitPrice,
		Currency: now.Currency, Available: max(0, now.Available), Notices: []CartNotice{},
	}
	switch {
	case !known || now.Archived:
		p.Available = 0
		if !known {
			p.UnitPrice, p.Currency = l.UnitPrice, l.Currency
		}
		p.notice("unavailable", "is not on sale any more")
	case p.Available == 0:
		p.notice("unavailable", "none left at the moment")
	case p.Available < l.Quantity:
		p.notice("short", fmt.Sprintf("only %d left", p.Available))
	}
	if p.Currency != l.Currency || !p.UnitPrice.Equal(l.UnitPrice) {
		before := l.UnitPrice
		p.PreviousPrice = &before
		p.notice("price_changed", fmt.Sprintf("the price was %s %s and is %s %s now", before, l.Currency, p.UnitPrice, p.Currency))
	}
	p.Total, err = shop.Product(p.UnitPrice, l.Quantity)
	return p, err
}

func (p *CartItem) notice(code, message string) {
	p.Notices = append(p.Notices, CartNotice{code, message})
}

// unavailable says that a line cannot be bought at all, blocked that it cannot be bought as it is.
func (p *CartItem) unavailable() bool { return p.Available == 0 }
func (p *CartItem) blocked() bool     { return p.Available < p.Quantity }
