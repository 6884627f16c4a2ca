package preference

import (
	"context"
	"net/http"
	"net/url"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of preferences.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /notifications/preferences", shop.SignedIn, s.handleGet, web.NoStore,
		web.Doc("getPreferences", "notifications", "Get your notification preferences"),
		web.Describe("Kinds, channels, quiet hours and language."))
	web.Handle(app, "PUT /notifications/preferences", shop.SignedIn, s.handlePut, web.NoStore,
		web.Doc("updatePreferences", "notifications", "Update your notification preferences"),
		web.Describe("Fields that are left out keep their value."))
	web.Handle(app, "POST /notifications/unsubscribe", shop.Anyone, s.handleUnsubscribe, web.NoStore, web.Form,
		web.Fails(ErrInvalidLink),
		web.Doc("unsubscribe", "notifications", "Unsubscribe from e-mails of one kind"),
		web.Describe("One-click unsubscribe (RFC 8058), with the token of the link in an e-mail."))
	web.Handle(app, "GET /notifications/unsubscribe", shop.Anyone, s.handleUnsubscribePage, web.NoStore,
		web.Status(http.StatusSeeOther), web.Produces("text/plain"),
		web.Doc("openUnsubscribePage", "notifications", "Open the unsubscribe page"),
		web.Describe("Redirects programs that follow a List-Unsubscribe link to the page that unsubscribes."))
}

func (s *Service) handleGet(ctx context.Context, caller shop.Caller, _ web.None) (Preferences, error) {
	return s.Get(ctx, caller.ID)
}

func (s *Service) handlePut(ctx context.Context, caller shop.Caller, in PreferencesUpdate) (Preferences, error) {
	return s.Update(ctx, caller.ID, in)
}

// unsubscribeRequest is a one-click unsubscription (RFC 8058).
type unsubscribeRequest struct {
	Token    string `query:"token" validate:"required,max=300"`
	OneClick string `json:"List-Unsubscribe" validate:"required,eq=One-Click"`
}

type pageRequest struct {
	Token string `query:"token" validate:"required,max=300"`
}

// handleUnsubscribePage only redirects, because some programs follow every link of an e-mail.
func (s *Service) handleUnsubscribePage(_ context.Context, _ shop.Caller, in pageRequest) (web.Content, error) {
	return web.Content{
		MediaType: "text/plain", Bytes: []byte("See the Location header.\n"),
		Header: map[string]string{"Location": "/unsubscribe?token=" + url.QueryEscape(in.Token)},
	}, nil
}

// unsubscribeResult is the kind whose e-mails have ended.
type unsubscribeResult struct {
	Kind string `json:"kind"`
}

func (s *Service) handleUnsubscribe(
	ctx context.Context, _ shop.Caller, in unsubscribeRequest,
) (unsubscribeResult, error) {
	k, err := s.Unsubscribe(ctx, in.Token)
	return unsubscribeResult{k.Name}, err
}
