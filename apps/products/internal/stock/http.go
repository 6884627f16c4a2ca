package stock

import (
	"context"
	"net/http"

	"sidecart/kit/crash"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of stock. Reservations are internal: only the orders service may call them.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /products/{id}/inventory", shop.ManageStock, s.handleLevel, web.NoStore,
		web.Fails(ErrNotFound),
		web.Doc("getInventory", "stock", "Get the stock level of a product"))
	web.Handle(app, "POST /products/{id}/inventory/adjustments", shop.ManageStock, s.handleAdjust, web.Created,
		web.NoStore, web.Fails(ErrNotFound, ErrReserved),
		web.Doc("adjustInventory", "stock", "Adjust the stock of a product"),
		web.Describe("Adds or removes stock, with a reason."))
	web.Handle(app, "GET /products/{id}/inventory/movements", shop.ManageStock, s.handleMovements, web.NoStore,
		web.Fails(ErrNotFound),
		web.Doc("listInventoryMovements", "stock", "List the stock movements of a product"),
		web.Describe("Newest first."))
	web.Handle(app, "PUT /products/{id}/low-stock-threshold", shop.ManageStock, s.handleThreshold,
		web.Fails(ErrNotFound),
		web.Doc("setLowStockThreshold", "stock", "Set the low-stock threshold of a product"))
	web.Handle(app, "GET /inventory/alerts", shop.ManageStock, s.handleAlerts, web.NoStore,
		web.Doc("listStockAlerts", "stock", "List stock alerts"),
		web.Describe("Products that are low, out of stock or just restocked."))
	web.Handle(app, "POST /products/{id}/notify-me", shop.SignedIn, s.handleNotifyMe, web.NoStore,
		web.Status(http.StatusAccepted), web.Fails(ErrNotFound, ErrInStock),
		web.Doc("notifyWhenInStock", "stock", "Request a back-in-stock notification"),
		web.Describe("One notification when the product is back in stock."))
	web.Handle(app, "GET /export/{user_id}", shop.Anyone, s.handleExport, web.Internal, web.NoStore)
	web.Handle(app, "PUT /reservations/{order_id}", shop.Anyone, s.handleReserve, web.Internal,
		web.Fails(ErrOutOfStock, ErrUnknownProduct, ErrMixedCurrencies, ErrReleased))
	web.Handle(app, "POST /reservations/{order_id}/commit", shop.Anyone, s.handleCommit, web.Internal,
		web.Fails(ErrReleased))
	web.Handle(app, "PUT /reservations/{order_id}/returned", shop.Anyone, s.handleRestock, web.Internal,
		web.Fails(ErrReleased))
	web.Handle(app, "DELETE /reservations/{order_id}", shop.Anyone, s.handleRelease, web.Internal)
	web.Handle(app, "DELETE /reservations/{order_id}/held", shop.Anyone, s.handleReleaseHeld, web.Internal)
}

type productInput struct {
	ID int64 `path:"id" validate:"min=1" example:"1"`
}

func (s *Service) handleLevel(ctx context.Context, _ shop.Caller, in productInput) (StockLevel, error) {
	return s.Level(ctx, in.ID)
}

type adjustInput struct {
	ID int64 `path:"id" validate:"min=1" example:"1"`
	StockAdjustment
}

func (s *Service) handleAdjust(ctx context.Context, caller shop.Caller, in adjustInput) (StockAdjustmentResult, error) {
	return s.Adjust(ctx, caller.ID, in.ID, in.StockAdjustment)
}

type movementsInput struct {
	ID int64 `path:"id" validate:"min=1" example:"1"`
	web.PageQuery
}

func (s *Service) handleMovements(ctx context.Context, _ shop.Caller, in movementsInput) (web.Page[StockMovement], error) {
	return s.Movements(ctx, in.ID, in.PageQuery)
}

// lowStockThreshold is the available quantity from which on a product is low.
type lowStockThreshold struct {
	ID        int64 `path:"id" validate:"min=1" example:"1"`
	Threshold *int  `json:"low_stock_threshold" validate:"required,min=0,max=1000000000" example:"5"`
}

func (s *Service) handleThreshold(ctx context.Context, _ shop.Caller, in lowStockThreshold) (StockLevel, error) {
	return s.SetThreshold(ctx, in.ID, *in.Threshold)
}

type alertsInput struct {
	Kind string `query:"kind" validate:"omitempty,oneof=low out back"`
	web.PageQuery
}

func (s *Service) handleAlerts(ctx context.Context, _ shop.Caller, in alertsInput) (web.Page[StockAlert], error) {
	return s.Alerts(ctx, AlertKind(in.Kind), in.PageQuery)
}

func (s *Service) handleNotifyMe(ctx context.Context, caller shop.Caller, in productInput) (web.None, error) {
	return web.None{}, s.NotifyWhenInStock(ctx, caller.ID, in.ID)
}

type userInput struct {
	UserID shop.UserID `path:"user_id" validate:"required"`
}

// export is the personal data of a user in this service.
type export struct {
	NotifyMe []NotifyRequest `json:"notify_me"`
}

func (s *Service) handleExport(ctx context.Context, _ shop.Caller, in userInput) (export, error) {
	requests, err := s.NotifyRequests(ctx, in.UserID)
	return export{requests}, err
}

type reserveInput struct {
	OrderID shop.OrderID `path:"order_id" validate:"required"`
	Items   []Item       `json:"items" validate:"required,min=1,max=100,unique=ProductID,dive"`
}

func (s *Service) handleReserve(ctx context.Context, _ shop.Caller, in reserveInput) (Reservation, error) {
	r, err := s.Reserve(ctx, in.OrderID, in.Items)
	crash.At("stock: reserved")
	return r, err
}

type orderInput struct {
	OrderID shop.OrderID `path:"order_id" validate:"required"`
}

func (s *Service) handleCommit(ctx context.Context, _ shop.Caller, in orderInput) (web.None, error) {
	err := s.Commit(ctx, in.OrderID)
	crash.At("stock: committed")
	return web.None{}, err
}

func (s *Service) handleRelease(ctx context.Context, _ shop.Caller, in orderInput) (web.None, error) {
	err := s.Release(ctx, in.OrderID)
	crash.At("stock: released")
	return web.None{}, err
}

func (s *Service) handleReleaseHeld(ctx context.Context, _ shop.Caller, in orderInput) (web.None, error) {
	return web.None{}, s.ReleaseHeld(ctx, in.OrderID)
}

func (s *Service) handleRestock(ctx context.Context, _ shop.Caller, in reserveInput) (web.None, error) {
	err := s.Restock(ctx, in.OrderID, in.Items)
	crash.At("stock: restocked")
	return web.None{}, err
}
