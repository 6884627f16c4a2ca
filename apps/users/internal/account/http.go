package account

import (
	"context"
	"net/http"

	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of accounts.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /auth/register", shop.Anyone, s.handleRegister, web.Created, web.NoStore,
		web.Fails(ErrUsernameTaken, ErrEmailTaken),
		web.Doc("register", "auth", "Register an account"),
		web.Describe("The e-mail address receives a link that verifies it."))
	web.Handle(app, "POST /auth/verify-email", shop.Anyone, s.handleVerify, web.NoStore,
		web.Fails(mailtoken.ErrInvalidToken),
		web.Doc("verifyEmail", "auth", "Verify an e-mail address"),
		web.Describe("Takes the token of the verification e-mail."))
	web.Handle(app, "POST /auth/verify-email/resend", shop.Anyone, s.handleResend, web.Status(http.StatusAccepted),
		web.NoStore,
		web.Doc("resendVerification", "auth", "Resend the verification e-mail"),
		web.Describe("The response is the same whether or not there is such an account."))
	web.Handle(app, "POST /auth/password/forgot", shop.Anyone, s.handleForgot, web.Status(http.StatusAccepted),
		web.NoStore,
		web.Doc("requestPasswordReset", "auth", "Request a password reset"),
		web.Describe("An e-mail with a token is sent if there is such an account; the response is the same in both "+
			"cases."))
	web.Handle(app, "POST /auth/password/reset", shop.Anyone, s.handleReset, web.NoStore,
		web.Fails(mailtoken.ErrInvalidToken),
		web.Doc("resetPassword", "auth", "Reset a forgotten password"),
		web.Describe("Takes the token of the password reset e-mail and ends all sessions."))
	s.ownRoutes(app)
	s.adminRoutes(app)
}

func (s *Service) ownRoutes(app *web.App) {
	web.Handle(app, "GET /users/me", shop.SignedIn, s.handleAccount, web.NoStore, web.Fails(ErrNotFound),
		web.Doc("getAccount", "account", "Get your account"))
	web.Handle(app, "PATCH /users/me", shop.SignedIn, s.handleProfile, web.NoStore,
		web.Fails(ErrNotFound, ErrUsernameTaken, ErrEmailTaken, ErrTooManyMails),
		web.Doc("updateAccount", "account", "Update your account"),
		web.Describe("A new e-mail address must be verified again."))
	web.Handle(app, "DELETE /users/me", shop.SignedIn, s.handleErase, web.Fails(ErrNotFound, ErrLastAdmin),
		web.Doc("deleteAccount", "account", "Delete your account"),
		web.Describe("Personal data is erased in all services. This cannot be undone."))
	web.Handle(app, "GET /users/me/export", shop.SignedIn, s.Export, web.NoStore,
		web.Fails(ErrNotFound, ErrIncompleteExport),
		web.Doc("exportAccount", "account", "Export your data"),
		web.Describe("All personal data that the services hold, as one JSON document."))
	web.Handle(app, "PUT /users/me/password", shop.SignedIn, s.handlePassword, web.NoStore,
		web.Fails(ErrNotFound, ErrWrongPassword, lockout.ErrLocked),
		web.Doc("changePassword", "account", "Change your password"), web.Describe("Ends all other sessions."))
}

func (s *Service) adminRoutes(app *web.App) {
	web.Handle(app, "GET /users", shop.ManageUsers, s.handleList, web.NoStore,
		web.Doc("listUsers", "admin", "List users"), web.Describe("Newest first."))
	web.Handle(app, "GET /users/{id}", shop.ManageUsers, s.handleGet, web.NoStore, web.Fails(ErrNotFound),
		web.Doc("getUser", "admin", "Get a user"))
	web.Handle(app, "PATCH /users/{id}", shop.ManageUsers, s.handleUpdate, web.NoStore,
		web.Fails(ErrNotFound, ErrLastAdmin),
		web.Doc("updateUser", "admin", "Update a user"),
		web.Describe("Changes the role, or deactivates and activates the account."))
	web.Handle(app, "POST /users/{id}/unlock", shop.ManageUsers, s.handleUnlock, web.Fails(ErrNotFound),
		web.Doc("unlockUser", "admin", "Unlock a user"), web.Describe("Ends the lockout that failed sign-ins caused."))
}

