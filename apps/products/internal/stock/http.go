package stock

import (
	"context"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the stock's routes. Reservations are for the orders service alone: they are not public.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /products/{id}/inventory", shop.ManageStock, s.handleLevel, web.NoStore, web.Fails(ErrNotFound), web.Doc("See how much there is of a product"))
	web.Handle(app, "PUT /reservations/{order_id}", shop.Anyone, s.handleReserve, web.Internal, web.Fails(ErrOutOfStock, ErrUnknown, ErrReleased))
	web.Handle(app, "POST /reservations/{order_id}/commit", shop.Anyone, s.handleCommit, web.Internal, web.Fails(ErrReleased))
	web.Handle(app, "DELETE /reservations/{order_id}", shop.Anyone, s.handleRelease, web.Internal)
	web.Handle(app, "POST /job/"+expiryJob, shop.Anyone, s.handleExpiry, web.Internal)
}

type levelInput struct {
	ID int64 `path:"id" validate:"min=1"`
}

func (s *Service) handleLevel(ctx context.Context, _ shop.Caller, in levelInput) (Level, error) {
	return s.Level(ctx, in.ID)
}

type reserveInput struct {
	OrderID shop.OrderID `path:"order_id" validate:"required"`
	Items   []Wanted     `json:"items" validate:"required,min=1,max=100,unique=ProductID,dive"`
}

func (s *Service) handleReserve(ctx context.Context, _ shop.Caller, in reserveInput) (Reservation, error) {
	return s.Reserve(ctx, in.OrderID, in.Items)
}

type orderInput struct {
	OrderID shop.OrderID `path:"order_id" validate:"required"`
}

func (s *Service) handleCommit(ctx context.Context, _ shop.Caller, in orderInput) (web.None, error) {
	return web.None{}, s.Commit(ctx, in.OrderID)
}

func (s *Service) handleRelease(ctx context.Context, _ shop.Caller, in orderInput) (web.None, error) {
	return web.None{}, s.Release(ctx, in.OrderID)
}

func (s *Service) handleExpiry(ctx context.Context, _ shop.Caller, _ web.None) (web.None, error) {
	_, err := s.ReleaseExpired(ctx)
	return web.None{}, err
}
