package order

import (
	"context"

	"github.com/google/uuid"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of orders.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /orders", shop.SignedIn, s.handlePlace, web.Created, web.NoStore,
		web.Fails(ErrOutOfStock, ErrUnknownProduct, ErrMixedCurrencies),
		web.Doc("placeOrder", "orders", "Place an order"),
		web.Describe("Reserves the stock and starts the payment. The order begins as pending and changes in the "+
			"background."))
	web.Handle(app, "GET /orders", shop.SignedIn, s.handleList, web.NoStore, web.Fails(ErrForbidden),
		web.Doc("listOrders", "orders", "List orders"),
		web.Describe("Newest first. An admin lists the orders of all users."))
	web.Handle(app, "GET /orders/{id}", shop.SignedIn, s.handleGet, web.NoStore, web.Fails(ErrNotFound),
		web.Doc("getOrder", "orders", "Get an order"), web.Describe("With its history. Version 2 shows exact amounts."))
	web.Handle(app, "GET /v2/orders/{id}", shop.SignedIn, s.handleGetV2, web.NoStore, web.Fails(ErrNotFound),
		web.Doc("getOrderV2", "orders", "Get an order with exact amounts"),
		web.Describe("Amounts are decimal strings."))
	web.Handle(app, "POST /orders/{id}/cancel", shop.SignedIn, s.handleCancel, web.NoStore, web.OptionalBody,
		web.Fails(ErrNotFound, ErrTransition),
		web.Doc("cancelOrder", "orders", "Cancel an order"),
		web.Describe("Possible until the order ships. A payment is refunded, and stock is released. The history "+
			"and the buyer's notification show the reason."))
	web.Handle(app, "POST /orders/{id}/ship", shop.ManageOrders, s.handleShip, web.NoStore,
		web.Fails(ErrNotFound, ErrTransition),
		web.Doc("shipOrder", "orders", "Ship an order"), web.Describe("Marks a paid order as shipped."))
	web.Handle(app, "POST /orders/{id}/deliver", shop.ManageOrders, s.handleDeliver, web.NoStore,
		web.Fails(ErrNotFound, ErrTransition),
		web.Doc("deliverOrder", "orders", "Deliver an order"), web.Describe("Marks a shipped order as delivered."))
	web.Handle(app, "POST /orders/{id}/refund", shop.ManageOrders, s.handleRefund, web.NoStore, web.OptionalBody,
		web.Fails(ErrNotFound, ErrTransition, ErrRefundTooLarge, ErrNotInOrder),
		web.Doc("refundOrder", "orders", "Refund an order"),
		web.Describe("Refunds some items, or all that is left of a paid order."))
	web.Handle(app, "POST /orders/{id}/refunds/{refund_id}/retry", shop.ManageOrders, s.handleRetry, web.NoStore,
		web.Fails(ErrNotFound, ErrNotFailed),
		web.Doc("retryRefund", "orders", "Retry a failed refund"))
}

func (s *Service) handlePlace(ctx context.Context, caller shop.Caller, in NewOrder) (Order, error) {
	return s.Place(ctx, caller.ID, in)
}

type listInput struct {
	Filter
	web.PageQuery
}

func (s *Service) handleList(ctx context.Context, caller shop.Caller, in listInput) (web.Page[Order], error) {
	return s.List(ctx, caller, in.Filter, in.PageQuery)
}

type idInput struct {
	ID shop.OrderID `path:"id" validate:"required"`
}

func (s *Service) handleGet(ctx context.Context, caller shop.Caller, in idInput) (Order, error) {
	return s.Get(ctx, caller, in.ID)
}

func (s *Service) handleGetV2(ctx context.Context, caller shop.Caller, in idInput) (OrderV2, error) {
	o, err := s.Get(ctx, caller, in.ID)
	return toV2(o), err
}

type newCancellation struct {
	idInput
	Cancellation
}

func (s *Service) handleCancel(ctx context.Context, caller shop.Caller, in newCancellation) (Order, error) {
	return s.Cancel(ctx, caller, in.ID, in.Reason)
}

type newShipment struct {
	idInput
	Shipment
}

func (s *Service) handleShip(ctx context.Context, caller shop.Caller, in newShipment) (Order, error) {
	return s.Ship(ctx, caller, in.ID, in.Shipment)
}

func (s *Service) handleDeliver(ctx context.Context, caller shop.Caller, in idInput) (Order, error) {
	return s.Deliver(ctx, caller, in.ID)
}

type newRefund struct {
	idInput
	NewRefund
}

func (s *Service) handleRefund(ctx context.Context, caller shop.Caller, in newRefund) (Order, error) {
	return s.Refund(ctx, caller, in.ID, in.NewRefund)
}

type retryInput struct {
	idInput
	RefundID uuid.UUID `path:"refund_id" validate:"required"`
}

func (s *Service) handleRetry(ctx context.Context, caller shop.Caller, in retryInput) (Order, error) {
	return s.RetryRefund(ctx, caller, in.ID, in.RefundID)
}
