package session

import (
	"context"

	"sidecart/apps/users/internal/account"
	"sidecart/kit/auth"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the sessions' routes and the public keys that verify their tokens.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /auth/login", shop.Anyone, s.handleSignIn, web.Form, web.NoStore, web.Fails(account.ErrCredentials), web.Doc("Sign in, by form or JSON"))
	web.Handle(app, "POST /auth/refresh", shop.Anyone, s.handleRefresh, web.NoStore, web.Fails(ErrRefresh), web.Doc("Exchange a refresh token for a new pair"))
	web.Handle(app, "GET /.well-known/jwks.json", shop.Anyone, s.handleKeys, web.Doc("The public keys that verify access tokens"))
}

type signInInput struct {
	Login
	Device
}

func (s *Service) handleSignIn(ctx context.Context, _ shop.Caller, in signInInput) (Pair, error) {
	return s.SignIn(ctx, in.Login, in.Device)
}

type refreshInput struct {
	RefreshToken string `json:"refresh_token" validate:"required,max=200"`
}

func (s *Service) handleRefresh(ctx context.Context, _ shop.Caller, in refreshInput) (Pair, error) {
	return s.Refresh(ctx, in.RefreshToken)
}

func (s *Service) handleKeys(context.Context, shop.Caller, web.None) (auth.JWKS, error) {
	return s.signer.JWKS(), nil
}
