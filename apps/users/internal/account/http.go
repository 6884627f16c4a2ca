package account

import (
	"context"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the accounts' routes.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /auth/register", shop.Anyone, s.handleRegister, web.Created, web.NoStore, web.Fails(ErrUsername, ErrEmail), web.Doc("Open an account"))
	web.Handle(app, "GET /users/me", shop.SignedIn, s.handleMe, web.NoStore, web.Doc("See your own account"))
	web.Handle(app, "GET /users", shop.ManageUsers, s.handleList, web.NoStore, web.Doc("List the accounts, newest first"))
	web.Handle(app, "GET /users/{id}", shop.ManageUsers, s.handleGet, web.NoStore, web.Fails(ErrNotFound), web.Doc("See an account"))
	web.Handle(app, "PATCH /users/{id}", shop.ManageUsers, s.handleChange, web.NoStore, web.Fails(ErrNotFound, ErrLastAdmin), web.Doc("Give an account another role, close or open it"))
}

func (s *Service) handleRegister(ctx context.Context, _ shop.Caller, in Registration) (Account, error) {
	return s.Register(ctx, in)
}

func (s *Service) handleMe(ctx context.Context, who shop.Caller, _ web.None) (Account, error) {
	return s.Get(ctx, who.ID)
}

type listInput struct{ web.PageQuery }

func (s *Service) handleList(ctx context.Context, _ shop.Caller, in listInput) (web.Page[Account], error) {
	return s.List(ctx, in.PageQuery)
}

type idInput struct {
	ID shop.UserID `path:"id" validate:"required"`
}

func (s *Service) handleGet(ctx context.Context, _ shop.Caller, in idInput) (Account, error) {
	return s.Get(ctx, in.ID)
}

type changeInput struct {
	ID shop.UserID `path:"id" validate:"required"`
	Change
}

func (s *Service) handleChange(ctx context.Context, _ shop.Caller, in changeInput) (Account, error) {
	return s.Change(ctx, in.ID, in.Change)
}
