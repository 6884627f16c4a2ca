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

// receipt is what a PaymentIntent says became of a charge. One that asks the buyer for something more is declined: it was
// asked for without.
func receipt(intent *api.PaymentIntent) (payment.Receipt, error) {
	receipt := payment.Receipt{Reference: intent.ID}
	switch intent.Status {
	case api.PaymentIntentStatusSucceeded:
		return receipt, nil
	case api.PaymentIntentStatusProcessing, api.PaymentIntentStatusRequiresConfirmation, api.PaymentIntentStatusRequiresCapture:
		return receipt, payment.ErrTimeout
	case api.PaymentIntentStatusCanceled:
		return receipt, payment.NewDeclined(shop.Cause{Code: shop.PaymentVoided})
	case api.PaymentIntentStatusRequiresAction, api.PaymentIntentStatusRequiresPaymentMethod:
	}
	return receipt, payment.NewDeclined(shop.Cause{Code: declineReason(intent.LastPaymentError)})
}

// declineReason is what a buyer is told; Stripe's own words may speak to a developer.
func declineReason(e *api.Error) shop.Reason {
	switch {
	case e != nil && e.DeclineCode == api.DeclineCodeInsufficientFunds:
		return shop.InsufficientFunds
	case e != nil && e.Code == api.ErrorCodeExpiredCard:
		return shop.CardExpired
	case e != nil && e.Code == api.ErrorCodeAuthenticationRequired:
		return shop.NotConfirmed
	}
	return shop.CardDeclined
}

// toPaymentError is what an error of Stripe means. What is not an answer of Stripe says nothing of what became of the call.
func toPaymentError(err error) error {
	var e *api.Error
	if !errors.As(err, &e) {
		return payment.ErrTimeout.Wrap(err)
	}
	// The error itself is not kept as a cause: it may name what the buyer pays with.
	cause := errors.New("stripe: " + string(e.Type) + " " + string(e.Code) + ", request " + e.RequestID)
	switch {
	case e.Type == api.ErrorTypeCard:
		return payment.NewDeclined(shop.Cause{Code: declineReason(e)})
	case e.Code == api.ErrorCodeChargeAlreadyRefunded, e.Code == api.ErrorCodeAmountTooLarge:
		return payment.ErrNothingLeft
	case e.Code == api.ErrorCodeResourceMissing && e.HTTPStatusCode == http.StatusNotFound:
		return payment.ErrNotFound
	case e.Code == api.ErrorCodeResourceMissing: // the payment method
		return payment.NewDeclined(shop.Cause{Code: shop.UnknownPaymentMethod})
	case e.HTTPStatusCode >= 500:
		return payment.ErrTimeout.Wrap(cause)
	}
	return payment.ErrProvider.Wrap(cause)
}

// isReusedKey says that a key was used before, with something else.
func isReusedKey(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Type == api.ErrorTypeIdempotency && e.HTTPStatusCode == http.StatusBadRequest
}

// orderID is whose order a PaymentIntent or a Refund is for; others on the same account are of other shops.
func orderID(metadata map[string]string) (shop.OrderID, bool) {
	id, err := uuid.Parse(metadata[orderKey])
	return shop.OrderID{UUID: id}, err == nil
}

// record is what a PaymentIntent took and did not wholly give back, if it is of this shop.
func record(intent *api.PaymentIntent) (t payment.Record, ours bool, err error) {
	id, mine := orderID(intent.Metadata)
	if !mine || intent.Status != api.PaymentIntentStatusSucceeded {
		return t, false, nil
	}
	var refunded int64
	if intent.LatestCharge != nil {
		refunded = intent.LatestCharge.AmountRefunded
	}
	currency := strings.ToUpper(string(intent.Currency))
	t = payment.Record{OrderID: id, Reference: intent.ID, Currency: currency, At: time.Unix(intent.Created, 0)}
	if t.Amount, err = fromMinor(intent.AmountReceived, currency); err != nil {
		return t, false, err
	}
	t.Refunded, err = fromMinor(refunded, currency)
	return t, refunded < intent.AmountReceived, err
}

// ParseWebhook implements payment.Provider: the signature covers the time and the very bytes, and is good for five minutes. What a
// message says is only a hint for a version of the API that is not ours.
func (p *Provider) ParseWebhook(body []byte, signature string) (n payment.WebhookEvent, err error) {
	if p.webhookKey == "" {
		return n, payment.ErrSignature
	}
	event, err := webhook.ConstructEventWithOptions(body, signature, p.webhookKey, webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
	if err != nil {
		return n, payment.ErrSignature.Wrap(err)
	}
	n = payment.WebhookEvent{ID: event.ID, Kind: string(event.Type)}
	switch {
	case event.Data == nil:
		return n, nil
	case strings.HasPrefix(n.Kind, "payment_intent."):
		return n, readIntent(event, &n)
	case strings.HasPrefix(n.Kind, "refund."), event.Type == api.EventTypeChargeRefundUpdated:
		return n, readRefund(event, &n)
	}
	return n, nil
}

func readIntent(event api.Event, n *payment.WebhookEvent) error {
	var intent api.PaymentIntent
	if err := json.Unmarshal(event.Data.Raw, &intent); err != nil {
		return fault.ErrMalformed.Wrap(err)
	}
	id, mine := orderID(intent.Metadata)
	if !mine {
		return nil
	}
	n.OrderID, n.Reference = id, intent.ID
	switch event.Type {
	case api.EventTypePaymentIntentSucceeded:
		n.State = payment.Approved
	case api.EventTypePaymentIntentPaymentFailed, api.EventTypePaymentIntentCanceled:
		n.State, n.Cause.Code = payment.Declined, declineReason(intent.LastPaymentError)
	default:
	}
	return nil
}

// readRefund hears that a refund failed. One that does not say by what it was asked for is left to the comparison of the books.
func readRefund(event api.Event, n *payment.WebhookEvent) error {
	var refund api.Refund
	if err := json.Unmarshal(event.Data.Raw, &refund); err != nil {
		return fault.ErrMalformed.Wrap(err)
	}
	id, mine := orderID(refund.Metadata)
	if !mine {
		return nil
	}
	n.OrderID = id
	asked, err := uuid.Parse(refund.Metadata[refundKey])
	if err == nil && isFailed(&refund) {
		n.RefundID, n.Failure = asked, failureMessage(&refund)
	}
	return nil
}

// isFailed says whether the money of a refund does not arrive. Until Stripe knows, it is on its way.
func isFailed(r *api.Refund) bool {
	return r.Status == api.RefundStatusFailed || r.Status == api.RefundStatusCanceled
}

// failureMessage is what an admin is told of a refund that failed: Stripe's reason is one of a list.
func failureMessage(r *api.Refund) string {
	text := payment.ErrRefused.Message
	if r.FailureReason != "" {
		text += " (" + strings.ReplaceAll(string(r.FailureReason), "_", " ") + ")"
	}
	return text
}
