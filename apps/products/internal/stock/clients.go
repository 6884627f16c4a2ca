package stock

import (
	"context"

	"sidecart/kit/event"
)

// Ask calls another service (sidecar.Ask).
type Ask func(ctx context.Context, app, route string, in, out any) error

// SentByUsers asks the users service, through the sidecar, what it sent.
func SentByUsers(ask Ask) event.Sent {
	return func(ctx context.Context, in, out any) error { return ask(ctx, "users", "POST /events/sent", in, out) }
}
