// Package stripe takes money through Stripe: PaymentIntents that are made and confirmed in one call, refunds, and signed
// webhooks. A card never comes here: the token is a payment method that Stripe made of it in the buyer's browser.
package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	api "github.com/stripe/stripe-go/v83"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

// Provider implements payment.Provider.
type Provider struct {
	client     *api.Client
	webhookKey string
}

// orderKey is where a PaymentIntent and a Refund say whose they are, refundKey where a Refund says by what it was asked for.
const (
	orderKey  = "order_id"
	refundKey = "refund_id"
)

// timeout bounds one call of Stripe, its repetitions included; without an answer the charge is asked for later.
const timeout = 20 * time.Second

// New calls Stripe with an API key, at another address than Stripe's own only in tests, and checks webhooks with their
// signing key.
func New(apiKey, webhookKey, address string) *Provider {
	cfg := &api.BackendConfig{
		HTTPClient: &http.Client{Timeout: timeout}, MaxNetworkRetries: api.Int64(2), EnableTelemetry: api.Bool(false),
		LeveledLogger: &api.LeveledLogger{Level: api.LevelNull}, // what it would log has payment methods in it
	}
	if address != "" {
		cfg.URL = api.String(address)
	}
	return &Provider{api.NewClient(apiKey, api.WithBackends(api.NewBackendsWithConfig(cfg))), webhookKey}
}

// Name implements payment.Provider.
func (p *Provider) Name() string { return "stripe" }

// Charge implements payment.Provider. Stripe answers a repeated idempotency key as it did the first time.
func (p *Provider) Charge(ctx context.Context, c payment.Charge) (payment.Receipt, error) {
	if c.Token == "" {
		return payment.Receipt{}, payment.NewDeclined(shop.Cause{Words: "no payment method was given"})
	}
	amount, err := toMinor(c.Amount, c.Currency)
	if err != nil {
		return payment.Receipt{}, payment.NewDeclined(shop.Cause{Words: err.Error()})
	}
	params := &api.PaymentIntentCreateParams{
		Amount: api.Int64(amount), Currency: api.String(strings.ToLower(c.Currency)), PaymentMethod: api.String(c.Token),
		Confirm: api.Bool(true), ErrorOnRequiresAction: api.Bool(true),
		AutomaticPaymentMethods: &api.PaymentIntentCreateAutomaticPaymentMethodsParams{Enabled: api.Bool(true), AllowRedirects: api.String("never")},
		Metadata:                map[string]string{orderKey: c.OrderID.String()},
	}
	params.SetIdempotencyKey("charge-" + c.OrderID.String())
	intent, err := p.client.V1PaymentIntents.Create(ctx, params)
	if err != nil {
		return payment.Receipt{}, toPaymentError(err)
	}
	return receipt(intent)
}

// Find implements payment.Provider. Where the reference never came back, it searches; Stripe's search is some seconds
// behind, and ErrUnknown then leads to a charge under the same idempotency key, which answers the first.
func (p *Provider) Find(ctx context.Context, key shop.OrderID, reference string) (payment.Receipt, error) {
	intent, err := p.intent(ctx, key, reference)
	if err != nil {
		return payment.Receipt{}, err
	}
	return receipt(intent)
}

func (p *Provider) intent(ctx context.Context, key shop.OrderID, reference string) (*api.PaymentIntent, error) {
	if reference != "" {
		intent, err := p.client.V1PaymentIntents.Retrieve(ctx, reference, nil)
		if err != nil {
			return nil, toPaymentError(err)
		}
		return intent, nil
	}
	params := &api.PaymentIntentSearchParams{}
	params.Query = fmt.Sprintf("metadata['%s']:'%s'", orderKey, key)
	for intent, err := range p.client.V1PaymentIntents.Search(ctx, params) {
		if err != nil {
			return nil, toPaymentError(err)
		}
		if intent.Metadata[orderKey] == key.String() {
			return intent, nil
		}
	}
	return nil, payment.ErrNotFound
}

// Refund implements payment.Provider.
func (p *Provider) Refund(ctx context.Context, r payment.Refund, reference string) error {
	amount, err := toMinor(r.Amount, r.Currency)
	if err != nil {
		return payment.ErrRefused.WithMessage(err.Error())
	}
	intent, err := p.intent(ctx, r.OrderID, reference)
	if err != nil {
		return err
	}
	return p.refund(ctx, intent.ID, "refund-"+r.ID.String(), &api.RefundCreateParams{
		Amount: api.Int64(amount), Metadata: map[string]string{orderKey: r.OrderID.String(), refundKey: r.ID.String()},
	})
}

// refund gives back an amount, or the rest where there is none. What Stripe has taken on may fail days later, and is then told.
func (p *Provider) refund(ctx context.Context, reference, key string, params *api.RefundCreateParams) error {
	params.PaymentIntent = api.String(reference)
	params.SetIdempotencyKey(key)
	made, err := p.client.V1Refunds.Create(ctx, params)
	if isReusedKey(err) { // asked for by a replica that is older than the metadata: what became of that?
		params.Metadata = nil
		made, err = p.client.V1Refunds.Create(ctx, params)
	}
	if err == nil {
		if isFailed(made) {
			return payment.ErrRefused.WithMessage(failureMessage(made))
		}
		return nil
	}
	meant, e := toPaymentError(err), (*api.Error)(nil)
	if errors.As(err, &e) && e.HTTPStatusCode == http.StatusBadRequest && errors.Is(meant, payment.ErrProvider) {
		return payment.ErrRefused.Wrap(meant) // a dispute, say: asked again it would say the same
	}
	return meant
}

// Void implements payment.Provider.
func (p *Provider) Void(ctx context.Context, key shop.OrderID, reference string, refund uuid.UUID) error {
	intent, err := p.intent(ctx, key, reference)
	if errors.Is(err, payment.ErrNotFound) {
		return nil // and the row of the payment keeps it from being made
	}
	if err != nil {
		return err
	}
	switch intent.Status {
	case api.PaymentIntentStatusCanceled:
		return nil
	case api.PaymentIntentStatusSucceeded:
		params, once := &api.RefundCreateParams{Metadata: map[string]string{orderKey: key.String()}}, key.UUID
		if refund != uuid.Nil {
			params.AddMetadata(refundKey, refund.String())
			once = refund // another after each retry: Stripe answers a key for a day as it did first, an error as well
		}
		err := p.refund(ctx, intent.ID, "call-off-"+once.String(), params)
		if errors.Is(err, payment.ErrNothingLeft) {
			return nil
		}
		return err
	case api.PaymentIntentStatusProcessing:
		return payment.ErrTimeout // it can be neither ended nor given back yet: again later
	default:
		if _, err := p.client.V1PaymentIntents.Cancel(ctx, intent.ID, nil); err != nil {
			return toPaymentError(err)
		}
		return nil
	}
}

// ListCharges implements payment.Provider. Stripe counts in whole seconds.
func (p *Provider) ListCharges(ctx context.Context, since, until time.Time, fn func(payment.Record) error) error {
	params := &api.PaymentIntentListParams{CreatedRange: &api.RangeQueryParams{GreaterThanOrEqual: since.Unix(), LesserThan: until.Unix() + 1}}
	params.AddExpand("data.latest_charge")
	for intent, err := range p.client.V1PaymentIntents.List(ctx, params) {
		if err != nil {
			return toPaymentError(err)
		}
		t, ours, err := record(intent)
		if err != nil {
			return err
		}
		if !ours {
			continue
		}
		if err := fn(t); err != nil {
			return err
		}
	}
	return nil
}
