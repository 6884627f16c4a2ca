package cart

import (
	"context"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// Subscribe consumes the erasure of users.
func (s *Service) Subscribe(h *event.Hub) { event.OnIdempotentRecorded(h, s.onErased) }

// onErased erases the personal data in a user's orders and empties the cart. It is idempotent.
func (s *Service) onErased(ctx context.Context, e shop.UserErased) error {
	if err := s.orders.Erase(ctx, e.UserID); err != nil {
		return err
	}
	return s.Empty(ctx, e.UserID)
}

// Export is the data of a user that this service holds.
type Export struct {
	Orders []order.Order `json:"orders"`
	Cart   []StoredItem  `json:"cart"`
}

// Export returns all orders of a user and the cart.
func (s *Service) Export(ctx context.Context, user shop.UserID) (e Export, err error) {
	if e.Orders, err = s.orders.Export(ctx, user); err != nil {
		return e, err
	}
	c, _, err := s.store.Load(ctx, user)
	if e.Cart = c.Items; e.Cart == nil {
		e.Cart = []StoredItem{}
	}
	return e, err
}
