package account

import (
	"context"
	"encoding/json"

	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// exports are the routes of every service that holds personal data.
var exports = []sidecar.Endpoint{
	{App: "orders", Method: "GET", Path: "/export/{user}"},
	{App: "products", Method: "GET", Path: "/export/{user}"},
	{App: "notifications", Method: "GET", Path: "/export/{user}"},
}

// ExportsWith invokes every service that holds personal data, through the sidecar.
func ExportsWith(invoke sidecar.Invoke) map[string]Export {
	all := map[string]Export{}
	for _, export := range exports {
		all[export.App] = func(ctx context.Context, user shop.UserID) (held json.RawMessage, err error) {
			err = invoke(ctx, export.With(user.String()), nil, &held)
			return held, err
		}
	}
	return all
}
