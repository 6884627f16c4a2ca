package shop

// Reason is why the platform ended an order or its payment, for whoever says it in another language. It is empty where
// somebody gave a reason in their own words.
type Reason string

// The reasons.
const (
	Requested       Reason = "requested"
	Unpaid          Reason = "unpaid"
	StockGone       Reason = "stock_gone"
	NotCompleted    Reason = "not_completed"
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
	NotCompleted:    "it could not be completed",
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

// ReasonOf is the reason that a history says so, or none: workflows and payments keep the sentence.
func ReasonOf(text string) Reason {
	for r, said := range Reasons {
		if said == text {
			return r
		}
	}
	return ""
}
