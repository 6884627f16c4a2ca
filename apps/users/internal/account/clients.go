package account

import (
	"context"
	"encoding/json"

	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// exportEndpoints are those of all services with personal data.
var exportEndpoints = []sidecar.Endpoint{
	{App: "orders", Method: "GET", Path: "/export/{user}"},
	{App: "products", Method: "GET", Path: "/export/{user}"},
	{App: "notifications", Method: "GET", Path: "/export/{user}"},
}

// NewExports returns the exports of all services with personal data, by their names.
func NewExports(invoke sidecar.Invoke) map[string]Export {
	exports := map[string]Export{}
	for _, endpoint := range exportEndpoints {
		exports[endpoint.App] = func(ctx context.Context, user shop.UserID) (data json.RawMessage, err error) {
			err = invoke(ctx, endpoint.With(user.String()), nil, &data)
			return data, err
		}
	}
	return exports
}
