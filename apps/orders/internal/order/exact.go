package order

import (
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

// Amount is money that no reader of JSON numbers can round: how much as text, with all its decimals, and of what.
type Amount struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// Exact is an order as version 2 of the API shows it: as the first does, but every amount is an Amount.
type Exact struct {
	Order
	Items    []ExactLine   `json:"items"`
	Total    Amount        `json:"total"`
	Refunded Amount        `json:"refunded"`
	Refunds  []ExactRefund `json:"refunds,omitempty"`
	Admin    *ExactInside  `json:"admin,omitempty"`
}

// ExactLine is a line of an Exact.
type ExactLine struct {
	shop.OrderLine
	UnitPrice Amount `json:"unit_price"`
	Total     Amount `json:"total"`
}

// ExactRefund is a refund of an Exact.
type ExactRefund struct {
	Refund
	Amount Amount `json:"amount"`
}

// ExactInside is the Inside of an Exact.
type ExactInside struct {
	Inside
	Payment *ExactPayment `json:"payment,omitempty"`
}

// ExactPayment is the payment of an Exact.
type ExactPayment struct {
	payment.Payment
	Amount Amount `json:"amount"`
}

func exact(o Order) Exact {
	amount := func(m shop.Money) Amount { return Amount{m.String(), o.Currency} }
	e := Exact{Order: o, Items: []ExactLine{}, Total: amount(o.Total), Refunded: amount(o.Refunded)}
	for _, line := range o.Items {
		e.Items = append(e.Items, ExactLine{line, amount(line.UnitPrice), amount(line.Total)})
	}
	for _, r := range o.Refunds {
		e.Refunds = append(e.Refunds, ExactRefund{r, amount(r.Amount)})
	}
	if o.Admin != nil {
		e.Admin = &ExactInside{Inside: *o.Admin}
		if p := o.Admin.Payment; p != nil {
			e.Admin.Payment = &ExactPayment{*p, Amount{p.Amount.String(), p.Currency}}
		}
	}
	return e
}
