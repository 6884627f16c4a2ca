package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/payment/simulated"
	"sidecart/apps/orders/internal/payment/stripe"
	"sidecart/kit/sidecar"
)

// newProvider makes the payment provider of PAYMENT_PROVIDER. It reads only that provider's secrets.
func newProvider(ctx context.Context, name string, db *pgxpool.Pool, dapr *sidecar.Sidecar) (payment.Provider, error) {
	switch name {
	case "simulated":
		key, err := dapr.Secret(ctx, "payment-webhook-key")
		return simulated.New(db, key), err
	case "stripe":
		apiKey, err := dapr.Secret(ctx, "stripe-api-key")
		if err != nil {
			return nil, err
		}
		webhookKey, err := dapr.Secret(ctx, "stripe-webhook-key")
		return stripe.New(apiKey, webhookKey, ""), err
	}
	return nil, fmt.Errorf("PAYMENT_PROVIDER=%q: must be simulated or stripe", name)
}
