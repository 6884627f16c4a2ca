package stock

import (
	"context"

	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Subscribe consumes users.erased.
func (s *Service) Subscribe(h *event.Hub) { event.On(h, s.onErased) }

// onErased deletes a user's notification requests and stored idempotent responses.
func (s *Service) onErased(ctx context.Context, tx event.TX, e shop.UserErased) error {
	if err := deleteUserWaiters(ctx, tx, e.UserID); err != nil {
		return err
	}
	return idempotency.PurgeUser(ctx, tx, e.UserID)
}
