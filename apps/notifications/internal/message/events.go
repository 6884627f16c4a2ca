package message

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// Subscribe hears what people are told of. Each event makes one message, however often it is delivered.
func (s *Service) Subscribe(h *event.Hub) {
	event.On(h, telling(welcome))
	event.On(h, telling(placed))
	event.On(h, telling(paid))
	event.On(h, telling(cancelled))
}

func telling[E shop.Event](write func(E) Message) func(context.Context, pgx.Tx, E) error {
	return func(ctx context.Context, tx pgx.Tx, e E) error { return tell(ctx, tx, write(e)) }
}
