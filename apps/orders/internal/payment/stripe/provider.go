// Package stripe is the payment provider Stripe: PaymentIntents that are created and confirmed in one request, refunds,
// and signed webhooks. Cards stay in the buyer's browser: the token is a payment method that Stripe made of one there.
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
	client      *api.Client
	webhookKeys []string
}

// orderKey and refundKey are the metadata with the order's id and the refund's ProviderRefundID.
const (
	orderKey  = "order_id"
	refundKey = "refund_id"
)

// timeout is that of one call of Stripe with its retries.
const timeout = 20 * time.Second

// New makes a provider that calls Stripe with apiKey and verifies webhooks with webhookKeys: two, while one is rolled.
// address is empty outside tests.
func New(apiKey string, webhookKeys []string, address string) *Provider {
	cfg := &api.BackendConfig{
		HTTPClient: &http.Client{Timeout: timeout}, MaxNetworkRetries: api.Int64(2), EnableTelemetry: api.Bool(false),
		LeveledLogger: &api.LeveledLogger{Level: api.LevelNull}, // it logs payment methods
	}
	if address != "" {
		cfg.URL = api.String(address)
	}
	return &Provider{api.NewClient(apiKey, api.WithBackends(api.NewBackendsWithConfig(cfg))), webhookKeys}
}

// Name implements payment.Provider.
func (p *Provider) Name() string { return "stripe" }

// Charge implements payment.Provider. Stripe repeats its first response to an idempotency key.
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
		AutomaticPaymentMethods: &api.PaymentIntentCreateAutomaticPaymentMethodsParams{
			Enabled: api.Bool(true), AllowRedirects: api.String("never"),
		},
		Metadata: map[string]string{orderKey: c.OrderID.String()},
	}
	params.SetIdempotencyKey("charge-" + c.OrderID.String())
	intent, err := p.client.V1PaymentIntents.Create(ctx, params)
	if err != nil {
		return payment.Receipt{}, toChargeError(ctx, err)
	}
	return receipt(intent)
}

// Find implements payment.Provider. Without a reference it searches. Stripe's search index lags some seconds;
// ErrNotFound then leads to a charge with the same idempotency key, which returns the first one.
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

// refund refunds an amount, or the rest if params has none. A refund that Stripe accepted may fail days later; a
// webhook reports that.
func (p *Provider) refund(ctx context.Context, reference, key string, params *api.RefundCreateParams) error {
	params.PaymentIntent = api.String(reference)
	params.SetIdempotencyKey(key)
	created, err := p.client.V1Refunds.Create(ctx, params)
	if err == nil {
		if isFailed(created) {
			return payment.ErrRefused.WithMessage(failureMessage(created))
		}
		return nil
	}
	translated, e := toPaymentError(err), (*api.Error)(nil)
	if errors.As(err, &e) && e.HTTPStatusCode == http.StatusBadRequest && errors.Is(translated, payment.ErrProvider) {
		return payment.ErrRefused.Wrap(translated) // permanent, such as a dispute
	}
	return translated
}

// Void implements payment.Provider.
func (p *Provider) Void(ctx context.Context, key shop.OrderID, reference string, refund uuid.UUID) error {
	intent, err := p.intent(ctx, key, reference)
	if errors.Is(err, payment.ErrNotFound) {
		return nil // the shop's own row prevents a later charge
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
			once = refund // another one for each retry: Stripe repeats its response to a key for a day, also an error
		}
		err := p.refund(ctx, intent.ID, "void-"+once.String(), params)
		if errors.Is(err, payment.ErrNothingLeft) {
			return nil
		}
		return err
	case api.PaymentIntentStatusProcessing:
		return payment.ErrTimeout // it can be neither cancelled nor refunded yet
	default:
		if _, err := p.client.V1PaymentIntents.Cancel(ctx, intent.ID, nil); err != nil {
			return toPaymentError(err)
		}
		return nil
	}
}

// ListCharges implements payment.Provider. Stripe's times are whole seconds.
func (p *Provider) ListCharges(ctx context.Context, since, until time.Time, fn func(payment.Record) error) error {
	created := &api.RangeQueryParams{GreaterThanOrEqual: since.Unix(), LesserThan: until.Unix() + 1}
	params := &api.PaymentIntentListParams{CreatedRange: created}
	params.AddExpand("data.latest_charge")
	for intent, err := range p.client.V1PaymentIntents.List(ctx, params) {
		if err != nil {
			return toPaymentError(err)
		}
		r, relevant, err := record(intent)
		if err != nil {
			return err
		}
		if !relevant {
			continue
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}
