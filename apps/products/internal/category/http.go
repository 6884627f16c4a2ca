package category

import (
	"context"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of categories.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /categories", shop.ManageCatalogue, s.handleCreate, web.Created, web.Fails(ErrSlugTaken),
		web.Doc("createCategory", "categories", "Create a category"))
	web.Handle(app, "GET /categories", shop.Anyone, s.handleList,
		web.Doc("listCategories", "categories", "List categories"), web.Describe("As a list or as a tree."))
	web.Handle(app, "GET /categories/{id}", shop.Anyone, s.handleGet, web.Fails(ErrNotFound),
		web.Doc("getCategory", "categories", "Get a category"))
	web.Handle(app, "PATCH /categories/{id}", shop.ManageCatalogue, s.handleUpdate,
		web.Fails(ErrNotFound, web.ErrPreconditionFailed, ErrSlugTaken, ErrCycle),
		web.Doc("updateCategory", "categories", "Update a category"))
	web.Handle(app, "DELETE /categories/{id}", shop.ManageCatalogue, s.handleDelete,
		web.Fails(ErrNotFound, web.ErrPreconditionFailed, ErrInUse),
		web.Doc("deleteCategory", "categories", "Delete an empty category"))
}

func (s *Service) handleCreate(ctx context.Context, _ shop.Caller, in NewCategory) (Category, error) {
	return s.Create(ctx, in)
}

type listInput struct {
	Tree bool `query:"tree" doc:"Nest subcategories in their parents."`
	web.PageQuery
}

func (s *Service) handleList(ctx context.Context, _ shop.Caller, in listInput) (web.Page[Category], error) {
	if in.Tree {
		return s.Tree(ctx)
	}
	return s.List(ctx, in.PageQuery)
}

type idInput struct {
	ID int64 `path:"id" validate:"min=1" example:"1"`
}

func (s *Service) handleGet(ctx context.Context, _ shop.Caller, in idInput) (Category, error) {
	return s.Get(ctx, in.ID)
}

type updateInput struct {
	ID      int64       `path:"id" validate:"min=1" example:"1"`
	IfMatch web.IfMatch `header:"If-Match" doc:"ETag of the state that you read."`
	CategoryUpdate
}

func (s *Service) handleUpdate(ctx context.Context, _ shop.Caller, in updateInput) (Category, error) {
	return s.Update(ctx, in.ID, in.IfMatch, in.CategoryUpdate)
}

type deleteInput struct {
	ID      int64       `path:"id" validate:"min=1" example:"1"`
	IfMatch web.IfMatch `header:"If-Match" doc:"ETag of the state that you read."`
}

func (s *Service) handleDelete(ctx context.Context, _ shop.Caller, in deleteInput) (web.None, error) {
	return web.None{}, s.Delete(ctx, in.ID, in.IfMatch)
}
