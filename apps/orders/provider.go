package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
		text, err := dapr.Secret(ctx, "payment-webhook-key")
		if err != nil {
			return nil, err
		}
		keys, err := splitKeys(text)
		return simulated.New(db, keys...), err
	case "stripe":
		apiKey, err := dapr.Secret(ctx, "stripe-api-key")
		if err != nil {
			return nil, err
		}
		text, err := dapr.Secret(ctx, "stripe-webhook-key")
		if err != nil {
			return nil, err
		}
		keys, err := splitKeys(text)
		return stripe.New(apiKey, keys, ""), err
	}
	return nil, fmt.Errorf("PAYMENT_PROVIDER=%q: must be simulated or stripe", name)
}

// splitKeys returns the keys of a secret, which is one key for webhooks or, while that is rolled, two, separated by a
// comma. It fails for an empty key, with which anyone could sign.
func splitKeys(secret string) (keys []string, err error) {
	for key := range strings.SplitSeq(secret, ",") {
		if key = strings.TrimSpace(key); key == "" {
			return nil, errors.New("the secret with the keys for webhooks must be one key, or two separated by a comma")
		}
		keys = append(keys, key)
	}
	return keys, nil
}
