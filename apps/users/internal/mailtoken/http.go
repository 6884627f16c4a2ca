package mailtoken

import (
	"context"

	"github.com/google/uuid"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the route that whoever sends the mail asks, through the sidecars: it is not in the gateway's table, and the
// sidecars' access list lets notifications alone through.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /mail-tokens/{request_id}", shop.Anyone, s.handleReveal, web.Internal, web.NoStore,
		web.Fails(ErrRequestNotFound, ErrRequestClosed))
}

type requestInput struct {
	RequestID uuid.UUID `path:"request_id"`
}

func (s *Service) handleReveal(ctx context.Context, _ shop.Caller, in requestInput) (MailToken, error) {
	return s.Reveal(ctx, in.RequestID)
}
