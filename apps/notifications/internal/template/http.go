package template

import (
	"context"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of templates.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /notifications/templates/{kind}/{channel}", shop.ManageMessages, s.handleGet, web.NoStore,
		web.Fails(ErrNotFound),
		web.Doc("getTemplate", "admin", "Get a notification template"),
		web.Describe("In one language. version selects an earlier version; 0 is the built-in one."))
	web.Handle(app, "PUT /notifications/templates/{kind}/{channel}", shop.ManageMessages, s.handlePut, web.NoStore,
		web.Fails(ErrNotFound, ErrBroken, ErrPreconditionFailed),
		web.Doc("updateTemplate", "admin", "Update a notification template"),
		web.Describe("A template that cannot be rendered is refused."))
	web.Handle(app, "POST /notifications/templates/{kind}/{channel}/preview", shop.ManageMessages, s.handlePreview,
		web.NoStore, web.Fails(ErrNotFound, ErrBroken),
		web.Doc("previewTemplate", "admin", "Preview a notification template"),
		web.Describe("Renders the body, or without one the current template, with sample data."))
}

type getInput struct {
	Selector
	Version *int `query:"version" validate:"omitempty,min=0,max=2147483647" doc:"An earlier version; 0 is the built-in one. Default: the current one."`
}

func (s *Service) handleGet(ctx context.Context, _ shop.Caller, in getInput) (Template, error) {
	if in.Version != nil {
		return s.Version(ctx, in.Selector, *in.Version)
	}
	return Get(ctx, s.db, in.Selector)
}

// templateUpdate is a new version of a template. Version is the current one, 0 for the built-in template.
type templateUpdate struct {
	Selector
	Version int    `json:"version" validate:"min=0" example:"0"`
	Title   string `json:"title" validate:"max=500" example:"On its way"`
	Body    string `json:"body" validate:"required,notblank,max=20000" example:"Your order {{.Number}} is on its way."`
	HTML    string `json:"html" validate:"max=100000"`
}

func (s *Service) handlePut(ctx context.Context, caller shop.Caller, in templateUpdate) (Template, error) {
	return s.Update(ctx, caller.ID, in.Selector, in.Version, TemplateText{Title: in.Title, Body: in.Body, HTML: in.HTML})
}

// templatePreview is a text to render. If all fields are left out, the current version is rendered.
type templatePreview struct {
	Selector
	Title *string `json:"title" validate:"omitempty,max=500"`
	Body  *string `json:"body" validate:"omitempty,max=20000" example:"Your order {{.Number}} is on its way."`
	HTML  *string `json:"html" validate:"omitempty,max=100000"`
}

func (s *Service) handlePreview(ctx context.Context, _ shop.Caller, in templatePreview) (TemplateText, error) {
	if in.Title == nil && in.Body == nil && in.HTML == nil {
		return s.Preview(ctx, in.Selector, nil)
	}
	text := TemplateText{}
	web.Apply(&text.Title, in.Title)
	web.Apply(&text.Body, in.Body)
	web.Apply(&text.HTML, in.HTML)
	return s.Preview(ctx, in.Selector, &text)
}
