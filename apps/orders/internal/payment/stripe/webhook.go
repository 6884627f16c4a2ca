package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
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

// receipt is the result of a charge by its PaymentIntent. An intent that requires an action of the buyer is declined.
func receipt(intent *api.PaymentIntent) (payment.Receipt, error) {
	r := payment.Receipt{Reference: intent.ID}
	switch intent.Status {
	case api.PaymentIntentStatusSucceeded:
		return r, nil
	case api.PaymentIntentStatusProcessing, api.PaymentIntentStatusRequiresConfirmation,
		api.PaymentIntentStatusRequiresCapture:
		return r, payment.ErrTimeout
	case api.PaymentIntentStatusCanceled:
		return r, payment.NewDeclined(shop.Cause{Code: shop.PaymentVoided})
	case api.PaymentIntentStatusRequiresAction, api.PaymentIntentStatusRequiresPaymentMethod:
	}
	return r, payment.NewDeclined(shop.Cause{Code: declineReason(intent.LastPaymentError)})
}

// declineReason is the reason for the buyer; Stripe's own message may be for developers.
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

// toPaymentError translates an error. Without a response of Stripe the result of the call is unknown.
func toPaymentError(err error) error {
	var e *api.Error
	if !errors.As(err, &e) {
		return payment.ErrTimeout.Wrap(err)
	}
	// Not wrapped: the error may contain the payment method.
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

// toChargeError is toPaymentError of a charge. A request that Stripe refuses as invalid is declined: its amount is
// below or above Stripe's limits, or its payment method cannot be used, and no retry changes that.
func toChargeError(ctx context.Context, err error) error {
	translated, e := toPaymentError(err), (*api.Error)(nil)
	if errors.Is(translated, payment.ErrDeclined) || !errors.As(err, &e) ||
		e.Type != api.ErrorTypeInvalidRequest || e.HTTPStatusCode != http.StatusBadRequest {
		return translated
	}
	slog.WarnContext(ctx, "charge refused", "code", string(e.Code), "request", e.RequestID)
	return payment.NewDeclined(shop.Cause{Code: shop.PaymentDeclined})
}

// orderID is the order in the metadata of a PaymentIntent or Refund; others on the account are of other shops.
func orderID(metadata map[string]string) (shop.OrderID, bool) {
	id, err := uuid.Parse(metadata[orderKey])
	return shop.OrderID{UUID: id}, err == nil
}

// record is the Record of a PaymentIntent. relevant is false if it is of another shop, not charged, or fully refunded.
func record(intent *api.PaymentIntent) (r payment.Record, relevant bool, err error) {
	id, ok := orderID(intent.Metadata)
	if !ok || intent.Status != api.PaymentIntentStatusSucceeded {
		return r, false, nil
	}
	var refunded int64
	if intent.LatestCharge != nil {
		refunded = intent.LatestCharge.AmountRefunded
	}
	currency := strings.ToUpper(string(intent.Currency))
	r = payment.Record{OrderID: id, Reference: intent.ID, Currency: currency, At: time.Unix(intent.Created, 0)}
	if r.Amount, err = fromMinor(intent.AmountReceived, currency); err != nil {
		return r, false, err
	}
	r.Refunded, err = fromMinor(refunded, currency)
	return r, refunded < intent.AmountReceived, err
}

// ParseWebhook implements payment.Provider. The signature covers the time and the exact bytes, and is valid for five
// minutes. Other versions of the API are accepted.
func (p *Provider) ParseWebhook(body []byte, signature string) (e payment.WebhookEvent, err error) {
	if err := p.verify(body, signature); err != nil {
		return e, err
	}
	var event api.Event
	if err := json.Unmarshal(body, &event); err != nil {
		return e, fault.ErrMalformed.Wrap(err)
	}
	e = payment.WebhookEvent{ID: event.ID, Kind: string(event.Type)}
	switch {
	case event.Data == nil:
		return e, nil
	case strings.HasPrefix(e.Kind, "payment_intent."):
		return e, readIntent(event, &e)
	case strings.HasPrefix(e.Kind, "refund."), event.Type == api.EventTypeChargeRefundUpdated:
		return e, readRefund(event, &e)
	}
	return e, nil
}

// verify checks that one of the signatures of a message is of one of the keys. It fails with payment.ErrSignature.
func (p *Provider) verify(body []byte, signature string) error {
	err := error(payment.ErrSignature)
	for _, key := range p.webhookKeys {
		failed := webhook.ValidatePayload(body, signature, key)
		if failed == nil {
			return nil
		}
		err = payment.ErrSignature.Wrap(failed)
	}
	return err
}

func readIntent(event api.Event, e *payment.WebhookEvent) error {
	var intent api.PaymentIntent
	if err := json.Unmarshal(event.Data.Raw, &intent); err != nil {
		return fault.ErrMalformed.Wrap(err)
	}
	id, ok := orderID(intent.Metadata)
	if !ok {
		return nil
	}
	e.OrderID, e.Reference = id, intent.ID
	switch event.Type {
	case api.EventTypePaymentIntentSucceeded:
		e.State = payment.Approved
	case api.EventTypePaymentIntentPaymentFailed, api.EventTypePaymentIntentCanceled:
		e.State, e.Cause.Code = payment.Declined, declineReason(intent.LastPaymentError)
	default:
	}
	return nil
}

// readRefund reads a refund that failed. One without a refund id is left to the reconciliation.
func readRefund(event api.Event, e *payment.WebhookEvent) error {
	var refund api.Refund
	if err := json.Unmarshal(event.Data.Raw, &refund); err != nil {
		return fault.ErrMalformed.Wrap(err)
	}
	id, ok := orderID(refund.Metadata)
	if !ok {
		return nil
	}
	e.OrderID = id
	refundID, err := uuid.Parse(refund.Metadata[refundKey])
	if err == nil && isFailed(&refund) {
		e.RefundID, e.Failure = refundID, failureMessage(&refund)
	}
	return nil
}

// isFailed reports whether a refund failed; a pending one has not.
func isFailed(r *api.Refund) bool {
	return r.Status == api.RefundStatusFailed || r.Status == api.RefundStatusCanceled
}

// failureMessage is the message for an admin; Stripe's reason is one of a list.
func failureMessage(r *api.Refund) string {
	text := payment.ErrRefused.Message
	if r.FailureReason != "" {
		text += " (" + strings.ReplaceAll(string(r.FailureReason), "_", " ") + ")"
	}
	return text
}
