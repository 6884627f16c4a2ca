package shop

// Reason is the code of why the platform ended an order or its payment, for texts in other languages. It is empty where
// a user or an admin wrote the reason.
type Reason string

// The reason codes.
const (
	Requested            Reason = "requested"
	Unpaid               Reason = "unpaid"
	ReservationExpired   Reason = "reservation_expired"
	PaymentDeclined      Reason = "payment_declined"
	CardDeclined         Reason = "card_declined"
	CardExpired          Reason = "card_expired"
	InsufficientFunds    Reason = "insufficient_funds"
	NotConfirmed         Reason = "not_confirmed"
	UnknownPaymentMethod Reason = "no_such_method"
	PaymentVoided        Reason = "payment_voided"
)

// Reasons are all codes with their texts in an order's history.
var Reasons = map[Reason]string{
	Requested:            "cancelled by request",
	Unpaid:               "it was not paid in time",
	ReservationExpired:   "its reservation expired before it was paid",
	PaymentDeclined:      "the payment was declined",
	CardDeclined:         "the card was declined",
	CardExpired:          "the card has expired",
	InsufficientFunds:    "there are not enough funds",
	NotConfirmed:         "the bank asks for a confirmation that was not given",
	UnknownPaymentMethod: "there is no such payment method",
	PaymentVoided:        "the payment was voided",
}

// Text returns the text in an order's history.
func (r Reason) Text() string { return Reasons[r] }

// Cause is why an order or payment ended: a reason code, or the text of a user or an admin. The zero value is no cause.
type Cause struct {
	Code  Reason `json:"code,omitempty"`
	Words string `json:"words,omitempty"`
}

// Text returns the text in an order's history.
func (c Cause) Text() string {
	if c.Code != "" {
		return c.Code.Text()
	}
	return c.Words
}
