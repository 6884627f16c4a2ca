package notice

import (
	"context"

	"sidecart/kit/event"
)

// Ask calls another service (sidecar.Ask).
type Ask func(ctx context.Context, app, route string, in, out any) error

// SentBy asks those whose events are heard here, through the sidecar, what they sent.
func SentBy(ask Ask) map[string]event.Sent {
	return map[string]event.Sent{
		"users": func(ctx context.Context, in, out any) error { return ask(ctx, "users", "POST /events/sent", in, out) },
		"products": func(ctx context.Context, in, out any) error {
			return ask(ctx, "products", "POST /events/sent", in, out)
		},
		"orders": func(ctx context.Context, in, out any) error { return ask(ctx, "orders", "POST /events/sent", in, out) },
	}
}
