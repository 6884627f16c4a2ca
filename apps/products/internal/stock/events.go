package stock

import (
	"context"

	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Subscribe hears who wants to be forgotten.
func (s *Service) Subscribe(h *event.Hub) { event.On(h, s.onErased) }

// onErased forgets what somebody waits for, and the answers that are kept for calls of theirs.
func (s *Service) onErased(ctx context.Context, tx event.TX, e shop.UserErased) error {
	if err := deleteUserWaiters(ctx, tx, e.UserID); err != nil {
		return err
	}
	return idempotency.PurgeUser(ctx, tx, e.UserID)
}
