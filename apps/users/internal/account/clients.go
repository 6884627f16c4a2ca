package account

import (
	"context"
	"encoding/json"

	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// exportEndpoints are the routes of every service that holds personal data.
var exportEndpoints = []sidecar.Endpoint{
	{App: "orders", Method: "GET", Path: "/export/{user}"},
	{App: "products", Method: "GET", Path: "/export/{user}"},
	{App: "notifications", Method: "GET", Path: "/export/{user}"},
}

// NewExports invokes every service that holds personal data, through the sidecar.
func NewExports(invoke sidecar.Invoke) map[string]Export {
	all := map[string]Export{}
	for _, export := range exportEndpoints {
		all[export.App] = func(ctx context.Context, user shop.UserID) (held json.RawMessage, err error) {
			err = invoke(ctx, export.With(user.String()), nil, &held)
			return held, err
		}
	}
	return all
}
