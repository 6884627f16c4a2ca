package product

import (
	"context"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of products.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /products", shop.ManageCatalogue, s.handleCreate, web.Created, web.Fails(ErrSKUTaken, ErrSlugTaken),
		web.Doc("createProduct", "products", "Create a product"))
	web.Handle(app, "GET /products", shop.Anyone, s.handleList,
		web.Doc("listProducts", "products", "List products"),
		web.Describe("Searches, filters and sorts the products on sale. Filters and orders by price compare products of one "+
			"currency: that of currency, otherwise the shop's."))
	web.Handle(app, "GET /products/{id}", shop.Anyone, s.handleGet, web.Fails(ErrNotFound),
		web.Doc("getProduct", "products", "Get a product"))
	web.Handle(app, "PATCH /products/{id}", shop.ManageCatalogue, s.handleUpdate,
		web.Fails(ErrNotFound, web.ErrPreconditionFailed, ErrSlugTaken),
		web.Doc("updateProduct", "products", "Update a product"),
		web.Describe("Fields that are left out keep their value."))
	web.Handle(app, "DELETE /products/{id}", shop.ManageCatalogue, s.handleArchive,
		web.Fails(ErrNotFound, web.ErrPreconditionFailed),
		web.Doc("archiveProduct", "products", "Archive a product"),
		web.Describe("Takes the product off sale. Earlier orders still show it."))
	web.Handle(app, "POST /prices", shop.Anyone, s.handlePrices, web.Internal)
}

func (s *Service) handleCreate(ctx context.Context, _ shop.Caller, in NewProduct) (Product, error) {
	return s.Create(ctx, in)
}

type listInput struct {
	Filter
	web.PageQuery
}

func (s *Service) handleList(ctx context.Context, _ shop.Caller, in listInput) (ProductPage, error) {
	return s.List(ctx, in.Filter, in.PageQuery)
}

type idInput struct {
	ID int64 `path:"id" validate:"min=1" example:"1"`
}

func (s *Service) handleGet(ctx context.Context, _ shop.Caller, in idInput) (Product, error) {
	return s.Get(ctx, in.ID)
}

type updateInput struct {
	ID      int64       `path:"id" validate:"min=1" example:"1"`
	IfMatch web.IfMatch `header:"If-Match" doc:"ETag of the state that you read."`
	ProductUpdate
}

func (s *Service) handleUpdate(ctx context.Context, _ shop.Caller, in updateInput) (Product, error) {
	return s.Update(ctx, in.ID, in.IfMatch, in.ProductUpdate)
}

type archiveInput struct {
	ID      int64       `path:"id" validate:"min=1" example:"1"`
	IfMatch web.IfMatch `header:"If-Match" doc:"ETag of the state that you read."`
}

func (s *Service) handleArchive(ctx context.Context, _ shop.Caller, in archiveInput) (web.None, error) {
	return web.None{}, s.Archive(ctx, in.ID, in.IfMatch)
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
