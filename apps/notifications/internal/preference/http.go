package preference

import (
	"context"
	"net/http"
	"net/url"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the preferences to an app.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /notifications/preferences", shop.SignedIn, s.handleGet, web.NoStore,
		web.Doc("How you are told: kinds, channels, quiet hours, language"))
	web.Handle(app, "PUT /notifications/preferences", shop.SignedIn, s.handlePut, web.NoStore,
		web.Doc("Change how you are told; what is left out stays"))
	web.Handle(app, "POST /notifications/unsubscribe", shop.Anyone, s.handleUnsubscribe, web.NoStore, web.Form,
		web.Fails(ErrLink), web.Doc("End the e-mails of one kind, with the link that came with one of them (RFC 8058)"))
	web.Handle(app, "GET /notifications/unsubscribe", shop.Anyone, s.handleByHand, web.NoStore, web.Status(http.StatusSeeOther), web.Produces("text/plain"),
		web.Doc("Leads to the page that ends them, for programs that follow a List-Unsubscribe link instead of sending something there"))
}

func (s *Service) handleGet(ctx context.Context, who shop.Caller, _ web.None) (Preferences, error) {
	return s.Get(ctx, who.ID)
}

func (s *Service) handlePut(ctx context.Context, who shop.Caller, in Change) (Preferences, error) {
	return s.Change(ctx, who.ID, in)
}

type link struct {
	Token    string `query:"token" validate:"required,max=300"`
	OneClick string `json:"List-Unsubscribe" validate:"required,eq=One-Click"`
}

// handleByHand ends nothing: programs that look at every link of a mail would.
func (s *Service) handleByHand(_ context.Context, _ shop.Caller, in struct {
	Token string `query:"token" validate:"required,max=300"`
}) (web.Content, error) {
	return web.Content{MediaType: "text/plain", Bytes: []byte("see the page"), Header: map[string]string{"Location": "/unsubscribe?token=" + url.QueryEscape(in.Token)}}, nil
}

type ended struct {
	Kind string `json:"kind"`
}

func (s *Service) handleUnsubscribe(ctx context.Context, _ shop.Caller, in link) (ended, error) {
	k, err := s.Unsubscribe(ctx, in.Token)
	return ended{k.Name}, err
}
