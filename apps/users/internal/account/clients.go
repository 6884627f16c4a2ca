package account

import (
	"context"
	"encoding/json"

	"sidecart/kit/shop"
)

// ExportsWith asks every service that holds something of people, through the sidecar.
func ExportsWith(ask func(ctx context.Context, app, route string, in, out any) error) map[string]Export {
	return map[string]Export{
		"orders": func(ctx context.Context, user shop.UserID) (held json.RawMessage, err error) {
			err = ask(ctx, "orders", "GET /export/"+user.String(), nil, &held)
			return held, err
		},
		"products": func(ctx context.Context, user shop.UserID) (held json.RawMessage, err error) {
			err = ask(ctx, "products", "GET /export/"+user.String(), nil, &held)
			return held, err
		},
		"notifications": func(ctx context.Context, user shop.UserID) (held json.RawMessage, err error) {
			err = ask(ctx, "notifications", "GET /export/"+user.String(), nil, &held)
			return held, err
		},
	}
}
