package order

import "sidecart/kit/shop"

// Amount is money that no reader of JSON numbers can round: how much as text, with all its decimals, and of what.
type Amount struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// Exact is an order as version 2 of the API shows it: as the first does, but every amount is an Amount.
type Exact struct {
	Order
	Total Amount      `json:"total"`
	Items []ExactLine `json:"items"`
}

// ExactLine is a line of an Exact.
type ExactLine struct {
	shop.OrderLine
	UnitPrice Amount `json:"unit_price"`
	Total     Amount `json:"total"`
}

func exact(o Order) Exact {
	amount := func(m shop.Money) Amount { return Amount{m.String(), o.Currency} }
	e := Exact{Order: o, Total: amount(o.Total), Items: []ExactLine{}}
	for _, line := range o.Items {
		e.Items = append(e.Items, ExactLine{line, amount(line.UnitPrice), amount(line.Total)})
	}
	return e
}
