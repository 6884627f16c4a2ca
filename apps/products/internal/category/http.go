package category

import (
	"context"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the categories' routes.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /categories", shop.ManageCatalogue, s.handleCreate, web.Created, web.Fails(ErrSlug), web.Doc("Open a category"))
	web.Handle(app, "GET /categories", shop.Anyone, s.handleList, web.Doc("List the categories"))
	web.Handle(app, "GET /categories/{id}", shop.Anyone, s.handleGet, web.Fails(ErrNotFound), web.Doc("See a category"))
}

func (s *Service) handleCreate(ctx context.Context, _ shop.Caller, in New) (Category, error) {
	return s.Create(ctx, in)
}

type listInput struct{ web.PageQuery }

func (s *Service) handleList(ctx context.Context, _ shop.Caller, in listInput) (web.Page[Category], error) {
	return s.List(ctx, in.PageQuery)
}

type idInput struct {
	ID int64 `path:"id" validate:"min=1"`
}

func (s *Service) handleGet(ctx context.Context, _ shop.Caller, in idInput) (Category, error) {
	return s.Get(ctx, in.ID)
}
