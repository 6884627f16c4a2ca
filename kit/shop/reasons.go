package shop

// Reason is why the platform ended an order or its payment, for whoever says it in another language. It is empty where
// somebody gave a reason in their own words.
type Reason string

// The reasons.
const (
	Requested       Reason = "requested"
	Unpaid          Reason = "unpaid"
	StockGone       Reason = "stock_gone"
	PaymentDeclined Reason = "payment_declined"
	CardDeclined    Reason = "card_declined"
	CardExpired     Reason = "card_expired"
	NoFunds         Reason = "insufficient_funds"
	NotConfirmed    Reason = "not_confirmed"
	NoMethod        Reason = "no_such_method"
	CalledOff       Reason = "called_off"
)

// Reasons are all of them, and how an order's history says them.
var Reasons = map[Reason]string{
	Requested:       "cancelled by request",
	Unpaid:          "it was not paid in time",
	StockGone:       "its stock was given back before it was paid",
	PaymentDeclined: "the payment was declined",
	CardDeclined:    "the card was declined",
	CardExpired:     "the card has expired",
	NoFunds:         "there are not enough funds",
	NotConfirmed:    "the bank asks for a confirmation that was not given",
	NoMethod:        "there is no such payment method",
	CalledOff:       "the payment was called off",
}

// Text is how an order's history says it.
func (r Reason) Text() string { return Reasons[r] }

// Cause is why something ended: for one of the reasons, or for what somebody gave in their own words. The zero value is
// no cause.
type Cause struct {
	Code  Reason `json:"code,omitempty"`
	Words string `json:"words,omitempty"`
}

// Text is how an order's history says it.
func (c Cause) Text() string {
	if c.Code != "" {
		return c.Code.Text()
	}
	return c.Words
}
