package order

import (
	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

// Amount is an amount of money as text with all its decimals, which no JSON parser can round.
type Amount struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// OrderV2 is an order in version 2 of the API: every amount is an Amount.
type OrderV2 struct {
	Order
	Items    []OrderLineV2  `json:"items"`
	Total    Amount         `json:"total"`
	Refunded Amount         `json:"refunded"`
	Refunds  []RefundV2     `json:"refunds,omitempty"`
	Admin    *DiagnosticsV2 `json:"admin,omitempty"`
}

// OrderLineV2 is a line of an OrderV2.
type OrderLineV2 struct {
	shop.OrderLine
	UnitPrice Amount `json:"unit_price"`
	Total     Amount `json:"total"`
}

// RefundV2 is a refund of an OrderV2.
type RefundV2 struct {
	Refund
	Amount Amount `json:"amount"`
}

// DiagnosticsV2 are the diagnostics of an OrderV2.
type DiagnosticsV2 struct {
	Diagnostics
	Payment *PaymentV2 `json:"payment,omitempty"`
}

// PaymentV2 is the payment of an OrderV2.
type PaymentV2 struct {
	payment.Payment
	Amount Amount `json:"amount"`
}

func toV2(o Order) OrderV2 {
	amount := func(m shop.Money) Amount { return Amount{m.String(), o.Currency} }
	v2 := OrderV2{Order: o, Items: []OrderLineV2{}, Total: amount(o.Total), Refunded: amount(o.Refunded)}
	for _, line := range o.Items {
		v2.Items = append(v2.Items, OrderLineV2{line, amount(line.UnitPrice), amount(line.Total)})
	}
	for _, r := range o.Refunds {
		v2.Refunds = append(v2.Refunds, RefundV2{r, amount(r.Amount)})
	}
	if o.Admin != nil {
		v2.Admin = &DiagnosticsV2{Diagnostics: *o.Admin}
		if p := o.Admin.Payment; p != nil {
			v2.Admin.Payment = &PaymentV2{*p, Amount{p.Amount.String(), p.Currency}}
		}
	}
	return v2
}
