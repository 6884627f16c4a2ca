package order

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Erase takes what is personal out of somebody's orders: where they went, what was said, the parcel's number, the
// payment token, the answers that are kept for repeated calls, and dead letters, in whose place the recovery sweep
// finds what is late. What was sold for how much stays, as the law asks, under an id that leads to nobody. An order
// that is still on its way keeps its address until it is at its end. Called again it changes nothing more.
func (s *Service) Erase(ctx context.Context, user shop.UserID) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := erase(ctx, tx, user); err != nil {
			return err
		}
		if err := eraseReasons(ctx, tx, user); err != nil {
			return err
		}
		if err := event.PurgeUser(ctx, tx, user); err != nil {
			return err
		}
		return idempotency.PurgeUser(ctx, tx, user)
	})
}

// Export is every order of somebody, whole, the newest first.
func (s *Service) Export(ctx context.Context, user shop.UserID) ([]Order, error) {
	orders := []Order{}
	before := maxID
	for {
		some, err := list(ctx, s.db, Filter{UserID: &user}, before, 100)
		if err != nil || len(some) == 0 {
			return orders, err
		}
		for _, o := range some {
			if o, err = load(ctx, s.db, o.ID); err != nil {
				return nil, err
			}
			orders = append(orders, o)
		}
		before = some[len(some)-1].ID
	}
}
