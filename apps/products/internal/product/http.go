package product

import (
	"context"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the products' routes.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /products", shop.ManageCatalogue, s.handleCreate, web.Created, web.Fails(ErrSKU), web.Doc("Put a product on sale"))
	web.Handle(app, "GET /products", shop.Anyone, s.handleList, web.Doc("List the products on sale, newest first"))
	web.Handle(app, "GET /products/{id}", shop.Anyone, s.handleGet, web.Fails(ErrNotFound), web.Doc("See a product"))
	web.Handle(app, "POST /prices", shop.Anyone, s.handlePrices, web.Internal)
}

func (s *Service) handleCreate(ctx context.Context, _ shop.Caller, in New) (Product, error) {
	return s.Create(ctx, in)
}

type listInput struct {
	Filter
	web.PageQuery
}

func (s *Service) handleList(ctx context.Context, _ shop.Caller, in listInput) (web.Page[Product], error) {
	return s.List(ctx, in.Filter, in.PageQuery)
}

type idInput struct {
	ID int64 `path:"id" validate:"min=1"`
}

func (s *Service) handleGet(ctx context.Context, _ shop.Caller, in idInput) (Product, error) {
	return s.Get(ctx, in.ID)
}

type pricesInput struct {
	ProductIDs []int64 `json:"product_ids" validate:"required,min=1,max=1000,dive,min=1"`
}

type prices struct {
	Items []Price `json:"items"`
}

func (s *Service) handlePrices(ctx context.Context, _ shop.Caller, in pricesInput) (prices, error) {
	found, err := s.Prices(ctx, in.ProductIDs)
	return prices{found}, err
}
