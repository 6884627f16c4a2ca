package session

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/kit/auth"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of sessions, of the public keys, and of the revocation feed for other services.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /auth/login", shop.Anyone, s.handleSignIn, web.Form, web.NoStore,
		web.Fails(account.ErrCredentials, account.ErrEmailNotVerified, lockout.ErrLocked),
		web.Doc("signIn", "auth", "Sign in"),
		web.Describe("Takes JSON or a form, with the username or the e-mail address. Responds with an access token "+
			"and a refresh token."))
	web.Handle(app, "POST /auth/refresh", shop.Anyone, s.handleRefresh, web.NoStore, web.Fails(ErrInvalidRefreshToken),
		web.Doc("refreshToken", "auth", "Refresh the tokens"),
		web.Describe("A refresh token is used once. Within ten seconds of its use, as in a retry, it returns the pair that "+
			"works; a later reuse ends the session."))
	web.Handle(app, "POST /auth/logout", shop.SignedIn, s.handleSignOut, web.NoStore,
		web.Doc("signOut", "auth", "Sign out"), web.Describe("Ends this session: its tokens are refused from then on."))
	web.Handle(app, "GET /users/me/sessions", shop.SignedIn, s.List, web.NoStore,
		web.Doc("listSessions", "auth", "List your sessions"))
	web.Handle(app, "DELETE /users/me/sessions", shop.SignedIn, s.handleSignOutAll, web.NoStore,
		web.Doc("endSessions", "auth", "End all sessions"),
		web.Describe("keep=current keeps the session of this request."))
	web.Handle(app, "DELETE /users/me/sessions/{id}", shop.SignedIn, s.handleSignOutOne, web.NoStore,
		web.Fails(ErrNotFound),
		web.Doc("endSession", "auth", "End a session"))
	web.Handle(app, "GET /.well-known/jwks.json", shop.Anyone, s.handleKeys,
		web.Doc("getKeySet", "auth", "Get the key set"),
		web.Describe("The public keys that verify access tokens (JSON Web Key Set)."))
	web.Handle(app, "GET /.well-known/openid-configuration", shop.Anyone, s.handleOpenIDConfiguration,
		web.Doc("getOpenIDConfiguration", "auth", "Get the OpenID configuration"),
		web.Describe("How programs verify access tokens (OpenID Connect Discovery)."))
	web.Handle(app, "GET /revocations", shop.Anyone, s.handleRevocations, web.Internal, web.NoStore)
	web.Handle(app, "POST /keys/rotate", shop.Anyone, s.handleRotate, web.Internal)
}

type signInInput struct {
	Credentials
	audit.Origin
}

func (s *Service) handleSignIn(ctx context.Context, _ shop.Caller, in signInInput) (TokenPair, error) {
	return s.SignIn(ctx, in.Credentials, in.Origin)
}

// tokenRefresh is a refresh token, which is used once.
type tokenRefresh struct {
	RefreshToken string `json:"refresh_token" validate:"required,max=200"`
	audit.Origin
}

func (s *Service) handleRefresh(ctx context.Context, _ shop.Caller, in tokenRefresh) (TokenPair, error) {
	return s.Refresh(ctx, in.RefreshToken, in.Origin)
}

func (s *Service) handleSignOut(ctx context.Context, caller shop.Caller, in audit.Origin) (web.None, error) {
	return web.None{}, s.SignOutHere(ctx, caller, in)
}

type signOutAllInput struct {
	Keep string `query:"keep" validate:"omitempty,oneof=current" doc:"current keeps the session of this request."`
	audit.Origin
}

func (s *Service) handleSignOutAll(ctx context.Context, caller shop.Caller, in signOutAllInput) (web.None, error) {
	return web.None{}, s.SignOutAll(ctx, caller, in.Keep == "current", in.Origin)
}

type idInput struct {
	ID uuid.UUID `path:"id" validate:"required"`
	audit.Origin
}

func (s *Service) handleSignOutOne(ctx context.Context, caller shop.Caller, in idInput) (web.None, error) {
	return web.None{}, s.SignOut(ctx, caller, in.ID, in.Origin)
}

func (s *Service) handleKeys(context.Context, shop.Caller, web.None) (auth.JWKS, error) {
	return s.signer.JWKS(), nil
}

func (s *Service) handleOpenIDConfiguration(context.Context, shop.Caller, web.None) (OpenIDConfiguration, error) {
	return OpenIDConfiguration{
		Issuer: s.signer.Issuer, JWKS: strings.TrimSuffix(s.signer.Issuer, "/") + "/.well-known/jwks.json",
		Algorithms: []string{"EdDSA"}, Subjects: []string{"public"}, Responses: []string{"token"},
		Claims: []string{"iss", "aud", "sub", "sid", "jti", "role", "iat", "nbf", "exp"},
	}, nil
}

type revocationsInput struct {
	Cursor string `query:"cursor" empty:"true" validate:"max=100"` // empty at the start
}

func (s *Service) handleRevocations(ctx context.Context, _ shop.Caller, in revocationsInput) (auth.Update, error) {
	return s.Revocations(ctx, in.Cursor)
}

func (s *Service) handleRotate(ctx context.Context, _ shop.Caller, _ web.None) (KeyRotation, error) {
	return s.Rotate(ctx)
}
