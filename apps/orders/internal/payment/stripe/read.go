package stripe

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	api "github.com/stripe/stripe-go/v83"
	"github.com/stripe/stripe-go/v83/webhook"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// outcome is what a PaymentIntent says became of a charge. One that asks the buyer for something more is declined: it was
// asked for without.
func outcome(intent *api.PaymentIntent) (payment.Receipt, error) {
	receipt := payment.Receipt{Reference: intent.ID}
	switch intent.Status {
	case api.PaymentIntentStatusSucceeded:
		return receipt, nil
	case api.PaymentIntentStatusProcessing, api.PaymentIntentStatusRequiresConfirmation, api.PaymentIntentStatusRequiresCapture:
		return receipt, payment.ErrNoAnswer
	case api.PaymentIntentStatusCanceled:
		return receipt, payment.ErrDeclined.Saying(shop.CalledOff.Text())
	case api.PaymentIntentStatusRequiresAction, api.PaymentIntentStatusRequiresPaymentMethod:
	}
	return receipt, payment.ErrDeclined.Saying(why(intent.LastPaymentError))
}

// why is what a buyer is told; Stripe's own words may speak to a developer.
func why(e *api.Error) string {
	switch {
	case e != nil && e.DeclineCode == api.DeclineCodeInsufficientFunds:
		return shop.NoFunds.Text()
	case e != nil && e.Code == api.ErrorCodeExpiredCard:
		return shop.CardExpired.Text()
	case e != nil && e.Code == api.ErrorCodeAuthenticationRequired:
		return shop.NotConfirmed.Text()
	}
	return shop.CardDeclined.Text()
}

// failure is what an error of Stripe means. What is not an answer of Stripe says nothing of what became of the call.
func failure(err error) error {
	var e *api.Error
	if !errors.As(err, &e) {
		return payment.ErrNoAnswer.Because(err)
	}
	// The error itself is not kept as a cause: it may name what the buyer pays with.
	cause := errors.New("stripe: " + string(e.Type) + " " + string(e.Code) + ", request " + e.RequestID)
	switch {
	case e.Type == api.ErrorTypeCard:
		return payment.ErrDeclined.Saying(why(e))
	case e.Code == api.ErrorCodeChargeAlreadyRefunded, e.Code == api.ErrorCodeAmountTooLarge:
		return payment.ErrNothingLeft
	case e.Code == api.ErrorCodeResourceMissing && e.HTTPStatusCode == http.StatusNotFound:
		return payment.ErrUnknown
	case e.Code == api.ErrorCodeResourceMissing: // the payment method
		return payment.ErrDeclined.Saying(shop.NoMethod.Text())
	case e.HTTPStatusCode >= 500:
		return payment.ErrNoAnswer.Because(cause)
	}
	return payment.ErrProvider.Because(cause)
}

// owner is whose order a PaymentIntent is for; others on the same account are of other shops.
func owner(intent *api.PaymentIntent) (shop.OrderID, bool) {
	id, err := uuid.Parse(intent.Metadata[orderKey])
	return shop.OrderID{UUID: id}, err == nil
}

// taken is what a PaymentIntent took and did not wholly give back, if it is of this shop.
func taken(intent *api.PaymentIntent) (t payment.Taken, ours bool, err error) {
	id, mine := owner(intent)
	if !mine || intent.Status != api.PaymentIntentStatusSucceeded {
		return t, false, nil
	}
	var refunded int64
	if intent.LatestCharge != nil {
		refunded = intent.LatestCharge.AmountRefunded
	}
	currency := strings.ToUpper(string(intent.Currency))
	t = payment.Taken{Key: id, Reference: intent.ID, Currency: currency, At: time.Unix(intent.Created, 0)}
	if t.Amount, err = major(intent.AmountReceived, currency); err != nil {
		return t, false, err
	}
	t.Refunded, err = major(refunded, currency)
	return t, refunded < intent.AmountReceived, err
}

// Read implements payment.Provider: the signature covers the time and the very bytes, and is good for five minutes. What a
// message says is only a hint for a version of the API that is not ours.
func (p *Provider) Read(body []byte, signature string) (n payment.Notice, err error) {
	if p.webhookKey == "" {
		return n, payment.ErrSignature
	}
	event, err := webhook.ConstructEventWithOptions(body, signature, p.webhookKey, webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
	if err != nil {
		return n, payment.ErrSignature.Because(err)
	}
	n = payment.Notice{ID: event.ID, Kind: string(event.Type)}
	if !strings.HasPrefix(string(event.Type), "payment_intent.") || event.Data == nil {
		return n, nil
	}
	var intent api.PaymentIntent
	if err := json.Unmarshal(event.Data.Raw, &intent); err != nil {
		return n, fault.ErrMalformed.Because(err)
	}
	id, mine := owner(&intent)
	if !mine {
		return n, nil
	}
	n.Key, n.Reference = id, intent.ID
	switch event.Type {
	case api.EventTypePaymentIntentSucceeded:
		n.State = payment.Approved
	case api.EventTypePaymentIntentPaymentFailed, api.EventTypePaymentIntentCanceled:
		n.State, n.Reason = payment.Declined, why(intent.LastPaymentError)
	default:
	}
	return n, nil
}
