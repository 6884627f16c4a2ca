package cart

import (
	"context"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of the caller's own cart.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /cart", shop.SignedIn, s.handleGet, web.NoStore,
		web.Doc("getCart", "cart", "Get your cart"), web.Describe("At current prices."))
	web.Handle(app, "DELETE /cart", shop.SignedIn, s.handleEmpty, web.NoStore,
		web.Doc("emptyCart", "cart", "Empty your cart"))
	web.Handle(app, "PUT /cart/items/{product_id}", shop.SignedIn, s.handleSet, web.NoStore,
		web.Fails(ErrNoProduct, ErrArchived, ErrFull),
		web.Doc("setCartItem", "cart", "Set a cart item"), web.Describe("Sets how many of a product are in the cart."))
	web.Handle(app, "DELETE /cart/items/{product_id}", shop.SignedIn, s.handleRemove, web.NoStore,
		web.Doc("removeCartItem", "cart", "Remove a cart item"))
	web.Handle(app, "POST /cart/checkout", shop.SignedIn, s.handleCheckout, web.Created, web.NoStore,
		web.Fails(ErrEmpty, ErrCheckout, order.ErrOutOfStock, order.ErrUnknownProduct, order.ErrMixedCurrencies),
		web.Doc("checkout", "cart", "Check out"),
		web.Describe("Places an order of what is in the cart and empties it."))
	web.Handle(app, "GET /export/{user_id}", shop.Anyone, s.handleExport, web.Internal, web.NoStore)
}

func (s *Service) handleGet(ctx context.Context, caller shop.Caller, _ web.None) (Cart, error) {
	return s.Get(ctx, caller.ID)
}

func (s *Service) handleEmpty(ctx context.Context, caller shop.Caller, _ web.None) (web.None, error) {
	return web.None{}, s.Empty(ctx, caller.ID)
}

type productInput struct {
	ProductID int64 `path:"product_id" validate:"min=1" example:"1"`
}

// cartItemUpdate is how many of a product a cart has.
type cartItemUpdate struct {
	productInput
	Quantity int `json:"quantity" validate:"required,min=1,max=1000" example:"2"`
}

func (s *Service) handleSet(ctx context.Context, caller shop.Caller, in cartItemUpdate) (Cart, error) {
	return s.Set(ctx, caller.ID, order.OrderItem{ProductID: in.ProductID, Quantity: in.Quantity})
}

func (s *Service) handleRemove(ctx context.Context, caller shop.Caller, in productInput) (Cart, error) {
	return s.Remove(ctx, caller.ID, in.ProductID)
}

func (s *Service) handleCheckout(ctx context.Context, caller shop.Caller, in order.Checkout) (order.Order, error) {
	return s.Checkout(ctx, caller.ID, in)
}

type userInput struct {
	UserID shop.UserID `path:"user_id" validate:"required"`
}

func (s *Service) handleExport(ctx context.Context, _ shop.Caller, in userInput) (Export, error) {
	return s.Export(ctx, in.UserID)
}