type registerInput struct {
	Registration
	audit.Origin
}

func (s *Service) handleRegister(ctx context.Context, _ shop.Caller, in registerInput) (Account, error) {
	return s.Register(ctx, in.Registration, in.Origin)
}

// emailVerification is the token of a verification e-mail.
type emailVerification struct {
	Token string `json:"token" validate:"required,max=200"`
	audit.Origin
}

func (s *Service) handleVerify(ctx context.Context, _ shop.Caller, in emailVerification) (web.None, error) {
	return web.None{}, s.VerifyEmail(ctx, in.Token, in.Origin)
}

// emailAddress is the address of an account.
type emailAddress struct {
	Email string `json:"email" validate:"required,email,mailbox,visible,max=254" example:"ada@example.com"`
	audit.Origin
}

func (s *Service) handleResend(ctx context.Context, _ shop.Caller, in emailAddress) (web.None, error) {
	return web.None{}, s.RequestMail(ctx, mailtoken.VerifyEmail, in.Email, in.Origin)
}

func (s *Service) handleForgot(ctx context.Context, _ shop.Caller, in emailAddress) (web.None, error) {
	return web.None{}, s.RequestMail(ctx, mailtoken.ResetPassword, in.Email, in.Origin)
}

// passwordReset is the token of a password reset e-mail and the new password.
type passwordReset struct {
	Token       string `json:"token" validate:"required,max=200"`
	NewPassword string `json:"new_password" validate:"required,min=8,max=1000"`
	audit.Origin
}

func (s *Service) handleReset(ctx context.Context, _ shop.Caller, in passwordReset) (web.None, error) {
	return web.None{}, s.ResetPassword(ctx, in.Token, in.NewPassword, in.Origin)
}

func (s *Service) handleAccount(ctx context.Context, caller shop.Caller, _ web.None) (Account, error) {
	return s.Get(ctx, caller.ID)
}

type profileInput struct {
	AccountUpdate
	audit.Origin
}

func (s *Service) handleProfile(ctx context.Context, caller shop.Caller, in profileInput) (Account, error) {
	return s.UpdateProfile(ctx, caller, in.AccountUpdate, in.Origin)
}

func (s *Service) handleErase(ctx context.Context, caller shop.Caller, in audit.Origin) (web.None, error) {
	return web.None{}, s.Erase(ctx, caller, in)
}

// passwordChange is the current password and the new one.
type passwordChange struct {
	CurrentPassword string `json:"current_password" validate:"required,max=1000" example:"correct horse battery"`
	NewPassword     string `json:"new_password" validate:"required,min=8,max=1000" example:"battery horse correct"`
	audit.Origin
}

func (s *Service) handlePassword(ctx context.Context, caller shop.Caller, in passwordChange) (web.None, error) {
	return web.None{}, s.ChangePassword(ctx, caller, in.CurrentPassword, in.NewPassword, in.Origin)
}

type listInput struct {
	Filter
	web.PageQuery
}

func (s *Service) handleList(ctx context.Context, _ shop.Caller, in listInput) (web.Page[Account], error) {
	return s.List(ctx, in.Filter, in.PageQuery)
}

type idInput struct {
	ID shop.UserID `path:"id" validate:"required"`
	audit.Origin
}

func (s *Service) handleGet(ctx context.Context, caller shop.Caller, in idInput) (Account, error) {
	return s.View(ctx, caller, in.ID, in.Origin)
}

type updateInput struct {
	ID shop.UserID `path:"id" validate:"required"`
	UserUpdate
	audit.Origin
}

func (s *Service) handleUpdate(ctx context.Context, caller shop.Caller, in updateInput) (Account, error) {
	return s.Update(ctx, caller, in.ID, in.UserUpdate, in.Origin)
}

func (s *Service) handleUnlock(ctx context.Context, caller shop.Caller, in idInput) (web.None, error) {
	return web.None{}, s.Unlock(ctx, caller, in.ID, in.Origin)
}
