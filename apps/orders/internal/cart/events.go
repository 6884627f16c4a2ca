package cart

import (
	"context"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// Subscribe hears who wants to be forgotten.
func (s *Service) Subscribe(h *event.Hub) { event.OnIdempotentRecorded(h, s.onErased) }

// onErased takes what is personal out of somebody's orders, and forgets their cart. It may be done again.
func (s *Service) onErased(ctx context.Context, e shop.UserErased) error {
	if err := s.orders.Erase(ctx, e.UserID); err != nil {
		return err
	}
	return s.Empty(ctx, e.UserID)
}

// Export is what this service holds of somebody.
type Export struct {
	Orders []order.Order `json:"orders"`
	Cart   []StoredItem  `json:"cart"`
}

// Export is everything of somebody's, for the copy of their data that they may ask for.
func (s *Service) Export(ctx context.Context, user shop.UserID) (e Export, err error) {
	if e.Orders, err = s.orders.Export(ctx, user); err != nil {
		return e, err
	}
	kept, _, err := s.store.Load(ctx, user)
	e.Cart = kept.Items
	if e.Cart == nil {
		e.Cart = []StoredItem{}
	}
	return e, err
}
